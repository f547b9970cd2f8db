/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest on a hostile device, with a second device beside it: the input first corrupts
 * configuration space, then plays accesses, interrupts, resets, faults and BARs that overlap. What
 * must hold is what test/unit/pass/pass_rig.c asserts after each step (rig_check), that no route is
 * used that KVM does not know, and that everything is gone at the end.
 *
 * Input: 1 byte fixture and ROM (ROM_…), 1 byte count of patches, 3 bytes each (offset, offset,
 * value); then steps of 8 bytes: what, size, offset (2), value (4).
 *
 * covers: src/vmm/pass/config.c src/vmm/pass/chain.c src/vmm/pass/msix.c src/vmm/pass/msi.c
 * covers: src/vmm/pass/intx.c src/vmm/pass/bar.c src/vmm/pass/function.c src/vmm/pass/rom.c
 */
#include "base/endian.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "pass/pass_rig.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"

#include <check.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROM_SIZE 1024

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	log_set_level(LOG_LEVEL_ERR);
	rig_single_thread = true;
	return 0;
}

static void access_bus(struct bus *b, unsigned off, unsigned size, uint32_t value)
{
	if (!b->count)
		return;
	struct bus_range *r = b->ranges[value % b->count];
	uint64_t at = r->base + off % r->size;

	bus_write(b, at, size, value);
	(void)bus_read(b, at, size);
}

/* Moves a BAR of @d to a place that other BARs use as well, or traps all by a fault. */
static void place(struct pass_dev *d, unsigned off, uint32_t value)
{
	static const uint32_t places[] = {
		0, 0xc0000000, 0xc0001000, 0xc0002000, 0xc0004000, 0xc0010000, 0x10000, 0xfffff000};
	unsigned reg = PCI_BASE_ADDRESS_0 + 4 * (off % 6);

	if (value & 0x100)
		(void)rig_fault();
	else if (value & 0x200)
		rig_config_write(d, PCI_COMMAND, 2, value >> 10 & 7);
	else
		rig_config_write(d, reg, 4, places[value % COUNT(places)]);
}

static void step(const uint8_t *s, struct pass_dev *second)
{
	unsigned size = 1U << (s[1] & 3), off = le16_get(s + 2);
	uint32_t value = le32_get(s + 4);

	switch (s[0] & 7) {
	case 0:
	case 1:
	case 2:
		size = size > 4 ? 4 : size;
		off = (s[0] & 8 ? off % 256 : off % 4096) & ~(size - 1);
		rig_write(off, size, value);
		(void)rig_read(off, size);
		break;
	case 3:
	case 4:
		access_bus(s[0] & 8 ? &rig.vm.ports : &rig.vm.mmio, off, size, value);
		break;
	case 5:
		if (rig.model.fds[off % MODEL_VECTORS] >= 0)
			(void)eventfd_write(rig.model.fds[off % MODEL_VECTORS], 1);
		break;
	case 6:
		rig.refuse_attach = value & 1;
		rig.map_error = value & 2 ? -28 : 0;
		rig.model.dead = value & 4;
		rig.model.vectors_max = off % 8;
		break;
	default:
		if (s[0] & 16)
			place(s[0] & 32 ? second : rig.dev, off, value);
		else if (s[0] & 64)
			(void)rig_mmio_read(0xc0000000 + value % 0x20000, size);
		else if (s[0] & 8 && !value)
			rig_eject(rig.dev);
		else
			rig_reset(rig.dev);
		break;
	}
}

enum { ROM_OF_DEVICE = 4, ROM_OF_FILE = 8, ROM_NONE = 16 };

/* An image whose data structure is nearly right: the rest of the input is laid over it. */
static void make_rom(uint8_t *rom, size_t room, const uint8_t *data, size_t size)
{
	size_t at = size ? data[0] * 4U : 0;

	if (room < ROM_SIZE)
		return;
	memcpy(rom, data, size < ROM_SIZE ? size : ROM_SIZE);
	le16_put(rom, 0xaa55);
	le16_put(rom + 0x18, (uint16_t)at);
	if (at > ROM_SIZE - 8)
		return;
	memcpy(rom + at, "PCIR", 4);
	memcpy(rom + at + 4, rig.model.config + PCI_VENDOR_ID, 2);
}

/* The ROM that the guest finds: the device's, or that of a file, or none. */
static void choose_rom(uint8_t how, const uint8_t *data, size_t size)
{
	struct model_region *own = &rig.model.regions[VFIO_PCI_ROM_REGION_INDEX];
	enum pass_rom_source source = how & ROM_NONE ? PASS_ROM_OFF : PASS_ROM_DEVICE;
	uint8_t rom[ROM_SIZE] = {0};
	struct err e;
	int fd = -1;

	if (how & ROM_OF_DEVICE && own->memory)
		make_rom(own->memory, own->size, data, size);
	if (how & ROM_OF_FILE) {
		source = PASS_ROM_FILE;
		fd = memfd_create("rom", MFD_CLOEXEC);
		make_rom(rom, sizeof(rom), data, size);
		ck_assert(fd >= 0 && write(fd, rom, size % (ROM_SIZE + 1)) >= 0);
	}
	if (source == PASS_ROM_DEVICE || pass_rom_init(rig.dev, source, fd, &e) == 0)
		return;
	ck_assert(e.msg[0]);
	ck_assert_int_eq(pass_rom_init(rig.dev, PASS_ROM_OFF, -1, &e), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"nvme", "e1000e", "accel", "nvme_vf"};
	const uint8_t *end = data + size;

	if (size < 2)
		return 0;
	rig_prepare(FIXTURES, names[data[0] % COUNT(names)]);
	unsigned patches = data[1];
	choose_rom(data[0], data + 2, size - 2);
	for (data += 2; patches && end - data >= 3; patches--, data += 3)
		rig.model.config[le16_get(data) % 4096] = data[2];
	struct pass_dev *second = rig_add(FIXTURES, names[size % COUNT(names)]);
	if (rig_learn(NULL) < 0)
		pass_dev_drop(rig.dev);
	for (; end - data >= 8; data += 8) {
		if (!rig.dev->dropped)
			step(data, second);
		rig_forget(); /* and checks */
	}
	rig_stop();
	return 0;
}
