/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "bind/gate.h"
#include "check/kernlog.h"
#include "check/rule.h"

#include <stdio.h>
#include <string.h>

/* Rules about the kernel's log. A line tells what was once so; a rule checks if it still is. */

static void tell_event(struct check_case *c, enum check_severity s, const char *object,
	const struct kernlog_event *x, const char *more)
{
	check_found(c, s, object, "%s%s", kernlog_advice(x->cause)->text, more);
	check_logged_seen(c, x);
	check_logged_fix(c, x);
}

static void tell_gone(struct check_case *c, const struct kernlog_event *x)
{
	char address[PCI_ADDRESS_TEXT], text[160];

	/* One finding for a device. */
	if (check_find(c, x->address) || check_logged_own(c, x->address) != x)
		return;
	check_gone_text(c, x->address, text, sizeof(text));
	check_found(c, CHECK_WARN, pci_address_format(x->address, address), "%s", text);
	check_logged_seen(c, x);
	check_fix(c, "usher revive %s", address);
}

/* A device of the log behind this port, which is not there now. */
static const struct kernlog_known *lost_behind(struct check_case *c, struct pci_address port)
{
	char path[FILE_PATH_MAX];
	uint64_t bus;

	if (pci_device_path(port, "secondary_bus_number", path, sizeof(path)) < 0 ||
		host_read_number(c->host, path, &bus) < 0)
		return NULL;
	for (size_t i = 0; i < c->log.known_count; i++) {
		const struct kernlog_known *k = &c->log.known[i];
		if (k->address.bus == bus && k->address.domain == port.domain &&
			!check_find(c, k->address))
			return k;
	}
	return NULL;
}

/* A port with an empty slot is nothing new, unless the kernel had found a device in it. */
static void tell_port(struct check_case *c, const struct kernlog_event *x)
{
	const struct kernlog_known *was = lost_behind(c, x->address);
	char address[PCI_ADDRESS_TEXT], port[PCI_ADDRESS_TEXT];

	if (!was || check_logged_own(c, was->address))
		return;
	check_found(c, CHECK_WARN, pci_address_format(was->address, address),
		"is gone (it was %04x:%04x): the link of its port %s went down", was->vendor,
		was->device, pci_address_format(x->address, port));
	check_logged_seen(c, x);
	check_logged_fix(c, x);
}

void check_kernel_log(struct check_case *c)
{
	for (size_t i = 0; i < c->log.event_count; i++) {
		const struct kernlog_event *x = &c->log.events[i];
		bool is_loss = x->cause < KERNLOG_LOSSES;

		if (is_loss && x->has_address)
			tell_gone(c, x);
		else if (x->cause == KERNLOG_SLOT)
			tell_port(c, x);
		else if (!x->has_address && (is_loss || x->cause == KERNLOG_WAITS))
			tell_event(c, CHECK_WARN, x->name[0] ? x->name : "host", x, "");
		else if (x->cause == KERNLOG_HUNG || x->cause == KERNLOG_INVALIDATION ||
			 x->cause == KERNLOG_MEMLOCK || x->cause == KERNLOG_LINE)
			tell_event(c, CHECK_WARN, "host", x, "");
	}
	/* check_faults() reports a log that cannot be read. */
	c->spoke |= c->log.error < 0;
}

/* When a line about a device that answers still matters. Other rules report the rest. */
enum event_use {
	USE_NEVER,
	USE_ALWAYS,
	USE_NAMED,
	USE_ON_VFIO, /* or named */
	USE_ON_HOST, /* on a driver of the host */
	USE_BOUND, /* on any driver: on VFIO, or named */
	USE_UNBOUND,
};

static const struct {
	enum event_use use;
	enum check_severity severity;
} uses[KERNLOG_CAUSES] = {
	[KERNLOG_COLD] = {USE_NAMED, CHECK_INFO},
	[KERNLOG_LOST] = {USE_NAMED, CHECK_INFO},
	[KERNLOG_ROM] = {USE_NAMED, CHECK_INFO},
	[KERNLOG_RESIZE] = {USE_NAMED, CHECK_INFO},
	[KERNLOG_CORRECTED] = {USE_NAMED, CHECK_INFO},
	[KERNLOG_RESET] = {USE_ON_VFIO, CHECK_WARN},
	[KERNLOG_PROBE] = {USE_UNBOUND, CHECK_WARN},
	[KERNLOG_FAILED] = {USE_ON_HOST, CHECK_WARN},
	[KERNLOG_WAITS] = {USE_BOUND, CHECK_WARN},
	[KERNLOG_UNUSABLE] = {USE_ALWAYS, CHECK_WARN},
	[KERNLOG_TAKEN] = {USE_ALWAYS, CHECK_WARN},
	[KERNLOG_VFS] = {USE_ALWAYS, CHECK_WARN},
	[KERNLOG_ERRORS] = {USE_ALWAYS, CHECK_WARN},
};

/* Other rules say it better: a device without a group, or one whose memory a console has. */
static bool is_told_already(struct check_case *c, const struct kernlog_event *x)
{
	bool is_vfio = memmem(x->line, x->len, "vfio-pci", 8);

	if (x->cause == KERNLOG_PROBE)
		return is_vfio && c->device->group == PCI_GROUP_NONE;
	return x->cause == KERNLOG_TAKEN && check_framebuffer_stays(c);
}

static bool event_matters(struct check_case *c, const struct kernlog_event *x)
{
	const struct pci_device *d = c->device;
	bool on_vfio = bind_on_vfio(c->host, d);

	switch (uses[x->cause].use) {
	case USE_NEVER:
		return false;
	case USE_ALWAYS:
		return true;
	case USE_NAMED:
		return c->named;
	case USE_ON_VFIO:
		return c->named || on_vfio;
	case USE_ON_HOST:
		return !on_vfio && !check_logged_loss(c, d);
	case USE_BOUND:
		return d->driver[0] && (c->named || on_vfio);
	case USE_UNBOUND:
		return !d->driver[0];
	}
	return false;
}

void check_device_log(struct check_case *c)
{
	for (size_t i = 0; i < c->log.event_count; i++) {
		const struct kernlog_event *x = &c->log.events[i];
		bool is_loss = x->cause < KERNLOG_LOSSES;

		if (x->cause == KERNLOG_CAUSES || !x->has_address ||
			!pci_address_equal(x->address, c->device->address))
			continue;
		if (event_matters(c, x) && !is_told_already(c, x) &&
			!(is_loss && check_device_is_dead(c) == 1))
			tell_event(c, uses[x->cause].severity, c->address, x,
				is_loss ? ", but it answers now" : "");
	}
}
