/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * QEMU alone knows what its guest has: nothing is remembered here. /machine/peripheral of QEMU's
 * object model has each device with an id. A lent one is named by its address, or by its place in
 * the description; its bus is the slot. QEMU takes a device out of that list when it sends
 * DEVICE_DELETED, and not when it asks the guest.
 *
 * A slot is a root port without a device. The guest looks at a slot when function 0 comes, and
 * releases all functions of it at once.
 */
#include "engine/qemu/plugging.h"

#include "base/num.h"
#include "control/value.h"
#include "engine/qemu/monitor.h"
#include "engine/qemu/words.h"
#include "engine/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENT_MAX 64
#define PORTS_MAX 64
#define NAME_MAX_BYTES 40
#define PIN_WAIT_MS 120000 /* QEMU maps and pins all of the guest's memory for the first device */

struct peripherals {
	size_t count;
	struct lent {
		char id[NAME_MAX_BYTES];
		char slot[NAME_MAX_BYTES]; /* "": not asked for, or none of ours */
		struct pci_address address;
	} list[LENT_MAX];
	size_t port_count;
	char ports[PORTS_MAX][NAME_MAX_BYTES];
	const struct guest_spec *spec;
};

static const char *id_of(struct pci_address a, char buf[NAME_MAX_BYTES])
{
	(void)snprintf(
		buf, NAME_MAX_BYTES, "usher-%04x.%02x.%02x.%x", a.domain, a.bus, a.dev, a.fn);
	return buf;
}

/* Whether @id is of a lent device: by its place in the description, or by its address. */
static bool id_parse(const struct guest_spec *s, const char *id, struct pci_address *ret)
{
	unsigned domain, bus, dev, fn;
	char again[NAME_MAX_BYTES];
	uint64_t at;

	if (strncmp(id, "usher", 5) != 0)
		return false;
	if (num_parse(id + 5, 10, SPEC_DEVICES_MAX - 1, &at) == 0) {
		if (at < s->device_count)
			*ret = s->devices[at].address;
		return at < s->device_count;
	}
	if (sscanf(id, "usher-%x.%x.%x.%x", &domain, &bus, &dev, &fn) != 4)
		return false;
	*ret = (struct pci_address){
		.domain = domain, .bus = (uint8_t)bus, .dev = (uint8_t)dev, .fn = (uint8_t)fn};
	return strcmp(id_of(*ret, again), id) == 0;
}

static bool is_port(const char *name)
{
	return strncmp(name, QEMU_SLOT, sizeof(QEMU_SLOT) - 1) == 0 ||
	       strncmp(name, QEMU_SPARE, sizeof(QEMU_SPARE) - 1) == 0;
}

static int peripheral_note(void *arg, const char *key, const struct control_value *member)
{
	struct peripherals *p = arg;
	const char *name = control_value_text(member, "name");
	struct pci_address a;

	(void)key;
	if (!name || strlen(name) >= NAME_MAX_BYTES)
		return 0;
	if (id_parse(p->spec, name, &a) && p->count < LENT_MAX) {
		p->list[p->count].address = a;
		(void)snprintf(p->list[p->count++].id, NAME_MAX_BYTES, "%s", name);
	} else if (is_port(name) && p->port_count < PORTS_MAX) {
		(void)snprintf(p->ports[p->port_count++], NAME_MAX_BYTES, "%s", name);
	}
	return 0;
}

/* A bus is the last part of its path, and a root port's has the port's name. */
static int slot_read(struct monitor *m, struct lent *l)
{
	struct control_value *v = NULL;
	char text[192];

	(void)snprintf(text, sizeof(text),
		"{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/peripheral/%s\","
		"\"property\":\"parent_bus\"}}",
		l->id);
	l->slot[0] = '\0';
	int r = monitor_ask(m, text, &v);
	if (r < 0)
		return r == -ENODEV || r == -EREMOTEIO ? 0 : r; /* it left in between */
	const char *path = control_value_text(v, "return");
	const char *name = path ? strrchr(path, '/') : NULL;
	if (name && is_port(name + 1) && strlen(name + 1) < NAME_MAX_BYTES)
		(void)snprintf(l->slot, NAME_MAX_BYTES, "%s", name + 1);
	control_value_free(v);
	return 0;
}

static int peripherals_read(struct monitor *m, struct peripherals *ret)
{
	struct control_value *v = NULL;

	*ret = (struct peripherals){.spec = m->spec};
	int r = monitor_ask(m,
		"{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/peripheral\"}}", &v);
	if (r < 0)
		return r;
	(void)control_value_each(control_value_member(v, "return"), peripheral_note, ret);
	control_value_free(v);
	for (size_t i = 0; r == 0 && i < ret->count; i++)
		r = slot_read(m, &ret->list[i]);
	return r;
}

static const struct lent *lent_find(const struct peripherals *p, struct pci_address a)
{
	for (size_t i = 0; i < p->count; i++)
		if (pci_address_equal(p->list[i].address, a))
			return &p->list[i];
	return NULL;
}

/* Return: NULL: none is free. */
static const char *port_find(const struct peripherals *p)
{
	for (size_t k = 0; k < p->port_count; k++) {
		bool free = true;
		for (size_t i = 0; i < p->count; i++)
			free &= strcmp(p->list[i].slot, p->ports[k]) != 0;
		if (free)
			return p->ports[k];
	}
	return NULL;
}

static int function_add(
	struct monitor *m, struct pci_address a, const char *port, unsigned number, bool has_others)
{
	char address[PCI_ADDRESS_TEXT], id[NAME_MAX_BYTES], text[384];

	(void)snprintf(text, sizeof(text),
		"{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vfio-pci\","
		"\"host\":\"%s\",\"id\":\"%s\",\"bus\":\"%s\",\"addr\":\"0x0.0x%x\","
		"\"multifunction\":%s}}",
		pci_address_format(a, address), id_of(a, id), port, number,
		has_others ? "true" : "false");
	m->wait_ms = PIN_WAIT_MS;
	int r = monitor_ask(m, text, NULL);
	m->wait_ms = 0;
	return r;
}

static int device_delete(struct monitor *m, const char *id)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
		"{\"execute\":\"device_del\",\"arguments\":{\"id\":\"%s\"}}", id);
	return monitor_ask(m, text, NULL);
}

/* The guest has not seen them: function 0 was not there. The reason stays the first one. */
static void functions_undo(
	struct monitor *m, const struct pci_address *functions, size_t first, size_t count)
{
	char why[MONITOR_REFUSAL_MAX], id[NAME_MAX_BYTES];

	memcpy(why, m->refusal, sizeof(why));
	for (size_t i = first; i < count; i++)
		(void)device_delete(m, id_of(functions[i], id));
	memcpy(m->refusal, why, sizeof(why));
}

static int function_compare(const void *a, const void *b)
{
	return pci_address_compare(*(const struct pci_address *)a, *(const struct pci_address *)b);
}

static size_t functions_read(const struct wire_order *o, struct pci_address *ret)
{
	for (size_t i = 0; i < o->function_count; i++)
		(void)wire_address_parse(&o->functions[i], &ret[i]);
	qsort(ret, o->function_count, sizeof(*ret), function_compare);
	return o->function_count;
}

/* From the last one down, so that the guest finds all of them with function 0. */
int monitor_plug(struct monitor *m, const struct wire_order *o)
{
	struct pci_address list[WIRE_FUNCTIONS_MAX];
	const size_t count = functions_read(o, list);
	static struct peripherals p;

	int r = peripherals_read(m, &p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (lent_find(&p, list[i]))
			return -EEXIST;
	const char *port = port_find(&p);
	if (!port)
		return -ENOSPC;
	for (size_t i = count; i > 0; i--) {
		unsigned number = list[0].fn == 0 ? list[i - 1].fn : (unsigned)(i - 1);
		r = function_add(m, list[i - 1], port, number, count > 1);
		if (r < 0) {
			functions_undo(m, list, i, count);
			return r;
		}
	}
	return 0;
}

int monitor_unplug(struct monitor *m, const struct wire_order *o)
{
	struct pci_address list[WIRE_FUNCTIONS_MAX];
	const size_t count = functions_read(o, list);
	const struct lent *found = NULL;
	static struct peripherals p;

	int r = peripherals_read(m, &p);
	if (r < 0)
		return r;
	for (size_t i = 0; !found && i < count; i++)
		found = lent_find(&p, list[i]);
	if (!found)
		return -ENODEV;
	/* The guest may let go in between, of what it was asked for before: -ENODEV. */
	r = device_delete(m, found->id);
	/* QEMU's class of this error is that of all others. */
	return r == -EREMOTEIO && strstr(m->refusal, "already in the process of unplug") ? 0 : r;
}

int monitor_lent(struct monitor *m, struct wire_done *d)
{
	char address[PCI_ADDRESS_TEXT];
	static struct peripherals p;

	int r = peripherals_read(m, &p);
	for (size_t i = 0; r == 0 && i < p.count; i++)
		d->length += (uint32_t)snprintf(d->text + d->length, sizeof(d->text) - d->length,
			"%s %s\n", pci_address_format(p.list[i].address, address),
			p.list[i].slot[0] ? p.list[i].slot : "-");
	return r;
}
