/* SPDX-License-Identifier: MIT */
#include "pci/device.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES "/sys/bus/pci/devices"

/* A device's folder; the name of one attribute after the other is put behind it. */
struct folder {
	struct host *host;
	char path[FILE_PATH_MAX];
	size_t len;
};

int pci_device_path(struct pci_address a, const char *attr, char *buf, size_t size)
{
	char text[PCI_ADDRESS_TEXT];

	return file_path(buf, size, DEVICES "/%s/%s", pci_address_format(a, text), attr);
}

/*
 * "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0": the function above is the last address
 * but one. Behind a VMD, the name of a root bus lies between the two.
 */
static void find_parent(const char *target, struct pci_device *d)
{
	char name[PCI_ADDRESS_TEXT];
	struct pci_address a;

	for (const char *p = strchr(target, '/'); p; p = strchr(p + 1, '/')) {
		size_t len = strcspn(p + 1, "/");

		if (!p[len + 1] || len >= sizeof(name))
			continue;
		memcpy(name, p + 1, len);
		name[len] = '\0';
		if (pci_address_parse(name, &a) < 0)
			continue;
		d->has_parent = true;
		d->parent = a;
	}
}

/*
 * Names in /sys/bus/pci/devices are links "../../../devices/…". The kernel takes longer to follow
 * one than to show an attribute, so it is followed once.
 */
static int folder_find(struct folder *f, struct pci_address a, struct pci_device *d)
{
	static const char up[] = "../../../";
	char target[FILE_PATH_MAX];

	int r = pci_device_path(a, "", f->path, sizeof(f->path));
	if (r < 0)
		return r;
	f->len = strlen(f->path);
	f->path[f->len - 1] = '\0';
	ssize_t n = f->host->ops->link(f->host, f->path, target, sizeof(target));
	f->path[f->len - 1] = '/';
	if (n < 0 || strncmp(target, up, sizeof(up) - 1) != 0)
		return 0;
	find_parent(target + sizeof(up) - 1, d);
	r = file_path(f->path, sizeof(f->path), "/sys/%s/", target + sizeof(up) - 1);
	f->len = strlen(f->path);
	return r;
}

static const char *attribute_path(struct folder *f, const char *name)
{
	/* Always fits: the names are short ones of this file. */
	(void)file_path(f->path + f->len, sizeof(f->path) - f->len, "%s", name);
	return f->path;
}

static int read_number(struct folder *f, const char *name, uint64_t max, uint64_t *ret)
{
	int r = host_read_number(f->host, attribute_path(f, name), ret);

	return r < 0 ? r : *ret > max ? -ERANGE : 0;
}

static int ids_read(struct folder *f, struct pci_device *d)
{
	uint64_t vendor = 0, device = 0, class = 0, n;

	int r = read_number(f, "vendor", UINT16_MAX, &vendor);
	if (r < 0)
		return r;
	r = read_number(f, "device", UINT16_MAX, &device);
	if (r < 0)
		return r;
	r = read_number(f, "class", 0xffffff, &class);
	if (r < 0)
		return r;
	d->vendor = (uint16_t)vendor;
	d->device = (uint16_t)device;
	d->class = (uint32_t) class;
	/* Bridges have no subsystem; old kernels do not show the revision. */
	if (read_number(f, "subsystem_vendor", UINT16_MAX, &n) == 0)
		d->subvendor = (uint16_t)n;
	if (read_number(f, "subsystem_device", UINT16_MAX, &n) == 0)
		d->subdevice = (uint16_t)n;
	if (read_number(f, "revision", UINT8_MAX, &n) == 0)
		d->revision = (uint8_t)n;
	return 0;
}

/* Reads a text that may be absent. One that does not fit is an error: it must not be cut. */
static int read_text(struct folder *f, const char *name, char *buf, size_t size)
{
	int r = host_read_text(f->host, attribute_path(f, name), buf, size);

	if (r < 0)
		buf[0] = '\0';
	return r == -EFBIG || r == -EIO || r == -ETIMEDOUT ? r : 0;
}

/* readlink(2) fails with EINVAL on a name that is not a link: one call, and no device wakes. */
static bool attribute_exists(struct folder *f, const char *name)
{
	char target[FILE_PATH_MAX];

	ssize_t n = f->host->ops->link(f->host, attribute_path(f, name), target, sizeof(target));
	return n >= 0 || n == -EINVAL;
}

#define BASE_BRIDGE 0x06

/*
 * A device that does not leave D3cold stays there in the kernel's books, although its driver
 * believes that it runs. Revision ff was read from a device that no longer answered. Neither wakes
 * a device. Sleeping devices are D3cold, too, but suspended.
 */
static bool record_is_dead(struct folder *f, const struct pci_device *d)
{
	bool absent = d->revision == UINT8_MAX;
	char power[16], runtime[16];

	if (d->class >> 16 == BASE_BRIDGE || (!d->driver[0] && !absent) ||
		host_read_text(f->host, attribute_path(f, "power_state"), power, sizeof(power)) < 0)
		return false;
	if (absent)
		return strcmp(power, "D3cold") == 0 || strcmp(power, "unknown") == 0;
	return strcmp(power, "D3cold") == 0 &&
	       host_read_text(f->host, attribute_path(f, "power/runtime_status"), runtime,
		       sizeof(runtime)) > 0 &&
	       (strcmp(runtime, "active") == 0 || strcmp(runtime, "error") == 0);
}

/* Whether to read attributes that the kernel shows under the device's lock. */
enum reach { READ_ALL, READ_UNLOCKED };

static int override_read(struct folder *f, struct pci_device *d)
{
	int r = read_text(f, "driver_override", d->driver_override, sizeof(d->driver_override));

	d->is_locked = r == -ETIMEDOUT;
	if (d->is_locked)
		return 0;
	if (strcmp(d->driver_override, "(null)") == 0)
		d->driver_override[0] = '\0';
	return r;
}

static int state_read(struct folder *f, enum reach reach, struct pci_device *d)
{
	char name[PCI_NAME_MAX];
	uint64_t n;

	int r = host_link_name(f->host, attribute_path(f, "driver"), d->driver, sizeof(d->driver));
	if (r < 0 && r != -ENOENT)
		return r;
	r = host_link_name(f->host, attribute_path(f, "iommu_group"), name, sizeof(name));
	if (r < 0 && r != -ENOENT)
		return r;
	d->group = PCI_GROUP_NONE;
	if (r > 0) {
		if (num_parse(name, 10, INT32_MAX, &n) < 0)
			return -EINVAL;
		d->group = (int)n;
	}
	r = read_text(f, "numa_node", name, sizeof(name));
	d->numa_node = r == 0 && num_parse(name, 10, INT32_MAX, &n) == 0 ? (int)n : -1;
	r = read_text(f, "reset_method", d->reset_method, sizeof(d->reset_method));
	d->seems_dead = record_is_dead(f, d);
	return r == 0 && reach == READ_ALL ? override_read(f, d) : r;
}

/*
 * The header type lies in configuration space, which is not read. But the kernel shows
 * secondary_bus_number only for header types 1 and 2 (pci_bridge_attrs_are_visible()).
 */
static bool has_bridge_header(struct folder *f, uint32_t class)
{
	return class >> 16 == 0x06 &&
	       (attribute_exists(f, "pci_bus") || attribute_exists(f, "secondary_bus_number"));
}

static int folder_read(
	struct folder *f, struct pci_address a, enum reach reach, struct pci_device *d)
{
	int r = folder_find(f, a, d);

	if (r < 0)
		return r;
	r = ids_read(f, d);
	return r < 0 ? r : state_read(f, reach, d);
}

static int device_read(struct host *h, struct pci_address a, enum reach reach,
	struct pci_device *ret, struct err *e)
{
	struct pci_device d = {.address = a};
	struct folder f = {.host = h};
	char address[PCI_ADDRESS_TEXT];

	pci_address_format(a, address);
	int r = folder_read(&f, a, reach, &d);
	if (r == -ENOENT && !attribute_exists(&f, "vendor"))
		return err_say(e, -ENODEV, "%s: there is no such PCI device", address);
	if (r < 0)
		return err_set(e, r, "%s: read '%s'", address, f.path);
	d.is_bridge = has_bridge_header(&f, d.class);
	*ret = d;
	return 0;
}

int pci_device_read(struct host *h, struct pci_address a, struct pci_device *ret, struct err *e)
{
	return device_read(h, a, READ_ALL, ret, e);
}

int pci_device_peek(struct host *h, struct pci_address a, struct pci_device *ret, struct err *e)
{
	return device_read(h, a, READ_UNLOCKED, ret, e);
}

struct listing {
	struct host *host;
	enum reach reach;
	struct err *e;
	struct pci_device *list;
	size_t count, room;
};

static int listing_add(void *arg, const char *name)
{
	struct listing *l = arg;
	struct pci_address a;

	if (pci_address_parse(name, &a) < 0)
		return 0;
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		struct pci_device *list = reallocarray(l->list, room, sizeof(*list));
		if (!list)
			return err_set(l->e, -ENOMEM, "list PCI devices");
		l->list = list;
		l->room = room;
	}
	int r = device_read(l->host, a, l->reach, &l->list[l->count], l->e);
	if (r == 0)
		l->count++;
	return r == -ENODEV ? 0 : r; /* removed meanwhile */
}

static int device_order(const void *a, const void *b)
{
	const struct pci_device *x = a, *y = b;

	return pci_address_compare(x->address, y->address);
}

static int list_folder(struct host *h, const char *folder, enum reach reach,
	struct pci_device **ret, size_t *ret_count, struct err *e)
{
	struct listing l = {.host = h, .reach = reach, .e = e};

	int r = h->ops->list(h, folder, listing_add, &l);
	if (r < 0) {
		free(l.list);
		return r;
	}
	if (l.count)
		qsort(l.list, l.count, sizeof(*l.list), device_order);
	*ret = l.list;
	*ret_count = l.count;
	return 0;
}

int pci_device_list_in(struct host *h, const char *folder, struct pci_device **ret,
	size_t *ret_count, struct err *e)
{
	return list_folder(h, folder, READ_ALL, ret, ret_count, e);
}

static int accept_name(void *arg, const char *name)
{
	return 0;
}

/* A kernel without a PCI bus has the other ones: that is a host without devices, and no error. */
int pci_device_list(struct host *h, struct pci_device **ret, size_t *ret_count, struct err *e)
{
	struct err why = {0};

	int r = list_folder(h, DEVICES, READ_UNLOCKED, ret, ret_count, &why);
	if (r == 0)
		return 0;
	if (r == -ENOENT && h->ops->list(h, "/sys/bus", accept_name, NULL) == 0) {
		*ret = NULL;
		*ret_count = 0;
		return 0;
	}
	if (why.code)
		return err_say(e, r, "list PCI devices: %s", why.msg);
	(void)err_set(e, r, "list PCI devices in '%s'", DEVICES);
	if (r == -ENOENT)
		err_hint(e, "no sysfs is mounted at /sys");
	return r;
}
