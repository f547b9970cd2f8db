/* SPDX-License-Identifier: MIT */
#include "view/names.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/load.h"
#include "base/num.h"
#include "pci/device.h"

#include <fcntl.h>
#include <libudev.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct names {
	struct udev *udev;
	struct udev_hwdb *hwdb;
	const char *ids; /* pci.ids, mapped; not NUL-terminated */
	size_t ids_len;
	/* The last answer. A query of the database is expensive, its values are not. */
	bool known;
	struct pci_device last;
	char vendor[NAMES_TEXT];
	char device[NAMES_TEXT];
};

static struct {
	__typeof__(udev_new) *new_udev;
	__typeof__(udev_unref) *unref_udev;
	__typeof__(udev_hwdb_new) *new_hwdb;
	__typeof__(udev_hwdb_unref) *unref_hwdb;
	__typeof__(udev_hwdb_get_properties_list_entry) *properties;
	__typeof__(udev_list_entry_get_by_name) *by_name;
	__typeof__(udev_list_entry_get_value) *value;
} lib;

static bool open_hwdb(struct names *n)
{
	static const struct load_symbol symbols[] = {
		{"udev_new", &lib.new_udev},
		{"udev_unref", &lib.unref_udev},
		{"udev_hwdb_new", &lib.new_hwdb},
		{"udev_hwdb_unref", &lib.unref_hwdb},
		{"udev_hwdb_get_properties_list_entry", &lib.properties},
		{"udev_list_entry_get_by_name", &lib.by_name},
		{"udev_list_entry_get_value", &lib.value},
	};

	if (load_library("libudev.so.1", "libudev1", symbols, COUNT(symbols), NULL) < 0)
		return false;
	n->udev = lib.new_udev();
	n->hwdb = n->udev ? lib.new_hwdb(n->udev) : NULL;
	return n->hwdb;
}

static bool open_ids(struct names *n, const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return false;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	n->ids = p;
	n->ids_len = (size_t)st.st_size;
	return true;
}

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n || open_hwdb(n) || open_ids(n, "/usr/share/misc/pci.ids") ||
		open_ids(n, "/usr/share/hwdata/pci.ids"))
		return n;
	names_free(n);
	return NULL;
}

struct names *names_from_ids(const char *path)
{
	struct names *n = calloc(1, sizeof(*n));

	if (n && !open_ids(n, path)) {
		free(n);
		return NULL;
	}
	return n;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	if (n->hwdb)
		(void)lib.unref_hwdb(n->hwdb);
	if (n->udev)
		(void)lib.unref_udev(n->udev);
	if (n->ids)
		(void)munmap((void *)(uintptr_t)n->ids, n->ids_len);
	free(n);
}

static void copy_value(struct udev_list_entry *list, const char *key, char buf[NAMES_TEXT])
{
	struct udev_list_entry *e = list ? lib.by_name(list, key) : NULL;
	const char *name = e ? lib.value(e) : NULL;

	if (name)
		file_escape(buf, NAMES_TEXT, name);
}

static void ask_hwdb(struct names *n, const struct pci_device *d)
{
	char alias[32];

	/*
	 * The beginning of the kernel's modalias, which the database matches with patterns. The
	 * rest of a modalias would make it try all patterns of classes, whose names are not used.
	 */
	(void)snprintf(alias, sizeof(alias), "pci:v%08Xd%08X", d->vendor, d->device);
	struct udev_list_entry *list = lib.properties(n->hwdb, alias, 0);
	copy_value(list, "ID_VENDOR_FROM_DATABASE", n->vendor);
	copy_value(list, "ID_MODEL_FROM_DATABASE", n->device);
}

/*
 * pci.ids: "10de  NVIDIA Corporation", below it "\t2484  GA104 …", below that subsystems with two
 * tabs; '#' starts a comment, and from "C 00" on the file is about classes. @from: where to look;
 * *@ret_end: where the entry's own lines begin.
 * Return: whether there is an entry for @id at depth @tabs before one that is less deep.
 */
static bool find_id(const char *from, const char *end, unsigned tabs, uint16_t id,
	char buf[NAMES_TEXT], const char **ret_end)
{
	char head[8], name[NAMES_TEXT];
	int n = snprintf(head, sizeof(head), "%.*s%04x", (int)tabs, "\t\t", id);

	for (const char *line = from; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);

		if (len > (size_t)n + 2 && memcmp(line, head, (size_t)n) == 0 && line[n] == ' ') {
			(void)snprintf(name, sizeof(name), "%.*s",
				(int)min_u64(len - (size_t)n - 2, NAMES_TEXT), line + n + 2);
			file_escape(buf, NAMES_TEXT, name);
			*ret_end = stop ? stop + 1 : end;
			return true;
		}
		if (len && *line != '#' && (*line == 'C' || (tabs && *line != '\t')))
			return false;
		line = stop ? stop + 1 : end;
	}
	return false;
}

static void ask_ids(struct names *n, const struct pci_device *d)
{
	const char *end = n->ids + n->ids_len, *below;

	if (find_id(n->ids, end, 0, d->vendor, n->vendor, &below))
		(void)find_id(below, end, 1, d->device, n->device, &below);
}

static bool same_ids(const struct pci_device *a, const struct pci_device *b)
{
	return a->vendor == b->vendor && a->device == b->device && a->class == b->class &&
	       a->subvendor == b->subvendor && a->subdevice == b->subdevice;
}

static void look_up_device(struct names *n, const struct pci_device *d)
{
	if (n->known && same_ids(&n->last, d))
		return;
	n->known = true;
	n->last = *d;
	n->vendor[0] = n->device[0] = '\0';
	if (n->hwdb)
		ask_hwdb(n, d);
	else if (n->ids)
		ask_ids(n, d);
}

void names_vendor(struct names *n, const struct pci_device *d, char buf[NAMES_TEXT])
{
	buf[0] = '\0';
	if (!n)
		return;
	look_up_device(n, d);
	memcpy(buf, n->vendor, NAMES_TEXT);
}

void names_device(struct names *n, const struct pci_device *d, char buf[NAMES_TEXT])
{
	buf[0] = '\0';
	if (!n)
		return;
	look_up_device(n, d);
	memcpy(buf, n->device, NAMES_TEXT);
}

void names_both(struct names *n, const struct pci_device *d, char *buf, size_t size)
{
	char vendor[NAMES_TEXT], device[NAMES_TEXT];

	names_vendor(n, d, vendor);
	names_device(n, d, device);
	if (vendor[0] && device[0])
		(void)snprintf(buf, size, "%s %s", vendor, device);
	else if (vendor[0])
		(void)snprintf(buf, size, "%s %04x", vendor, d->device);
	else
		(void)snprintf(buf, size, "%04x:%04x", d->vendor, d->device);
}
