/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest on a hostile device: the input first corrupts configuration space, then plays
 * accesses, interrupts and resets. What must hold is what test/unit/pass/pass_rig.c asserts: no route
 * that KVM does not know is used, and everything is gone at the end.
 *
 * Input: 1 byte fixture, 1 byte count of patches, 3 bytes each (offset, offset, value); then steps
 * of 8 bytes: what, size, offset (2), value (4).
 */
#include "base/endian.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "pass/pass_rig.h"
#include "vmm/pass/function.h"

#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	log_set_level(LOG_LEVEL_ERR);
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

static void step(const uint8_t *s)
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
		if (s[0] & 8 && !value)
			pass_func_ops.eject(&rig.dev->func);
		else
			pass_func_ops.reset(&rig.dev->func);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"nvme", "e1000e", "accel", "nvme_vf"};
	const uint8_t *end = data + size;

	if (size < 2)
		return 0;
	rig_prepare(FIXTURES, names[data[0] % COUNT(names)]);
	unsigned patches = data[1];
	for (data += 2; patches && end - data >= 3; patches--, data += 3)
		rig.model.config[le16_get(data) % 4096] = data[2];
	if (rig_learn(NULL) < 0)
		pass_dev_drop(rig.dev);
	for (; end - data >= 8; data += 8) {
		if (!rig.dev->dropped)
			step(data);
		rig_forget();
	}
	rig_stop();
	return 0;
}
