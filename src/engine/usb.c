/* SPDX-License-Identifier: MIT */
#include "engine/usb.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/disk_claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES USB_BUS "/devices"
#define CLASS_HUB 9

/* sysfs names a device "1-2.3": bus 1, port 2 of its root, port 3 of the hub there. */
static bool is_place(const char *text)
{
	const size_t bus = strspn(text, "0123456789");
	const char *port = text + bus + 1;

	if (!bus || text[bus] != '-')
		return false;
	do {
		const size_t digits = strspn(port, "0123456789");
		if (!digits)
			return false;
		port += digits;
	} while (*port++ == '.');
	return port[-1] == '\0';
}

static int usb_parse(const char *text, struct guest_usb *ret, struct err *e)
{
	unsigned vendor, product;
	int end = -1;

	*ret = (struct guest_usb){0};
	if (strlen(text) == 9 && sscanf(text, "%4x:%4x%n", &vendor, &product, &end) == 2 &&
		end == 9 && vendor) {
		ret->vendor = (uint16_t)vendor;
		ret->product = (uint16_t)product;
		return 0;
	}
	if (is_place(text) && strlen(text) < sizeof(ret->place)) {
		(void)snprintf(ret->place, sizeof(ret->place), "%s", text);
		return 0;
	}
	err_say(e, -EINVAL, "--usb: '%.60s' is neither VENDOR:PRODUCT nor BUS-PORT", text);
	err_hint(e, "as in 046d:c52b, which lsusb prints, or 1-2.3, a name in " DEVICES);
	return -EINVAL;
}

int usb_add(struct guest_spec *s, const char *text, struct err *e)
{
	struct guest_usb u;

	int r = usb_parse(text, &u, e);
	if (r < 0)
		return r;
	if (s->usb_count == SPEC_USB_MAX)
		return err_say(e, -E2BIG, "--usb: more than %d devices", SPEC_USB_MAX);
	for (size_t i = 0; i < s->usb_count; i++)
		if (s->usb[i].vendor == u.vendor && s->usb[i].product == u.product &&
			strcmp(s->usb[i].place, u.place) == 0)
			return err_say(e, -EEXIST, "--usb: '%s' is named twice", text);
	s->usb[s->usb_count++] = u;
	return 0;
}

const char *usb_text(const struct guest_usb *u, char buf[USB_TEXT])
{
	if (u->place[0])
		(void)snprintf(buf, USB_TEXT, "%s", u->place);
	else
		(void)snprintf(buf, USB_TEXT, "%04x:%04x", u->vendor, u->product);
	return buf;
}

/* Return: a number of an attribute of device @place; -1: it has none. */
static int64_t attribute_read(const char *place, const char *name, unsigned base)
{
	char path[FILE_PATH_MAX], text[32];
	uint64_t n;

	if (file_path(path, sizeof(path), DEVICES "/%s/%s", place, name) < 0 ||
		file_read(path, text, sizeof(text)) < 0 || num_parse(text, base, INT32_MAX, &n) < 0)
		return -1;
	return (int64_t)n;
}

/* The ids in sysfs have no "0x". */
static bool has_ids(const char *place, const struct guest_usb *u)
{
	return attribute_read(place, "idVendor", 16) == u->vendor &&
	       attribute_read(place, "idProduct", 16) == u->product;
}

/* @place: of the only device that @u means. */
static int place_find(const struct guest_usb *u, char place[32], struct err *e)
{
	char text[USB_TEXT];
	const struct dirent *entry;
	cleanup_dir DIR *d = opendir(DEVICES);

	place[0] = '\0';
	while (d && (entry = readdir(d))) {
		if (!is_place(entry->d_name) || strlen(entry->d_name) >= 32 ||
			(u->place[0] ? strcmp(u->place, entry->d_name) != 0
				     : !has_ids(entry->d_name, u)))
			continue;
		if (place[0]) {
			err_say(e, -EINVAL, "--usb: %s is at %s and at %s", usb_text(u, text),
				place, entry->d_name);
			err_hint(e, "name one by its place: --usb %s", place);
			return -EINVAL;
		}
		(void)snprintf(place, 32, "%s", entry->d_name);
	}
	if (place[0])
		return 0;
	err_say(e, -EINVAL, "--usb: this host has no device %s", usb_text(u, text));
	err_hint(e, "lsusb lists them, or 'ls " DEVICES "'");
	return -EINVAL;
}

/* Whether /sys/block/@name is below the device at @top. */
static bool disk_is_below(const char *name, const char *top)
{
	char path[FILE_PATH_MAX];
	const size_t len = strlen(top);

	if (file_path(path, sizeof(path), "/sys/block/%s", name) < 0)
		return false;
	cleanup_free char *real = realpath(path, NULL);
	return real && strncmp(real, top, len) == 0 && real[len] == '/';
}

/* The gate of --disk knows who uses a disk. */
static int disk_check(const char *name, const char *place, struct err *e)
{
	char path[FILE_PATH_MAX];
	struct err why = {0};
	struct stat st;

	(void)file_path(path, sizeof(path), "/dev/%s", name);
	if (stat(path, &st) < 0)
		return 0;
	int r = disk_claim_check(path, &st, &why);
	if (r == 0) {
		cleanup_fd int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
		if (fd >= 0 || errno != EBUSY)
			return 0;
		(void)disk_claim_refuse(path, st.st_rdev, &why);
	}
	(void)err_say(e, -EINVAL, "--usb: %s is a disk: %s", place, why.msg);
	if (why.hint[0])
		err_hint(e, "%s", why.hint);
	return -EINVAL;
}

static int disks_check(const char *place, struct err *e)
{
	char path[FILE_PATH_MAX];
	const struct dirent *entry;
	int r = 0;

	(void)file_path(path, sizeof(path), DEVICES "/%s", place);
	cleanup_free char *top = realpath(path, NULL);
	cleanup_dir DIR *d = top ? opendir("/sys/block") : NULL;
	while (r == 0 && d && (entry = readdir(d)))
		if (disk_is_below(entry->d_name, top))
			r = disk_check(entry->d_name, place, e);
	return r;
}

static int usb_judge(const struct guest_usb *u, char place[32], struct err *e)
{
	int r = place_find(u, place, e);

	if (r < 0)
		return r;
	if (attribute_read(place, "bDeviceClass", 16) == CLASS_HUB)
		return err_say(e, -EINVAL, "--usb: %s is a hub: name what is behind it", place);
	return disks_check(place, e);
}

int usb_check(const struct guest_spec *s, struct err *e)
{
	char place[32];
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->usb_count; i++)
		r = usb_judge(&s->usb[i], place, e);
	return r;
}

int usb_find(
	const struct guest_usb *u, struct usb_address *ret, struct usb_return *back, struct err *e)
{
	char place[32];

	int r = usb_judge(u, place, e);
	if (r < 0)
		return r;
	int64_t bus = attribute_read(place, "busnum", 10);
	int64_t device = attribute_read(place, "devnum", 10);
	if (bus < 0 || device < 0)
		return err_say(e, -ENODEV, "--usb: %s was plugged out", place);
	*ret = (struct usb_address){.bus = (unsigned)bus, .device = (unsigned)device};
	if (back)
		usb_return_note(USB_BUS, place, back);
	return 0;
}

int usb_open(const struct guest_usb *u, struct usb_return *back, struct err *e)
{
	struct usb_address address;
	char path[FILE_PATH_MAX];

	int r = usb_find(u, &address, back, e);
	if (r < 0)
		return r;
	(void)file_path(path, sizeof(path), "/dev/bus/usb/%03u/%03u", address.bus, address.device);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? err_set(e, -errno, "--usb: open '%s'", path) : fd;
}
