/* SPDX-License-Identifier: MIT */
#include "claim/identity.h"

#include "base/err.h"
#include "base/file.h"
#include "host/host.h"
#include "pci/capability.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COMPONENT_MAX 24 /* "pciffffffff:ff", "ffffffff:ff:1f.7", and the NUL */

/* "D:B" of a root bus: a domain of four or more lower hex digits, a bus of two. */
static bool parse_root(const char *text, unsigned *ret_domain, unsigned *ret_bus)
{
	char back[COMPONENT_MAX];
	unsigned domain, bus;
	int n = 0;

	if (sscanf(text, "%8x:%2x%n", &domain, &bus, &n) != 2 || text[n])
		return false;
	(void)snprintf(back, sizeof(back), "%04x:%02x", domain, bus);
	if (strcmp(back, text) != 0)
		return false; /* there is one way to write it */
	*ret_domain = domain;
	*ret_bus = bus;
	return true;
}

static bool parse_function(const char *text, unsigned *dev, unsigned *fn)
{
	char back[COMPONENT_MAX];
	int n = 0;

	if (sscanf(text, "%2x.%1x%n", dev, fn, &n) != 2 || text[n] || *dev > 31 || *fn > 7)
		return false;
	(void)snprintf(back, sizeof(back), "%02x.%x", *dev, *fn);
	return strcmp(back, text) == 0;
}

/* The next component between slashes. Return: false at the end, or when it is too long. */
static bool component_next(const char **text, char ret[COMPONENT_MAX])
{
	const char *p = *text;
	size_t n = strcspn(p, "/");

	if (!n || n >= COMPONENT_MAX)
		return false;
	memcpy(ret, p, n);
	ret[n] = '\0';
	*text = p + n + (p[n] == '/');
	return true;
}

static int path_append(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int path_append(char *buf, size_t size, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(buf + len, size - len, fmt, args);
	va_end(args);
	return n < 0 || (size_t)n >= size - len ? -ENAMETOOLONG : 0;
}

int claim_path_read(struct host *h, struct pci_address a, char ret[CLAIM_PATH_MAX])
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX], part[COMPONENT_MAX];
	unsigned domain, bus;

	int r = pci_device_path(a, "", path, sizeof(path));
	if (r < 0)
		return r;
	path[strlen(path) - 1] = '\0'; /* the link itself, not what it leads to */
	ssize_t n = h->ops->link(h, path, target, sizeof(target));
	if (n < 0)
		return n == -ENOENT ? -ENODEV : (int)n;
	const char *p = strstr(target, "/pci");
	ret[0] = '\0';
	for (p = p ? p + 1 : ""; r == 0 && component_next(&p, part);) {
		struct pci_address port;
		if (strncmp(part, "pci", 3) == 0 && parse_root(part + 3, &domain, &bus))
			r = path_append(ret, CLAIM_PATH_MAX, "%s%s", *ret ? "/" : "", part + 3);
		else if (pci_address_parse(part, &port) == 0)
			r = path_append(ret, CLAIM_PATH_MAX, "/%02x.%x", port.dev, port.fn);
		else
			r = -EINVAL;
	}
	return r < 0 ? r : *p || !claim_path_ok(ret) ? -EINVAL : 0;
}

/* Walks a place; @buf, when not NULL, gets the pattern. Return: 0, -EINVAL, -ENAMETOOLONG. */
static int path_walk(const char *path, char *buf, size_t size)
{
	unsigned domain = 0, bus = 0, dev, fn;
	char part[COMPONENT_MAX];
	const char *p = path;
	int depth = -1; /* functions since the last root; -1: no root yet */
	int r = 0;

	if (buf)
		(void)snprintf(buf, size, "*");
	while (r == 0 && component_next(&p, part)) {
		if ((depth == -1 || depth > 0) && parse_root(part, &domain, &bus)) {
			r = buf ? path_append(buf, size, "/pci%s", part) : 0;
			depth = 0;
		} else if (depth >= 0 && parse_function(part, &dev, &fn)) {
			if (buf && depth == 0)
				r = path_append(buf, size, "/%04x:%02x:%s", domain, bus, part);
			else if (buf)
				r = path_append(buf, size, "/%04x:?\?:%s", domain, part);
			depth++;
		} else {
			return -EINVAL;
		}
	}
	if (r == 0 && (*p || depth <= 0 || p[-1] == '/'))
		r = -EINVAL;
	return r;
}

bool claim_path_ok(const char *path)
{
	return strlen(path) < CLAIM_PATH_MAX && path_walk(path, NULL, 0) == 0;
}

int claim_path_pattern(const char *path, char *buf, size_t size)
{
	return path_walk(path, buf, size);
}

int claim_identity_read(
	struct host *h, const struct pci_device *d, struct claim_identity *ret, struct err *e)
{
	struct claim_identity n = {"", d->vendor, d->device, d->subvendor, d->subdevice, false, 0};
	char address[PCI_ADDRESS_TEXT];
	struct pci_config c;

	int r = claim_path_read(h, d->address, n.path);
	if (r < 0)
		return err_set(e, r, "%s: find its place below the root bus",
			pci_address_format(d->address, address));
	if (pci_config_read(h, d->address, &c, NULL) == 0 && pci_serial_read(&c, &n.serial) == 0)
		n.has_serial = true;
	*ret = n;
	return 0;
}

bool claim_identity_same(const struct claim_identity *a, const struct claim_identity *b)
{
	return a->vendor == b->vendor && a->device == b->device && a->subvendor == b->subvendor &&
	       a->subdevice == b->subdevice &&
	       (!a->has_serial || !b->has_serial || a->serial == b->serial);
}
