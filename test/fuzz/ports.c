/* SPDX-License-Identifier: MIT */
/*
 * A guest that reads and writes what is emulated, at random: configuration space through ECAM and
 * through ports (of which root ports and their slots are a part), the serial port, the power
 * registers; and a host that wants its cards back. Input: steps of 8 bytes (bus and direction,
 * size, offset in 3, value in 3).
 *
 * covers: src/vmm/pci/root.c src/vmm/pci/rootport.c src/vmm/pci/slot.c src/vmm/pci/firmware.c
 * covers: src/vmm/pci/conf1.c src/vmm/pci/link.c src/vmm/serial.c src/vmm/power.c
 */
#include "base/endian.h"
#include "base/num.h"
#include "vmm/pci/conf1.h"
#include "vmm/pci/config.h"
#include "vmm/pci/firmware.h"
#include "vmm/pci/root.h"
#include "vmm/power.h"
#include "vmm/serial.h"
#include "vmm/vm.h"

#include <linux/pci.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ECAM UINT64_C(0xe8000000)
#define COM1 0x3f8

/* A function behind a port; all of its registers are writable. */
struct scratch {
	struct pci_func func;
	struct func_config regs;
	uint8_t bytes[PCI_CONFIG_SIZE];
	bool gone;
	bool plugged;
};

#define CARDS 4

static struct lock scratch_lock = LOCK_INIT(LOCK_DEVICE);

static uint32_t scratch_read(struct pci_func *f, unsigned off, unsigned size)
{
	return func_config_read(&container_of(f, struct scratch, func)->regs, off, size);
}

static void scratch_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
	if (container_of(f, struct scratch, func)->gone)
		abort();
	func_config_write(&container_of(f, struct scratch, func)->regs, off, size, value);
}

static void nothing(struct pci_func *f)
{
	(void)f;
}

/* Called once; after that no access reaches the function. */
static void eject(struct pci_func *f)
{
	struct scratch *s = container_of(f, struct scratch, func);

	if (s->gone)
		abort();
	s->gone = true;
}

static void finish(struct pci_func *f)
{
	container_of(f, struct scratch, func)->plugged = false;
}

static const struct pci_func_ops scratch_ops = {.name = "scratch",
	.config_read = scratch_read,
	.config_write = scratch_write,
	.reset = nothing,
	.eject = eject,
	.fini = finish};

static bool send(struct serial *s, uint8_t byte)
{
	(void)s, (void)byte;
	return true;
}

static void irq(struct serial *s, bool level)
{
	(void)s, (void)level;
}

static void room(struct serial *s)
{
	serial_receive(s, "more", 4);
}

static const struct serial_ops serial_ops = {.send = send, .irq = irq, .room = room};

static uint32_t config_read(void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
	return pci_config_read_at(ctx, bus, devfn, off, size);
}

static void config_write(
	void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size, uint32_t value)
{
	pci_config_write_at(ctx, bus, devfn, off, size, value);
}

static void plug(struct vm *vm, struct scratch *s)
{
	s->func = (struct pci_func){.ops = &scratch_ops, .lock = &scratch_lock};
	s->gone = false;
	s->plugged = pci_plug(vm, &s->func, "scratch", NULL) >= 0;
}

/* The host wants a card back, or plugs one in. */
static void move_card(struct vm *vm, struct scratch *s, unsigned how)
{
	if (!s->plugged) {
		plug(vm, s);
		if (s->plugged)
			pci_announce(&s->func);
	} else if (how & 1) {
		pci_unplug(&s->func);
	} else {
		pci_request_unplug(&s->func);
	}
}

static void step(struct vm *vm, struct scratch *cards, const uint8_t *s)
{
	if ((s[0] & 0xff) == 0xf0 && s[1] == 0xf0) {
		pci_reset(vm);
		return;
	}
	if ((s[0] & 0xf8) == 0xf8) {
		move_card(vm, &cards[s[1] % CARDS], s[1] / CARDS);
		return;
	}
	uint64_t off = le32_get(s + 2) & 0xffffff;
	uint64_t at = s[0] & 1   ? ECAM + (off & 0x3fffff)
		      : s[0] & 2 ? COM1 + off % 9
		      : s[0] & 8 ? CONF1_ADDRESS - 4 + off % 16
				 : 0x5f0 + off % 32;
	struct bus *b = s[0] & 1 ? &vm->mmio : &vm->ports;

	if (s[0] & 4)
		bus_write(b, at, s[1] & 0xf, le32_get(s + 4) >> 8);
	else
		(void)bus_read(b, at, s[1] & 0xf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scratch scratch[CARDS];
	static struct vm vm;
	struct serial serial;
	struct power power;
	struct pci_conf1 conf1;
	const struct pci_window ecam = {.base = ECAM, .size = MIB(4)};

	vm = (struct vm){.ports = {.name = "ports"},
		.mmio = {.name = "mmio"},
		.loop = LOOP_NONE,
		.irq = {.vm_fd = -1}};
	serial_init(&serial, &serial_ops, COM1);
	if (pci_init(&vm, &ecam, NULL) < 0 || bus_add(&vm.ports, &serial.range, NULL) < 0 ||
		power_init(&power, &vm, NULL) < 0 || conf1_init(&conf1, &vm, NULL) < 0)
		return 0;
	for (size_t i = 0; i < COUNT(scratch); i++) {
		scratch[i] = (struct scratch){.plugged = false};
		scratch[i].regs.bytes = scratch[i].bytes;
		memset(scratch[i].regs.mask, 0xff, sizeof(scratch[i].regs.mask));
		if (size >= 32 * (i + 1))
			memcpy(scratch[i].bytes, data + 32 * i, 32);
		if (i < 2)
			plug(&vm, &scratch[i]);
	}
	(void)pci_add_port(&vm, NULL);
	pci_seal(&vm);
	const struct firmware_access access = {config_read, config_write, vm.pci};
	const struct pci_windows windows = {.io = {0x1000, 0xf000},
		.mem32 = {0xc0000000, 0x28000000},
		.mem64 = {GIB(16), GIB(64)}};
	struct firmware_result result;
	(void)firmware_place(&access, &windows, &result, NULL);
	for (size_t i = 0; i + 8 <= size; i += 8)
		step(&vm, scratch, data + i);
	pci_fini(&vm);
	return 0;
}
