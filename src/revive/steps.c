/* SPDX-License-Identifier: MIT */
#include "revive/steps.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "pci/reset.h"
#include "pci/sleep.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
	struct host *host;
	struct revive_plan *plan;
	int error; /* the first; later additions do nothing */
};

int revive_rescan_path(uint32_t domain, uint8_t bus, char *buf, size_t size)
{
	return file_path(buf, size, "/sys/class/pci_bus/%04x:%02x/rescan", domain, bus);
}

static struct bind_step *write_add(
	struct list *l, enum bind_op op, struct pci_address a, const char *text)
{
	struct revive_plan *p = l->plan;

	if (l->error)
		return NULL;
	struct bind_step *list = reallocarray(p->writes, p->write_count + 1, sizeof(*list));
	if (!list) {
		l->error = -ENOMEM;
		return NULL;
	}
	p->writes = list;
	struct bind_step *w = &list[p->write_count++];
	*w = (struct bind_step){.op = op, .address = a};
	(void)snprintf(w->text, sizeof(w->text), "%s", text);
	p->steps[p->step_count - 1].count++;
	return w;
}

static void attribute_add(
	struct list *l, enum bind_op op, struct pci_address a, const char *attr, const char *text)
{
	struct bind_step *w = write_add(l, op, a, text);

	if (w && pci_device_path(a, attr, w->path, sizeof(w->path)) < 0)
		l->error = -ENAMETOOLONG;
}

static void rescan_add(struct list *l)
{
	const struct revive_plan *p = l->plan;
	uint8_t bus = p->has_port ? p->port.secondary : p->address.bus;
	struct bind_step *w = write_add(l, BIND_OP_WRITE, p->address, "1");

	if (w && revive_rescan_path(p->address.domain, bus, w->path, sizeof(w->path)) < 0)
		l->error = -ENAMETOOLONG;
}

static void slot_add(struct list *l, const char *text)
{
	const struct revive_plan *p = l->plan;
	struct bind_step *w = write_add(l, BIND_OP_WRITE, p->card, text);

	if (w && file_path(w->path, sizeof(w->path), "/sys/bus/pci/slots/%s/power", p->port.slot) <
			 0)
		l->error = -ENAMETOOLONG;
}

static void step_begin(struct list *l, enum revive_kind kind, bool withheld)
{
	struct revive_plan *p = l->plan;

	p->steps[p->step_count++] =
		(struct revive_step){.kind = kind, .withheld = withheld, .first = p->write_count};
}

static void awake_add(struct list *l, struct pci_address a)
{
	struct pci_sleep s;

	pci_sleep_read(l->host, a, &s);
	if (s.control[0] && strcmp(s.control, "on") != 0)
		attribute_add(l, BIND_OP_WRITE, a, "power/control", "on");
	if (s.cold[0] == '1')
		attribute_add(l, BIND_OP_WRITE, a, "d3cold_allowed", "0");
}

/* The port first: a device cannot wake behind a port that sleeps. */
static void step_wake(struct list *l)
{
	struct revive_plan *p = l->plan;

	step_begin(l, REVIVE_WAKE, false);
	if (p->has_port)
		awake_add(l, p->port.address);
	if (p->state != REVIVE_GONE) {
		awake_add(l, p->address);
		attribute_add(l, BIND_OP_VERIFY, p->address, "config", "");
	}
	if (!p->steps[p->step_count - 1].count)
		p->step_count--;
}

/* A driver that prepares for a reset would wait for commands that the device does not answer. */
static void unbind_add(struct list *l)
{
	const struct pci_device *d = &l->plan->device;
	char address[PCI_ADDRESS_TEXT];

	if (!d->driver[0])
		return;
	struct bind_step *w =
		write_add(l, BIND_OP_WRITE, d->address, pci_address_format(d->address, address));
	if (w && file_path(w->path, sizeof(w->path), "/sys/bus/pci/drivers/%s/unbind", d->driver) <
			 0)
		l->error = -ENAMETOOLONG;
}

/*
 * FLR and PM are writes to the device's own registers, which a device that does not answer cannot
 * take; the kernel would wait a minute for each.
 */
static void step_reset(struct list *l)
{
	static const char *const outside[] = {"acpi", "bus", "cxl_bus"};
	const struct revive_plan *p = l->plan;
	const char *at = p->device.reset_method;
	char method[PCI_NAME_MAX], chosen[PCI_NAME_MAX] = "";
	size_t n = 0;

	/* Behind a switch that is dead as well, no reset arrives. */
	if (p->state != REVIVE_DEAD || !pci_address_equal(p->card, p->address))
		return;
	for (size_t i = 0; i < COUNT(outside); i++)
		for (at = p->device.reset_method; pci_reset_next(&at, method, sizeof(method));)
			if (strcmp(method, outside[i]) == 0)
				n += (size_t)snprintf(chosen + n, sizeof(chosen) - n, "%s%s",
					n ? " " : "", method);
	if (!n)
		return;
	step_begin(l, REVIVE_RESET, false);
	unbind_add(l);
	if (strcmp(chosen, p->device.reset_method) != 0)
		attribute_add(l, BIND_OP_WRITE, p->address, "reset_method", chosen);
	attribute_add(l, BIND_OP_WRITE, p->address, "reset", "1");
}

static void step_remove(struct list *l)
{
	const struct revive_plan *p = l->plan;

	if (p->state == REVIVE_GONE) {
		step_begin(l, REVIVE_SCAN, false);
	} else {
		step_begin(l, REVIVE_REMOVE, false);
		attribute_add(l, BIND_OP_WRITE, p->card, "remove", "1");
	}
	rescan_add(l);
}

/* Whether the function sits on the bus behind the port itself. */
static bool is_below_directly(const struct revive_plan *p, const struct pci_device *d)
{
	return d->has_parent && pci_address_equal(d->parent, p->port.address);
}

static void step_remove_all(struct list *l)
{
	const struct revive_plan *p = l->plan;
	bool more = false;

	for (size_t i = 0; p->has_port && i < p->beside_count; i++)
		more = more || (is_below_directly(p, &p->beside[i]) &&
				       !pci_address_equal(p->beside[i].address, p->card));
	if (!more)
		return;
	step_begin(l, REVIVE_REMOVE_ALL, p->aside.refusals);
	if (p->state != REVIVE_GONE)
		attribute_add(l, BIND_OP_WRITE, p->card, "remove", "1");
	for (size_t i = 0; i < p->beside_count; i++)
		if (is_below_directly(p, &p->beside[i]) &&
			!pci_address_equal(p->beside[i].address, p->card))
			attribute_add(l, BIND_OP_WRITE, p->beside[i].address, "remove", "1");
	rescan_add(l);
}

static void step_slot(struct list *l)
{
	const struct revive_plan *p = l->plan;

	if (!p->has_port || !p->port.slot[0])
		return;
	step_begin(l, REVIVE_SLOT, p->aside.refusals);
	/* A slot whose power went without the kernel has to be switched off first. */
	if (!p->port.slot_on)
		slot_add(l, "1");
	slot_add(l, "0");
	slot_add(l, "1");
	rescan_add(l);
}

static void step_retrain(struct list *l)
{
	const struct revive_plan *p = l->plan;
	char text[24];

	if (!p->has_port || !p->port.has_link)
		return;
	step_begin(l, REVIVE_RETRAIN, p->aside.refusals);
	/* A link that is disabled does not train (PCI Express Base 7.5.3.7). */
	unsigned value = (p->port.control & ~(unsigned)PCI_EXP_LNKCTL_LD) | PCI_EXP_LNKCTL_RL;
	(void)snprintf(text, sizeof(text), "0x%x=0x%04x", p->port.control_at, value & 0xffff);
	attribute_add(l, BIND_OP_REGISTER, p->port.address, "config", text);
	rescan_add(l);
}

int revive_steps_add(struct host *h, struct revive_plan *p)
{
	struct list l = {.host = h, .plan = p};

	step_wake(&l);
	step_reset(&l);
	step_remove(&l);
	step_remove_all(&l);
	step_slot(&l);
	step_retrain(&l);
	return l.error;
}
