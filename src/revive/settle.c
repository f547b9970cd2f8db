/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: it writes only what differs from the entry, so it may run twice, and after any step.
 *
 * Order: the slot's power and the link first, for without them no device comes back; then a scan of
 * the bus; then the overrides, which a new folder in sysfs lacks; the settings last. A device that
 * a driver of the host has taken meanwhile, and that is in use there, is left to it.
 */
#include "revive/settle.h"

#include "base/err.h"
#include "base/file.h"
#include "hold/hold.h"
#include "host/host.h"
#include "revive/state.h"
#include "revive/steps.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

struct settling {
	struct bind_worker *worker;
	struct host *host;
	const struct revive_entry *entry;
	int code; /* the first failure */
	struct err *e;
};

static void failure_keep(struct settling *s, int r, const struct err *why)
{
	if (r >= 0 || s->code)
		return;
	s->code = r;
	if (s->e)
		*s->e = *why;
}

/* Return: 0, -errno, which is kept. */
static int settle_write(struct settling *s, const char *path, const char *text)
{
	struct err why = {0};
	int r = s->code == -ETIMEDOUT ? -ETIMEDOUT : bind_worker_write(s->worker, path, text, &why);

	failure_keep(s, r, &why);
	return r;
}

static bool device_is_there(struct settling *s, struct pci_address a, struct pci_device *ret)
{
	return pci_device_read(s->host, a, ret, NULL) == 0;
}

static void settle_slot(struct settling *s, enum revive_ending ending)
{
	const struct revive_entry *n = s->entry;
	char path[FILE_PATH_MAX];
	uint64_t on = 0;

	if (!n->slot[0] ||
		file_path(path, sizeof(path), "/sys/bus/pci/slots/%s/power", n->slot) < 0 ||
		host_read_number(s->host, path, &on) < 0 || (on != 0) == n->slot_on)
		return;
	/* Whoever has switched it on since has a reason: there may be a card in it. */
	if (!n->slot_on && ending != REVIVE_ENDING_FAILED)
		return;
	/* The kernel switches a slot off again in which it finds no card. */
	struct err why = {0};
	int r = bind_worker_write(s->worker, path, n->slot_on ? "1" : "0", &why);
	if (r != -ENODEV && r != -EINVAL)
		failure_keep(s, r, &why);
}

/* A link that was disabled, and that did not bring the device back, is disabled again. */
static void settle_link(struct settling *s, enum revive_ending ending)
{
	const struct revive_entry *n = s->entry;
	struct revive_port now = {.address = n->port};
	char path[FILE_PATH_MAX];
	struct err why = {0};

	if (!n->has_link || !(n->control & PCI_EXP_LNKCTL_LD) || ending != REVIVE_ENDING_FAILED)
		return;
	revive_port_read_link(s->host, &now);
	if (!now.has_link || now.control_at != n->control_at || now.control == n->control ||
		pci_device_path(n->port, "config", path, sizeof(path)) < 0)
		return;
	int r = bind_worker_write_register(s->worker, path, n->control_at, n->control, &why);
	failure_keep(s, r, &why);
}

/* Whether a device that the steps may have removed is missing. */
static bool is_missing(struct settling *s)
{
	const struct revive_entry *n = s->entry;
	struct pci_device d;

	for (size_t i = 0; i < n->kept_count; i++)
		if (!device_is_there(s, n->kept[i].address, &d))
			return true;
	return !device_is_there(s, n->address, &d);
}

static void settle_scan(struct settling *s)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	if (!is_missing(s) ||
		revive_rescan_path(s->entry->domain, s->entry->bus, path, sizeof(path)) < 0)
		return;
	/* The bus goes with its port. */
	char *slash = strrchr(path, '/');
	*slash = '\0';
	bool there = s->host->ops->link(s->host, path, target, sizeof(target)) > 0;
	*slash = '/';
	if (there)
		(void)settle_write(s, path, "1");
}

/* True if a process or the host uses it, or nobody knows. */
static bool is_held(struct settling *s, const struct pci_device *d, struct err *why)
{
	struct holds holds = {0};
	char address[PCI_ADDRESS_TEXT];

	int r = hold_find(s->host, d, &holds, why);
	if (r == 0 && holds.count) {
		err_say(why, -EBUSY, "%s: its override is not set again: in use: %s: %s",
			pci_address_format(d->address, address), holds.list[0].object,
			holds.list[0].text);
		err_hint(why, "end what uses it, then: usher bind %s", address);
	}
	bool held = r < 0 || holds.count;
	holds_fini(&holds);
	return held;
}

static void driver_leave(struct settling *s, const struct pci_device *d)
{
	char path[FILE_PATH_MAX], address[PCI_ADDRESS_TEXT];

	if (d->driver[0] &&
		file_path(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", d->driver) == 0)
		(void)settle_write(s, path, pci_address_format(d->address, address));
}

static void settle_override(struct settling *s, const struct revive_kept *k)
{
	char path[FILE_PATH_MAX], address[PCI_ADDRESS_TEXT];
	struct pci_device d;
	struct err why = {0};

	if (!device_is_there(s, k->address, &d) || d.is_locked)
		return;
	bool is_set = strcmp(d.driver_override, k->driver) == 0;
	bool is_bound = strcmp(d.driver, k->driver) == 0;
	if (is_set && (is_bound || !k->bound))
		return;
	if (k->bound && !is_bound && d.driver[0] && is_held(s, &d, &why)) {
		failure_keep(s, -EBUSY, &why);
		return;
	}
	if (!is_set && (pci_device_path(k->address, "driver_override", path, sizeof(path)) < 0 ||
			       settle_write(s, path, k->driver) < 0))
		return;
	if (!k->bound || is_bound)
		return;
	driver_leave(s, &d);
	(void)settle_write(
		s, "/sys/bus/pci/drivers_probe", pci_address_format(k->address, address));
}

/* A death between the unbind and the removal leaves it without its driver. */
static void settle_driver(struct settling *s)
{
	const struct revive_entry *n = s->entry;
	char address[PCI_ADDRESS_TEXT];
	struct pci_device d;

	if (n->driver[0] && revive_state_read(s->host, n->address, &d) == REVIVE_ANSWERS &&
		!d.driver[0])
		(void)settle_write(
			s, "/sys/bus/pci/drivers_probe", pci_address_format(n->address, address));
}

static void settle_setting(struct settling *s, const struct revive_setting *was)
{
	char path[FILE_PATH_MAX], now[PCI_NAME_MAX];

	if (pci_device_path(was->address, was->name, path, sizeof(path)) < 0 ||
		host_read_text(s->host, path, now, sizeof(now)) < 0 || strcmp(now, was->value) == 0)
		return;
	(void)settle_write(s, path, was->value);
}

int revive_settle(struct bind_transaction *w, const struct revive_entry *n,
	enum revive_ending ending, struct err *e)
{
	struct settling s = {.worker = &w->workers[0], .host = w->env->host, .entry = n, .e = e};

	settle_slot(&s, ending);
	settle_link(&s, ending);
	settle_scan(&s);
	for (size_t i = 0; i < n->kept_count; i++)
		settle_override(&s, &n->kept[i]);
	settle_driver(&s);
	for (size_t i = 0; ending != REVIVE_ENDING_AWAKE && i < n->setting_count; i++)
		settle_setting(&s, &n->settings[i]);
	/* A writer that hangs keeps the entry busy, and a later restore completes it. */
	if (s.code == -ETIMEDOUT)
		return s.code;
	int r = revive_entry_remove(w, n->address, s.code ? NULL : e);
	return s.code ? s.code : r;
}
