/* SPDX-License-Identifier: MIT */
#include "engine/qemu/words.h"

#include "base/num.h"
#include "engine/environment.h"
#include "engine/qemu/board.h"
#include "engine/qemu/parts.h"
#include "engine/qemu/words_extra.h"
#include "engine/qemu/words_virtio.h"
#include "program/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works
 *
 * The words are a function of the description and of the descriptors that QEMU inherits: the same
 * ones give the same words. The caller's own come first, because of an option that comes twice QEMU
 * takes the last one, and the description has to hold.
 *
 * QEMU takes a block device's, image's or file's descriptor by a set (-add-fd, /dev/fdset/N). Its
 * loader of kernels and ROMs knows no sets, so it opens these by /proc/self/fd.
 */
#define QEMU_SLOTS_USED_MAX 24

const char *qemu_program(void)
{
	const char *path = getenv("QEMU_SYSTEM");

	return path && path[0] ? path : "qemu-system-x86_64";
}

/* A file that QEMU opens itself: by @fd, or by @path. */
static void file_add(const char *option, const char *path, int fd, struct program *p)
{
	if (fd < 0 && !path)
		return;
	program_word(p, option);
	if (fd >= 0)
		program_arg(p, "/proc/self/fd/%d", fd);
	else
		program_word(p, path);
}

static void kernel_add(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	if (!s->kernel && parts->kernel < 0)
		return;
	file_add("-kernel", s->kernel, parts->kernel, p);
	file_add("-initrd", s->initrd, parts->initrd, p);
	if (!parts->cmdline[0])
		return;
	program_word(p, "-append");
	program_arg(p, "%s", parts->cmdline);
}

static void memory_add(const struct guest_spec *s, struct program *p)
{
	const uint64_t size = qemu_board_memory(s) / MIB(1);

	if (s->has_memory || (qemu_board_is_ours(s) && !qemu_own_word(s, "-m"))) {
		program_word(p, "-m");
		program_arg(p, "%" PRIu64 "M", size);
	}
	/* Servers of folders map it, too. QEMU reads images itself. */
	if (!s->hugepages && !spec_has_share(s))
		return;
	program_word(p, "-object");
	program_arg(p, "memory-backend-memfd,id=usher-ram,size=%" PRIu64 "M%s", size,
		s->hugepages ? ",hugetlb=on,prealloc=on" : ",share=on");
	program_word(p, "-machine");
	program_word(p, "memory-backend=usher-ram");
}

/* Only what the user gave to usher: QEMU's own arguments may set processors, too. */
static void cpus_add(const struct guest_spec *s, struct program *p)
{
	if (!s->has_cpus)
		return;
	program_word(p, "-smp");
	program_arg(p, "%u", s->cpus);
}

static void board_add(const struct guest_spec *s, struct program *p)
{
	if (!qemu_board_is_ours(s))
		return;
	program_word(p, "-no-user-config");
	program_word(p, "-nodefaults");
	program_word(p, "-machine");
	program_word(p, "q35,accel=kvm,smm=off");
	if (!qemu_own_word(s, "-cpu")) {
		program_word(p, "-cpu");
		program_word(p, "host");
	}
	if (s->display.kind != GUEST_DISPLAY_NONE)
		return;
	program_word(p, "-display");
	program_word(p, "none");
}

/* Of @s->devices, the first one that is a function of the same card. */
static size_t card_of(const struct guest_spec *s, size_t i)
{
	size_t first = 0;

	while (!pci_address_same_slot(s->devices[first].address, s->devices[i].address))
		first++;
	return first;
}

/* Where a card of several functions has its function 0, the guest finds the others. */
static bool card_has_function_0(const struct guest_spec *s, size_t i)
{
	for (size_t k = 0; k < s->device_count; k++)
		if (card_of(s, k) == card_of(s, i) && s->devices[k].address.fn == 0)
			return true;
	return false;
}

/* How many functions of the same card have lower numbers. */
static unsigned card_rank(const struct guest_spec *s, size_t i)
{
	unsigned rank = 0;

	for (size_t k = 0; k < s->device_count; k++)
		rank += card_of(s, k) == card_of(s, i) &&
			s->devices[k].address.fn < s->devices[i].address.fn;
	return rank;
}

/* A root port for each card, and in it the functions with their numbers. */
static void slot_add(
	const struct guest_spec *s, size_t i, char *bus, size_t size, struct program *p)
{
	const size_t card = card_of(s, i);
	const unsigned function =
		card_has_function_0(s, i) ? s->devices[i].address.fn : card_rank(s, i);
	bool shared = false;

	for (size_t k = 0; k < s->device_count; k++)
		shared |= k != i && card_of(s, k) == card;
	if (card == i) {
		program_word(p, "-device");
		program_arg(p, "pcie-root-port,id=" QEMU_SLOT "%zu,bus=pcie.0,chassis=%zu", card,
			card + 1);
	}
	(void)snprintf(bus, size, ",bus=" QEMU_SLOT "%zu,addr=0x0.0x%x%s", card, function,
		shared && function == 0 ? ",multifunction=on" : "");
}

/* The ports have a slot of the root bus, which has 32, some of them the board's. */
static bool has_spares(const struct guest_spec *s)
{
	size_t used = spec_virtio_count(s);

	for (size_t i = 0; i < s->device_count; i++)
		used += card_of(s, i) == i;
	return qemu_board_is_ours(s) && !s->no_defaults && used <= QEMU_SLOTS_USED_MAX;
}

/*
 * Root ports for devices that come while the guest runs, all in one slot of the root bus. The
 * firmware gives each the room that it asks for: a guest makes none for a port that was empty.
 */
static void spares_add(const struct guest_spec *s, struct program *p)
{
	if (!has_spares(s))
		return;
	for (unsigned i = 0; i < QEMU_SPARES; i++) {
		program_word(p, "-device");
		program_arg(p,
			"pcie-root-port,id=" QEMU_SPARE "%u,bus=pcie.0,addr=0x1e.0x%x,chassis=%u%s,"
			"mem-reserve=32M,pref64-reserve=256M",
			i, i, SPEC_DEVICES_MAX + 1 + i, i == 0 ? ",multifunction=on" : "");
	}
}

static void device_add(
	const struct guest_spec *s, const struct qemu_parts *parts, size_t i, struct program *p)
{
	const struct guest_device *d = &s->devices[i];
	char name[PCI_ADDRESS_TEXT], place[64], bus[64] = "", rom[SPEC_ROM_MAX + 16] = "",
						boot[QEMU_BOOT_TEXT];

	if (d->rom_off)
		(void)snprintf(rom, sizeof(rom), ",rombar=0");
	else if (parts->roms[i] >= 0)
		(void)snprintf(rom, sizeof(rom), ",romfile=/proc/self/fd/%d", parts->roms[i]);
	else if (d->rom[0])
		(void)snprintf(rom, sizeof(rom), ",romfile=%s", d->rom);
	if (qemu_board_is_ours(s))
		slot_add(s, i, bus, sizeof(bus), p);
	if (parts->devices[i] >= 0)
		(void)snprintf(
			place, sizeof(place), "fd=%d,iommufd=usher-iommu", parts->devices[i]);
	else
		(void)snprintf(
			place, sizeof(place), "host=%s", pci_address_format(d->address, name));
	program_word(p, "-device");
	program_arg(p, "vfio-pci,%s,id=usher%zu%s%s%s", place, i, rom, bus,
		qemu_boot_index(s, parts, s->virtio_count + i, boot));
}

static void sandbox_add(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	if (!parts->sandbox || qemu_own_word(s, "-sandbox"))
		return;
	program_word(p, "-sandbox");
	program_word(p, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

static void monitor_add(const struct qemu_parts *parts, struct program *p)
{
	if (parts->monitor < 0)
		return;
	program_word(p, "-chardev");
	program_arg(p, "socket,id=usher-qmp,fd=%d", parts->monitor);
	program_word(p, "-mon");
	program_word(p, "chardev=usher-qmp,mode=control");
}

static void environment_words(const struct guest_spec *s, struct program *p)
{
	/* For its window and its sound. */
	static const char *const kept[] = {"HOME", "USER", "LOGNAME", "DISPLAY", "XAUTHORITY",
		"WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"};

	for (size_t i = 0; i < COUNT(kept); i++)
		program_keep(p, kept[i]);
	environment_add(s, p);
}

void qemu_words_add(const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	environment_words(s, p);
	program_word(p, qemu_program());
	for (char *const *a = s->engine_args; a && *a; a++)
		program_word(p, *a);
	program_word(p, "-name");
	program_word(p, s->name);
	sandbox_add(s, parts, p);
	board_add(s, p);
	if (s->no_reboot)
		program_word(p, "-no-reboot");
	kernel_add(s, parts, p);
	memory_add(s, p);
	cpus_add(s, p);
	if (parts->iommu >= 0) {
		program_word(p, "-object");
		program_arg(p, "iommufd,id=usher-iommu,fd=%d", parts->iommu);
	}
	for (size_t i = 0; i < s->device_count; i++)
		device_add(s, parts, i, p);
	spares_add(s, p);
	monitor_add(parts, p);
	qemu_words_extra(s, parts, p);
	qemu_words_virtio(s, parts, p);
	qemu_words_ports(s, parts, p);
}
