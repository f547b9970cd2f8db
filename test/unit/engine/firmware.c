/* SPDX-License-Identifier: MIT */
#include "engine/firmware.h"

#include "base/err.h"
#include "base/file.h"
#include "engine/belongings.h"
#include "engine/display.h"
#include "engine/usb.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/usher-firmware-XXXXXX";

/* Of an ordinary user, whose folders are where the environment says. */
static void become_somebody(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chmod(folder, 0777), 0);
	ck_assert_int_eq(setenv("XDG_STATE_HOME", folder, 1), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
}

START_TEST(knows_its_words)
{
	static const char *const words[] = {"none", "bios", "uefi", "uefi-secure"};
	enum guest_firmware kind;
	struct guest_display display;

	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(firmware_parse(words[i], &kind), 0);
		ck_assert_str_eq(firmware_name(kind), words[i]);
	}
	ck_assert_int_eq(firmware_parse("efi", &kind), -EINVAL);
	ck_assert_int_eq(display_parse("vnc", &display), 0);
	ck_assert_str_eq(display_name(display.kind), "vnc");
	ck_assert_int_eq(display_parse("", &display), -EINVAL);
}
END_TEST

/* What a guest writes is there at its next start, for it alone. */
START_TEST(a_guest_keeps_its_variables)
{
	struct firmware f;
	struct err e = {0};
	struct stat st;
	char path[FILE_PATH_MAX], byte = 'x';

	become_somebody();
	if (firmware_check(GUEST_FIRMWARE_UEFI, &e) < 0) {
		ck_assert_ptr_nonnull(strstr(e.hint, "install OVMF"));
		return;
	}
	ck_assert_int_eq(firmware_open(GUEST_FIRMWARE_UEFI, "a", &f, &e), 0);
	ck_assert_int_eq(pwrite(f.variables, &byte, 1, 4096), 1);
	(void)close(f.variables);
	byte = 0;
	ck_assert_int_eq(firmware_open(GUEST_FIRMWARE_UEFI, "a", &f, &e), 0);
	ck_assert_int_eq(pread(f.variables, &byte, 1, 4096), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert_int_eq(fstat(f.variables, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	(void)close(f.variables);
	ck_assert_int_eq(firmware_open(GUEST_FIRMWARE_UEFI, "b", &f, &e), 0);
	ck_assert_int_eq(pread(f.variables, &byte, 1, 4096), 1);
	ck_assert_int_ne(byte, 'x');
	ck_assert_int_eq(ftruncate(f.variables, 4096), 0);
	(void)close(f.variables);
	ck_assert_int_eq(firmware_open(GUEST_FIRMWARE_UEFI, "b", &f, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "is not of this host's firmware"));
	ck_assert_int_eq(belongings_path("b", "", path, sizeof(path), &e), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
}
END_TEST

START_TEST(usb_devices_have_ids_or_places)
{
	static const char *const bad[] = {"", "046d", "046d:c52", "046d:c52bb", "0000:c52b",
		"046d:xyz1", "1", "1-", "-1", "1-2.", "1-2.3x", "a-1", "1-.2", "1:2"};
	static const char *const good[] = {"046d:c52b", "1-2", "12-3.4.11"};
	struct guest_spec s = {0};
	struct err e = {0};
	char text[USB_TEXT];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(usb_add(&s, bad[i], &e) == -EINVAL, "takes '%s'", bad[i]);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(usb_add(&s, good[i], &e), 0);
		ck_assert_str_eq(usb_text(&s.usb[i], text), good[i]);
	}
	ck_assert_int_eq(usb_add(&s, "1-2", &e), -EEXIST);
	ck_assert_int_eq(usb_check(&(struct guest_spec){.usb_count = 1,
					   .usb = {{.vendor = 0xffff, .product = 0xfffe}}},
				 &e),
		-EINVAL);
	ck_assert_str_eq(e.msg, "--usb: this host has no device ffff:fffe");
}
END_TEST

SUITE("engine_firmware", knows_its_words, a_guest_keeps_its_variables,
	usb_devices_have_ids_or_places)
