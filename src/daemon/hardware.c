/* SPDX-License-Identifier: MIT */
#include "daemon/hardware.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "bind/gate.h"
#include "daemon/claims.h"
#include "daemon/kept.h"
#include "daemon/path.h"
#include "monitor/uevent.h"
#include "pci/class.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define CLASS_BRIDGE 0x0604 /* PCI to PCI: it keeps its driver */

static int address_order(const void *key, const void *device)
{
	return pci_address_compare(
		*(const struct pci_address *)key, ((const struct pci_device *)device)->address);
}

/* The list is in the order of addresses. */
static const struct pci_device *list_find(
	const struct pci_device *list, size_t count, struct pci_address a)
{
	return count ? bsearch(&a, list, count, sizeof(*list), address_order) : NULL;
}

const struct pci_device *hardware_find(const struct daemon *d, const char *address)
{
	struct pci_address a;

	if (pci_address_parse(address, &a) < 0)
		return NULL;
	return list_find(d->devices, d->device_count, a);
}

static const char *device_path(const struct pci_device *p, char buf[PATH_MAX_BUS])
{
	char address[PCI_ADDRESS_TEXT];

	return bus_path(buf, "device", pci_address_format(p->address, address));
}

static const char *group_path(int number, char buf[PATH_MAX_BUS])
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%d", number);
	return number < 0 ? "/" : bus_path(buf, "group", name);
}

static bool list_has_group(const struct pci_device *list, size_t count, int group)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].group == group)
			return true;
	return false;
}

/* Groups that are in @here, and not in @there. */
static void groups_tell(struct daemon *d, const struct pci_device *here, size_t here_count,
	const struct pci_device *there, size_t there_count,
	int (*emit)(sd_bus *bus, const char *path))
{
	char path[PATH_MAX_BUS];

	for (size_t i = 0; i < here_count; i++)
		if (here[i].group >= 0 && !list_has_group(here, i, here[i].group) &&
			!list_has_group(there, there_count, here[i].group))
			(void)emit(d->bus, group_path(here[i].group, path));
}

/* Tells the bus what is new, gone or on another driver. */
static void changes_tell(struct daemon *d, const struct pci_device *before, size_t count)
{
	char path[PATH_MAX_BUS];

	for (size_t i = 0; i < d->device_count; i++) {
		const struct pci_device *now = &d->devices[i];
		const struct pci_device *was = list_find(before, count, now->address);
		if (!was)
			(void)sd_bus_emit_object_added(d->bus, device_path(now, path));
		else if (strcmp(was->driver, now->driver) != 0)
			(void)sd_bus_emit_properties_changed(
				d->bus, device_path(now, path), BUS_NAME ".Device", "Driver", NULL);
	}
	for (size_t i = 0; i < count; i++)
		if (!list_find(d->devices, d->device_count, before[i].address))
			(void)sd_bus_emit_object_removed(d->bus, device_path(&before[i], path));
	groups_tell(d, d->devices, d->device_count, before, count, sd_bus_emit_object_added);
	groups_tell(d, before, count, d->devices, d->device_count, sd_bus_emit_object_removed);
}

static int devices_read(struct daemon *d)
{
	struct pci_device *list = NULL, *before = d->devices;
	const size_t before_count = d->device_count;
	size_t count = 0;

	int r = pci_device_list(d->host, &list, &count, NULL);
	if (r < 0)
		return r;
	d->devices = list;
	d->device_count = count;
	if (before) {
		changes_tell(d, before, before_count);
		claims_read(d);
	}
	free(before);
	return 0;
}

/* A device, and the driver of it that the bus knows. */
struct untold {
	struct untold *next;
	struct pci_address address;
	char driver[PCI_NAME_MAX];
};

static bool untold_has(const struct daemon *d, struct pci_address a)
{
	for (const struct untold *u = d->untold; u; u = u->next)
		if (pci_address_equal(u->address, a))
			return true;
	return false;
}

/* Return: false without memory. */
static bool untold_add(struct daemon *d, const struct pci_device *was)
{
	if (untold_has(d, was->address))
		return true;
	struct untold *u = malloc(sizeof(*u));
	if (!u)
		return false;
	*u = (struct untold){.next = d->untold, .address = was->address};
	memcpy(u->driver, was->driver, sizeof(u->driver));
	d->untold = u;
	return true;
}

/* A device that has its driver of before again has nothing to tell. */
static void drivers_tell(void *arg)
{
	struct daemon *d = arg;
	char path[PATH_MAX_BUS];

	news_end(&d->drivers);
	if (!d->untold)
		return;
	while (d->untold) {
		struct untold *u = d->untold;
		const struct pci_device *p = list_find(d->devices, d->device_count, u->address);
		if (p && strcmp(p->driver, u->driver) != 0)
			(void)sd_bus_emit_properties_changed(
				d->bus, device_path(p, path), BUS_NAME ".Device", "Driver", NULL);
		d->untold = u->next;
		free(u);
	}
	claims_read(d);
}

/*
 * A driver has come or gone: the event has its name, and nothing is read, because a host may have a
 * thousand devices. Return: whether that was all. Without an IOMMU a driver of VFIO makes a group.
 */
static bool driver_take(struct daemon *d, const struct uevent *event)
{
	const struct pci_device *was = list_find(d->devices, d->device_count, event->address);
	const bool is_bound = event->action == UEVENT_BIND;

	if (!was || (is_bound ? !event->driver[0] : event->action != UEVENT_UNBIND) ||
		bind_group_of(d->host, was->address) != was->group || !untold_add(d, was))
		return false;
	(void)snprintf(d->devices[was - d->devices].driver, PCI_NAME_MAX, "%s",
		is_bound ? event->driver : "");
	news_collect(d, &d->drivers, drivers_tell, d);
	return true;
}

/* What comes at once is read at once: a new card may be a dozen of events. */
static void events_read(struct daemon *d)
{
	bool changed = false;
	struct uevent event;
	int r;

	while ((r = uevent_next(d->uevents, &event)) > 0 || r == -ENOBUFS)
		changed = changed || r < 0 || !driver_take(d, &event);
	if (!changed)
		return;
	drivers_tell(d);
	(void)devices_read(d);
}

static int on_event(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	events_read(arg);
	return 0;
}

void hardware_tell(struct daemon *d)
{
	events_read(d);
	drivers_tell(d);
}

int hardware_watch(struct daemon *d)
{
	d->uevents = uevent_open();
	if (d->uevents >= 0 &&
		sd_event_add_io(d->event, NULL, d->uevents, EPOLLIN, on_event, d) < 0)
		fd_close(&d->uevents);
	/* Without the kernel's events the list is as old as the daemon. */
	return devices_read(d);
}

void hardware_close(struct daemon *d)
{
	news_end(&d->drivers);
	while (d->untold) {
		struct untold *u = d->untold;
		d->untold = u->next;
		free(u);
	}
	free(d->devices);
	d->devices = NULL;
	d->device_count = 0;
}

void hardware_members(const struct daemon *d, const struct pci_device *p, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT];
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < d->device_count && used < size; i++) {
		const struct pci_device *other = &d->devices[i];
		if (other == p || other->group != p->group || p->group < 0 ||
			other->class >> 8 == CLASS_BRIDGE)
			continue;
		int n = snprintf(buf + used, size - used, "%s%s", used ? " " : "",
			pci_address_format(other->address, address));
		used += n > 0 ? (size_t)n : 0;
	}
}

static int device_find(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
	sd_bus_error *error)
{
	char name[128];

	return bus_path_name(path, "device", name, sizeof(name)) && hardware_find(arg, name)
		       ? (*ret = arg, 1)
		       : 0;
}

static int devices_enumerate(
	sd_bus *bus, const char *prefix, void *arg, char ***ret, sd_bus_error *error)
{
	const struct daemon *d = arg;
	char path[PATH_MAX_BUS], **nodes = calloc(d->device_count + 1, sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < d->device_count; i++)
		nodes[i] = strdup(device_path(&d->devices[i], path));
	*ret = nodes;
	return 0;
}

static const struct pci_device *device_of(const struct daemon *d, const char *path)
{
	char name[128];

	return bus_path_name(path, "device", name, sizeof(name)) ? hardware_find(d, name) : NULL;
}

static int get_device(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct pci_device *p = device_of(arg, path);
	char text[PATH_MAX_BUS];

	if (!p)
		return -ENODEV;
	if (strcmp(property, "Address") == 0)
		return sd_bus_message_append(reply, "s", pci_address_format(p->address, text));
	if (strcmp(property, "Driver") == 0)
		return sd_bus_message_append(reply, "s", p->driver);
	if (strcmp(property, "ClassName") == 0)
		return sd_bus_message_append(reply, "s", pci_class_name(p->class));
	if (strcmp(property, "Group") == 0)
		return sd_bus_message_append(reply, "o", group_path(p->group, text));
	const uint32_t n = strcmp(property, "Class") == 0    ? p->class
			   : strcmp(property, "Vendor") == 0 ? p->vendor
							     : p->device;
	return sd_bus_message_append(reply, "u", n);
}

static int get_holder(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct pci_device *p = device_of(arg, path);
	const struct kept *k = p ? kept_of_device(arg, p->address) : NULL;
	char text[PATH_MAX_BUS];

	return sd_bus_message_append(reply, "o", k ? kept_path(k, text) : "/");
}

static int property_append(
	sd_bus_message *m, const struct daemon *d, const char *path, const char *name)
{
	const bool is_path = strcmp(name, "Group") == 0 || strcmp(name, "Holder") == 0;
	const bool is_text = strcmp(name, "Address") == 0 || strcmp(name, "Driver") == 0 ||
			     strcmp(name, "ClassName") == 0;
	int (*get)(sd_bus * bus, const char *path, const char *interface, const char *property,
		sd_bus_message *reply, void *arg, sd_bus_error *error) =
		strcmp(name, "Holder") == 0 ? get_holder : get_device;

	int r = sd_bus_message_open_container(m, 'e', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', is_path ? "o" : is_text ? "s" : "u");
	if (r >= 0)
		r = get(d->bus, path, NULL, name, m, (void *)(uintptr_t)d, NULL);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int device_append(sd_bus_message *m, const struct daemon *d, const struct pci_device *p)
{
	static const char *const names[] = {
		"Address", "Vendor", "Device", "Class", "ClassName", "Group", "Driver", "Holder"};
	char path[PATH_MAX_BUS];

	int r = sd_bus_message_open_container(m, 'e', "oa{sv}");
	if (r >= 0)
		r = sd_bus_message_append(m, "o", device_path(p, path));
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	for (size_t i = 0; r >= 0 && i < COUNT(names); i++)
		r = property_append(m, d, path, names[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int hardware_append(const struct daemon *d, sd_bus_message *m)
{
	int r = sd_bus_message_open_container(m, 'a', "{oa{sv}}");

	for (size_t i = 0; r >= 0 && i < d->device_count; i++)
		r = device_append(m, d, &d->devices[i]);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Return: -1: there is no such group. */
static int group_of(const struct daemon *d, const char *path)
{
	char name[128];
	uint64_t number;

	if (!bus_path_name(path, "group", name, sizeof(name)) ||
		num_parse(name, 10, INT32_MAX, &number) < 0)
		return -1;
	return list_has_group(d->devices, d->device_count, (int)number) ? (int)number : -1;
}

static int group_find(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
	sd_bus_error *error)
{
	return group_of(arg, path) < 0 ? 0 : (*ret = arg, 1);
}

static int groups_enumerate(
	sd_bus *bus, const char *prefix, void *arg, char ***ret, sd_bus_error *error)
{
	const struct daemon *d = arg;
	char path[PATH_MAX_BUS], **nodes = calloc(d->device_count + 1, sizeof(*nodes));
	size_t count = 0;

	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < d->device_count; i++)
		if (d->devices[i].group >= 0 && !list_has_group(d->devices, i, d->devices[i].group))
			nodes[count++] = strdup(group_path(d->devices[i].group, path));
	*ret = nodes;
	return 0;
}

static int get_group(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct daemon *d = arg;
	const int number = group_of(d, path);
	char text[PATH_MAX_BUS];

	if (strcmp(property, "Number") == 0)
		return sd_bus_message_append(reply, "u", (uint32_t)number);
	int r = sd_bus_message_open_container(reply, 'a', "o");
	for (size_t i = 0; r >= 0 && i < d->device_count; i++)
		if (d->devices[i].group == number)
			r = sd_bus_message_append(reply, "o", device_path(&d->devices[i], text));
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_host(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct daemon *d = arg;
	struct utsname name;
	bool isolated = false;

	if (strcmp(property, "Devices") == 0)
		return sd_bus_message_append(reply, "u", (uint32_t)d->device_count);
	for (size_t i = 0; i < d->device_count; i++)
		isolated = isolated || d->devices[i].group >= 0;
	if (strcmp(property, "Iommu") == 0)
		return sd_bus_message_append(reply, "b", isolated);
	if (uname(&name) < 0)
		return -errno;
	return sd_bus_message_append(
		reply, "s", strcmp(property, "Kernel") == 0 ? name.release : name.nodename);
}

#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable device_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Address", "s", get_device, 0, CONST),
	SD_BUS_PROPERTY("Vendor", "u", get_device, 0, CONST),
	SD_BUS_PROPERTY("Device", "u", get_device, 0, CONST),
	SD_BUS_PROPERTY("Class", "u", get_device, 0, CONST), /* 24 bits */
	SD_BUS_PROPERTY("ClassName", "s", get_device, 0, CONST),
	SD_BUS_PROPERTY("Group", "o", get_device, 0, CONST), /* "/": none */
	SD_BUS_PROPERTY("Driver", "s", get_device, 0, CHANGES), /* "": none */
	SD_BUS_PROPERTY("Holder", "o", get_holder, 0, CHANGES), /* a lease or a guest; "/": none */
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable group_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Number", "u", get_group, 0, CONST),
	SD_BUS_PROPERTY("Members", "ao", get_group, 0, 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable host_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", get_host, 0, CONST),
	SD_BUS_PROPERTY("Kernel", "s", get_host, 0, CONST),
	SD_BUS_PROPERTY("Iommu", "b", get_host, 0, 0), /* devices are in IOMMU groups */
	SD_BUS_PROPERTY("Devices", "u", get_host, 0, 0),
	SD_BUS_VTABLE_END,
};

int hardware_add_vtables(struct daemon *d)
{
	int r = sd_bus_add_fallback_vtable(d->bus, NULL, BUS_PATH "/device", BUS_NAME ".Device",
		device_vtable, device_find, d);

	if (r < 0)
		return r;
	r = sd_bus_add_node_enumerator(d->bus, NULL, BUS_PATH "/device", devices_enumerate, d);
	if (r < 0)
		return r;
	r = sd_bus_add_fallback_vtable(
		d->bus, NULL, BUS_PATH "/group", BUS_NAME ".Group", group_vtable, group_find, d);
	if (r < 0)
		return r;
	r = sd_bus_add_node_enumerator(d->bus, NULL, BUS_PATH "/group", groups_enumerate, d);
	if (r < 0)
		return r;
	return sd_bus_add_object_vtable(
		d->bus, NULL, BUS_PATH "/host", BUS_NAME ".Host", host_vtable, d);
}
