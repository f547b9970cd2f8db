/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: whatever fails, the attribute `rom` is switched off again, a device that usher enabled
 * is disabled, and one that usher woke may sleep again.
 *
 * pci_read_rom() in the kernel neither wakes the device nor enables memory decoding; it returns EIO
 * where it finds no signature, also when the bus answers all-ones. So usher does before:
 *
 *	power/control = on	resumes a sleeping device
 *	enable = 1		sets memory decoding; the kernel accepts it without a driver only
 *	rom = 1			lets `rom` be read
 *
 * A kill in between leaves the device awake or enabled, which harms nothing.
 */
#include "bind/romread.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/gate.h"
#include "bind/problem.h"
#include "bind/transaction.h"
#include "hold/hold.h"
#include "host/host.h"
#include "pci/config.h"
#include "pci/rom.h"
#include "pci/romplace.h"
#include "pci/sleep.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNDO_MAX 3

struct rom_undo {
	char path[FILE_PATH_MAX];
	char text[16];
};

struct rom_reading {
	struct bind_case gate;
	struct bind_transaction work;
	struct bind_rom *ret;
	struct pci_rom_places places;
	char address[PCI_ADDRESS_TEXT];
	struct rom_undo undo[UNDO_MAX];
	size_t undo_count;
};

void bind_rom_fini(struct bind_rom *r)
{
	free(r->data);
	bind_plan_fini(&r->says);
	*r = BIND_ROM_NONE;
}

static int gate_driver(struct rom_reading *g)
{
	const struct pci_device *d = &g->ret->device;
	char fix[160];

	(void)snprintf(fix, sizeof(fix),
		"usher bind %s; then read it; then: usher release %s; or: --allow=driver",
		g->address, g->address);
	const struct problem_kind kind = {"driver", PROBLEM_LIFTABLE, fix};
	return bind_problem_add(&g->ret->says, g->gate.q, &kind, g->address,
		"%s uses it, and its accesses may fail while the ROM is read", d->driver);
}

/* A guest, or another program, that has the device open by VFIO. */
static int gate_guest(struct rom_reading *g)
{
	static const struct problem_kind kind = {"vfio", PROBLEM_REFUSES, "end that program first"};
	struct holds holds = {0};

	int r = hold_find(g->gate.env->host, &g->ret->device, &holds, g->gate.e);
	for (size_t i = 0; r == 0 && i < holds.count; i++)
		if (strcmp(holds.list[i].check, "vfio") == 0 ||
			strcmp(holds.list[i].check, "fd") == 0)
			r = bind_problem_add(&g->ret->says, g->gate.q, &kind, g->address, "%s: %s",
				holds.list[i].object, holds.list[i].text);
	holds_fini(&holds);
	return r;
}

static int rom_gate(struct rom_reading *g)
{
	const struct pci_device *d = &g->ret->device;

	if (!g->places.has_bar) {
		err_say(g->gate.e, -ENOENT, "%s: has no ROM: sysfs shows none", g->address);
		err_hint(g->gate.e, "usher rom %s --from %s", g->address,
			g->places.has_vfct ? "acpi" : "FILE");
		return -ENOENT;
	}
	if (g->places.is_shadow || !d->driver[0])
		return 0;
	return bind_on_vfio(g->gate.env->host, d) ? gate_guest(g) : gate_driver(g);
}

/* Writes an attribute, and remembers how to undo it. @before: NULL if nothing is to be undone. */
static int attribute_set(
	struct rom_reading *g, const char *attr, const char *text, const char *before)
{
	struct rom_undo *u = &g->undo[g->undo_count];

	int r = pci_device_path(g->ret->device.address, attr, u->path, sizeof(u->path));
	if (r == 0)
		r = bind_worker_write(&g->work.workers[0], u->path, text, g->gate.e);
	if (r < 0)
		return r;
	(void)snprintf(u->text, sizeof(u->text), "%s", before);
	g->undo_count++;
	return 0;
}

static void rom_undo(struct rom_reading *g)
{
	while (g->undo_count) {
		const struct rom_undo *u = &g->undo[--g->undo_count];
		(void)bind_worker_write(&g->work.workers[0], u->path, u->text, NULL);
	}
}

static int device_wake(struct rom_reading *g)
{
	struct host *h = g->gate.env->host;
	struct pci_address a = g->ret->device.address;
	struct pci_sleep s;

	pci_sleep_read(h, a, &s);
	g->ret->was_asleep = strncmp(s.state, "D3", 2) == 0 || strcmp(s.status, "suspended") == 0;
	if (strcmp(s.control, "auto") == 0) {
		/* The kernel resumes it before the write returns: control_store(). */
		int r = attribute_set(g, "power/control", "on", "auto");
		if (r < 0)
			return r;
	}
	pci_sleep_read(h, a, &s);
	/* A device without a driver stays in D3hot until it is enabled. */
	if (!g->ret->device.driver[0] || strncmp(s.state, "D3", 2) != 0)
		return 0;
	err_say(g->gate.e, -ENODEV, "%s: sleeps (%s) and does not wake", g->address, s.state);
	err_hint(g->gate.e, "usher check %s", g->address);
	return -ENODEV;
}

static int device_enable(struct rom_reading *g)
{
	char path[FILE_PATH_MAX];
	uint64_t count = 1;

	if (g->ret->device.driver[0])
		return 0;
	int r = pci_device_path(g->ret->device.address, "enable", path, sizeof(path));
	if (r < 0 || host_read_number(g->gate.env->host, path, &count) < 0 || count)
		return r;
	return attribute_set(g, "enable", "1", "0");
}

/* All-ones from a device that does not answer look like a ROM without a signature. */
static int device_answers(struct rom_reading *g)
{
	struct pci_config c;

	int r = pci_config_read(g->gate.env->host, g->ret->device.address, &c, g->gate.e);
	if (r < 0)
		return r;
	if (pci_config_u16(&c, PCI_COMMAND) & PCI_COMMAND_MEMORY)
		return 0;
	err_say(g->gate.e, -ENODEV, "%s: does not decode memory, so its ROM cannot be read",
		g->address);
	if (g->ret->device.driver[0])
		err_hint(g->gate.e, "unbind it from %s, and read it without a driver",
			g->ret->device.driver);
	return -ENODEV;
}

static int rom_explain(const struct rom_reading *g, int code)
{
	struct err *e = g->gate.e;

	if (code == -EACCES || code == -EPERM) {
		err_set(e, code, "%s: read its ROM", g->address);
		err_hint(e, "run as root");
		return code;
	}
	if (code != -EIO)
		return err_set(e, code, "%s: read its ROM", g->address);
	err_say(e, code, "%s: the kernel finds no ROM at its ROM BAR", g->address);
	err_hint(e, "see why: dmesg | grep -i 'PCI ROM'%s",
		g->places.has_vfct ? "; or try --from acpi" : "");
	return code;
}

/* The kernel shows as much as the images need; the BAR is that large or larger. */
static int bytes_read(struct rom_reading *g)
{
	struct bind_rom *rom = g->ret;
	char path[FILE_PATH_MAX];

	int r = pci_device_path(rom->device.address, "rom", path, sizeof(path));
	rom->data = malloc(PCI_ROM_MAX);
	if (r < 0 || !rom->data)
		return err_set(g->gate.e, r < 0 ? r : -ENOMEM, "%s: read its ROM", g->address);
	struct host *h = g->gate.env->host;
	ssize_t n = h->ops->read(h, path, rom->data, PCI_ROM_MAX);
	if (n == 0)
		n = -EIO;
	if (n < 0)
		return rom_explain(g, (int)n);
	rom->size = (size_t)n;
	return 0;
}

static int device_prepare(struct rom_reading *g)
{
	int r = device_wake(g);

	if (r < 0)
		return r;
	r = device_enable(g);
	return r < 0 ? r : device_answers(g);
}

static int rom_read(struct rom_reading *g)
{
	int r = g->places.is_shadow ? 0 : device_prepare(g);

	if (r < 0)
		return r;
	/* pci_write_rom() switches it off for "0\n" alone, and on for any other text. */
	r = attribute_set(g, "rom", "1\n", "0\n");
	return r < 0 ? r : bytes_read(g);
}

static int rom_locked(struct rom_reading *g)
{
	int r = rom_gate(g);

	if (r < 0)
		return r;
	if (g->ret->says.refusals)
		return bind_problem_refuse(&g->ret->says, g->gate.e);
	r = bind_worker_arm(&g->work.workers[0], g->gate.e);
	if (r < 0)
		return r;
	r = rom_read(g);
	/* A process that writes to a hanging device hangs as well. */
	if (r != -ETIMEDOUT)
		rom_undo(g);
	return r;
}

int bind_rom_read(const struct bind_env *env, const struct bind_request *q, struct bind_rom *ret,
	struct err *e)
{
	struct err own = {0};
	struct rom_reading g = {.ret = ret, .work = BIND_TRANSACTION_NONE};
	int group;

	*ret = BIND_ROM_NONE;
	e = e ? e : &own;
	g.gate = (struct bind_case){.env = env, .q = q, .plan = &ret->says, .e = e};
	pci_address_format(q->targets[0].address, g.address);
	int r = pci_device_peek(env->host, q->targets[0].address, &ret->device, e);
	if (r < 0)
		return r;
	pci_rom_places_read(env->host, ret->device.address, &g.places);
	group = ret->device.group;
	r = bind_transaction_begin(&g.work, env, &group, group >= 0, e);
	if (r == 0)
		r = rom_locked(&g);
	bind_transaction_end(&g.work);
	return r;
}
