/* SPDX-License-Identifier: MIT */
#include "daemon/hardware.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "daemon/kept.h"
#include "daemon/path.h"
#include "pci/class.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define EVENT_MAX 8192 /* [bytes] of an event of the kernel */
#define GROUP_KERNEL 1 /* of netlink: the kernel's own events, which come without udevd as well */

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
	if (before)
		changes_tell(d, before, before_count);
	free(before);
	return 0;
}

/* "bind@/devices/…\0ACTION=bind\0…\0SUBSYSTEM=pci\0…" */
static bool event_is_pci(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i += strlen(text + i) + 1)
		if (strcmp(text + i, "SUBSYSTEM=pci") == 0)
			return true;
	return false;
}

static int on_event(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	char text[EVENT_MAX + 1];
	bool changed = false;
	ssize_t got;

	/* What comes at once is read at once: a bind of a group is a dozen of events. */
	while ((got = recv(fd, text, EVENT_MAX, MSG_DONTWAIT)) > 0 || errno == ENOBUFS) {
		text[got > 0 ? got : 0] = '\0';
		changed = changed || got < 0 || event_is_pci(text, (size_t)got);
		errno = 0;
	}
	if (changed)
		(void)devices_read(arg);
	return 0;
}

int hardware_watch(struct daemon *d)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL};

	int fd = socket(
		AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd >= 0 && (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
			       sd_event_add_io(d->event, NULL, fd, EPOLLIN, on_event, d) < 0))
		fd_close(&fd);
	/* Without the kernel's events the list is as old as the daemon. */
	return devices_read(d);
}

void hardware_close(struct daemon *d)
{
	free(d->devices);
	d->devices = NULL;
	d->device_count = 0;
}

static int device_find(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
	sd_bus_error *error)
{
	char name[128];

	return bus_path_name(path, "device", name) && hardware_find(arg, name) ? (*ret = arg, 1)
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

	return bus_path_name(path, "device", name) ? hardware_find(d, name) : NULL;
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
	char name[128], text[PATH_MAX_BUS];
	const struct kept *k =
		bus_path_name(path, "device", name) ? kept_of_device(arg, name) : NULL;

	return sd_bus_message_append(reply, "o", k ? kept_path(k, text) : "/");
}

static bool group_is(const struct daemon *d, int number)
{
	for (size_t i = 0; i < d->device_count; i++)
		if (d->devices[i].group == number)
			return true;
	return false;
}

/* Return: -1: there is no such group. */
static int group_of(const struct daemon *d, const char *path)
{
	char name[128];
	uint64_t number;

	if (!bus_path_name(path, "group", name) || num_parse(name, 10, INT32_MAX, &number) < 0)
		return -1;
	return group_is(d, (int)number) ? (int)number : -1;
}

static int group_find(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
	sd_bus_error *error)
{
	return group_of(arg, path) < 0 ? 0 : (*ret = arg, 1);
}

static bool group_is_new(const struct daemon *d, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (d->devices[k].group == d->devices[i].group)
			return false;
	return d->devices[i].group >= 0;
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
		if (group_is_new(d, i))
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
