/* SPDX-License-Identifier: MIT */
#include "monitor/devices.h"

#include "host/host.h"
#include "monitor/aer.h"
#include "monitor/uevent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int address_order(const void *key, const void *seen)
{
	return pci_address_compare(
		*(const struct pci_address *)key, ((const struct seen *)seen)->device.address);
}

struct seen *seen_find(const struct seen_list *l, struct pci_address a)
{
	return l->count ? bsearch(&a, l->list, l->count, sizeof(*l->list), address_order) : NULL;
}

static void presence_tell(const struct monitor_teller *to, enum monitor_kind kind,
	const struct pci_device *d, bool missed)
{
	monitor_tell(to, &(struct monitor_event){.kind = kind,
				 .has_address = true,
				 .address = d->address,
				 .vendor = d->vendor,
				 .device = d->device,
				 .class = d->class,
				 .driver = d->driver,
				 .missed = missed});
}

static void driver_set(
	struct seen *s, const char *driver, bool missed, const struct monitor_teller *to)
{
	char before[PCI_NAME_MAX];

	if (strcmp(s->device.driver, driver) == 0)
		return;
	memcpy(before, s->device.driver, sizeof(before));
	(void)snprintf(s->device.driver, sizeof(s->device.driver), "%s", driver);
	monitor_tell(to, &(struct monitor_event){.kind = MONITOR_DRIVER,
				 .has_address = true,
				 .address = s->device.address,
				 .driver = s->device.driver,
				 .driver_before = before,
				 .missed = missed});
}

static int seen_insert(struct seen_list *l, const struct pci_device *d)
{
	size_t at = 0;

	struct seen *list = reallocarray(l->list, l->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	l->list = list;
	while (at < l->count && pci_address_compare(list[at].device.address, d->address) < 0)
		at++;
	memmove(&list[at + 1], &list[at], (l->count - at) * sizeof(*list));
	list[at] = (struct seen){.device = *d};
	aer_begin(l->host, &list[at]);
	l->count++;
	return 0;
}

static void seen_remove(
	struct seen_list *l, struct seen *s, bool missed, const struct monitor_teller *to)
{
	const struct pci_device gone = s->device;
	const size_t at = (size_t)(s - l->list);

	l->count--;
	memmove(s, s + 1, (l->count - at) * sizeof(*s));
	presence_tell(to, MONITOR_REMOVED, &gone, missed);
}

static void address_add(struct seen_list *l, struct pci_address a, const struct monitor_teller *to)
{
	struct pci_device d;

	/* It may have gone again: the event of that comes next. */
	if (seen_find(l, a) || pci_device_peek(l->host, a, &d, NULL) < 0)
		return;
	/* The driver has an event of its own, which may have come into sysfs already. */
	d.driver[0] = '\0';
	if (seen_insert(l, &d) == 0)
		presence_tell(to, MONITOR_ADDED, &d, false);
}

void seen_follow(struct seen_list *l, const struct uevent *u, const struct monitor_teller *to)
{
	struct seen *s = seen_find(l, u->address);

	if (u->action == UEVENT_ADD)
		address_add(l, u->address, to);
	else if (s && u->action == UEVENT_REMOVE)
		seen_remove(l, s, false, to);
	else if (s && u->action == UEVENT_BIND)
		driver_set(s, u->driver, false, to);
	else if (s && u->action == UEVENT_UNBIND)
		driver_set(s, "", false, to);
	if (u->recovery[0])
		aer_recovery_tell(u, to);
}

static const struct pci_device *list_find(
	const struct pci_device *list, size_t count, struct pci_address a)
{
	for (size_t i = 0; i < count; i++)
		if (pci_address_equal(list[i].address, a))
			return &list[i];
	return NULL;
}

void seen_reread(struct seen_list *l, const struct monitor_teller *to)
{
	struct pci_device *now = NULL;
	size_t count = 0;

	if (pci_device_list(l->host, &now, &count, NULL) < 0)
		return;
	for (size_t i = l->count; i > 0; i--)
		if (!list_find(now, count, l->list[i - 1].device.address))
			seen_remove(l, &l->list[i - 1], true, to);
	for (size_t i = 0; i < count; i++) {
		struct seen *s = seen_find(l, now[i].address);
		if (s)
			driver_set(s, now[i].driver, true, to);
		else if (seen_insert(l, &now[i]) == 0)
			presence_tell(to, MONITOR_ADDED, &now[i], true);
	}
	free(now);
}

int seen_open(struct host *h, struct seen_list *ret)
{
	struct pci_device *now = NULL;
	size_t count = 0;

	*ret = (struct seen_list){.host = h};
	int r = pci_device_list(h, &now, &count, NULL);
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = seen_insert(ret, &now[i]);
	free(now);
	if (r < 0)
		seen_close(ret);
	return r;
}

void seen_close(struct seen_list *l)
{
	free(l->list);
	*l = (struct seen_list){.host = l->host};
}
