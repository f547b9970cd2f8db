/* SPDX-License-Identifier: MIT */
#include "engine/qemu/words_extra.h"

#include "engine/qemu/parts.h"
#include "engine/qemu/words_virtio.h"
#include "program/process.h"

static void option_add(struct program *p, const char *option, const char *value)
{
	program_word(p, option);
	program_word(p, value);
}

/*
 * With Secure Boot, only the firmware's system management mode may write variables: else the
 * guest's kernel could change the keys. That firmware does not resume a guest from suspend to RAM.
 */
static void firmware_add(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	if (!parts->firmware)
		return;
	program_word(p, "-blockdev");
	program_arg(p,
		"driver=raw,node-name=usher-code,read-only=on,file.driver=file,file.filename=%s",
		parts->firmware);
	qemu_words_fd(parts->variables, p);
	program_word(p, "-blockdev");
	program_arg(p,
		"driver=raw,node-name=usher-variables,file.driver=file,"
		"file.filename=/dev/fdset/%d",
		parts->variables);
	option_add(p, "-machine", "pflash0=usher-code,pflash1=usher-variables");
	if (s->firmware != GUEST_FIRMWARE_UEFI_SECURE)
		return;
	option_add(p, "-machine", "smm=on");
	option_add(p, "-global", "driver=cfi.pflash01,property=secure,value=on");
	option_add(p, "-global", "ICH9-LPC.disable_s3=1");
}

/* A tablet has places instead of ways: the pointer of the viewer is that of the guest. */
static void display_add(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	if (s->display.kind == GUEST_DISPLAY_NONE)
		return;
	option_add(p, "-device", "VGA,id=usher-screen");
	if (s->display.kind == GUEST_DISPLAY_VNC)
		program_word(p, "-vnc");
	else
		program_word(p, "-spice");
	program_arg(p,
		s->display.kind == GUEST_DISPLAY_VNC
			? "unix:/proc/self/fd/%d/vnc"
			: "unix=on,disable-ticketing=on,addr=/proc/self/fd/%d/spice",
		parts->display);
	option_add(p, "-device", "usb-tablet,bus=usher-usb.0,id=usher-tablet");
}

static void tpm_add(const struct qemu_parts *parts, struct program *p)
{
	if (parts->tpm < 0)
		return;
	program_word(p, "-chardev");
	program_arg(p, "socket,id=usher-tpm,fd=%d", parts->tpm);
	option_add(p, "-tpmdev", "emulator,id=usher-tpm0,chardev=usher-tpm");
	option_add(p, "-device", "tpm-crb,tpmdev=usher-tpm0");
}

static void usb_add(const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	if (s->usb_count || s->display.kind != GUEST_DISPLAY_NONE)
		option_add(p, "-device", "qemu-xhci,id=usher-usb");
	for (size_t i = 0; i < s->usb_count; i++) {
		qemu_words_fd(parts->usb[i], p);
		program_word(p, "-device");
		program_arg(p, "usb-host,bus=usher-usb.0,id=usher-usb%zu,hostdevice=/dev/fdset/%d",
			i, parts->usb[i]);
	}
}

void qemu_words_extra(const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	firmware_add(s, parts, p);
	tpm_add(parts, p);
	usb_add(s, parts, p);
	display_add(s, parts, p);
}
