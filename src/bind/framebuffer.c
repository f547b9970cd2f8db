/* SPDX-License-Identifier: MIT */
#include "bind/framebuffer.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/problem.h"
#include "host/host.h"
#include "pci/bar.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_DISPLAY 0x03
#define CLASS_OLD_VGA 0x0001
#define NAME_SHOWN 24

/* Drivers of the platform bus; simpledrm's is called simple-framebuffer, as simplefb's. */
static const char *const drivers[] = {
	"simple-framebuffer", "efi-framebuffer", "vesa-framebuffer", "simpledrm"};

/* The line of /proc/iomem, "  c0000000-c07e8fff : BOOTFB", that names a boot framebuffer. */
static bool line_parse(const char *line, uint64_t *ret_start, char ret_name[NAME_SHOWN])
{
	static const char *const names[] = {
		"BOOTFB", "efifb", "simplefb", "simpledrm", "vesafb", "simple-framebuffer"};
	char *at;

	*ret_start = strtoull(line, &at, 16);
	if (*at != '-')
		return false;
	uint64_t end = strtoull(at + 1, &at, 16);
	if (sscanf(at, " : %23[^\n]", ret_name) != 1)
		return false;
	for (size_t i = 0; i < COUNT(names); i++) {
		size_t len = strlen(names[i]);
		/* "simple-framebuffer.0": the device's own name, from some drivers. */
		if (strncmp(ret_name, names[i], len) == 0 &&
			(!ret_name[len] || ret_name[len] == '.'))
			return end > *ret_start;
	}
	return false;
}

/* Return: index of the BAR that a boot framebuffer lies in, -1. */
static int find_bar(
	const char *iomem, const struct pci_bar *bars, int count, char ret_name[NAME_SHOWN])
{
	for (const char *line = iomem; line && *line;) {
		uint64_t start = 0;
		bool found = line_parse(line, &start, ret_name);
		for (int i = 0; found && i < count; i++)
			if (bars[i].kind != PCI_BAR_IO && bars[i].assigned &&
				start >= bars[i].address && start - bars[i].address < bars[i].size)
				return bars[i].index;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return -1;
}

struct search {
	const char *driver;
	char *ret; /* PCI_NAME_MAX */
};

/* A driver's folder lists devices ("efi-framebuffer.0") and attributes. */
static int match_device(void *arg, const char *name)
{
	struct search *s = arg;
	size_t len = strlen(s->driver);

	if (strncmp(name, s->driver, len) != 0 || name[len] != '.' || strchr(name, '/'))
		return 0;
	int n = snprintf(s->ret, PCI_NAME_MAX, "%s/%s", s->driver, name);
	return n > 0 && n < PCI_NAME_MAX;
}

static bool find_device(struct host *h, char ret[PCI_NAME_MAX])
{
	char path[FILE_PATH_MAX];

	for (size_t i = 0; i < COUNT(drivers); i++) {
		struct search s = {drivers[i], ret};
		if (file_path(path, sizeof(path), "/sys/bus/platform/drivers/%s", drivers[i]) ==
				0 &&
			h->ops->list(h, path, match_device, &s) == 1)
			return true;
	}
	ret[0] = '\0';
	return false;
}

int bind_framebuffer_plan(struct bind_case *c, struct bind_member *m)
{
	static const struct problem_kind kind = {"framebuffer", PROBLEM_WARNS,
		"look at the host by network or a serial line; usher release brings it back"};
	const struct pci_device *d = &m->device;
	struct host *h = c->env->host;
	char address[PCI_ADDRESS_TEXT], name[NAME_SHOWN];
	struct pci_bar bars[PCI_BAR_MAX];
	cleanup_free char *iomem = NULL;

	if (m->act != BIND_ACT_TAKE ||
		(d->class >> 16 != BASE_DISPLAY && d->class >> 8 != CLASS_OLD_VGA))
		return 0;
	int count = pci_bar_read(h, d->address, bars, NULL);
	if (count <= 0 || host_read_all(h, "/proc/iomem", &iomem) < 0)
		return 0;
	int bar = find_bar(iomem, bars, count, name);
	if (bar < 0 || !find_device(h, m->framebuffer))
		return 0;
	return bind_problem_add(c->plan, c->q, &kind, pci_address_format(d->address, address),
		"the boot console's framebuffer (%s) lies in its BAR %d: %s is let go, and the "
		"console goes dark",
		name, bar, file_base(m->framebuffer));
}

const char *bind_framebuffer_path(const char *framebuffer, const char *attr, char *buf, size_t size)
{
	const char *slash = strchr(framebuffer, '/');

	if (!slash || file_path(buf, size, "/sys/bus/platform/drivers/%.*s/%s",
			      (int)(slash - framebuffer), framebuffer, attr) < 0)
		return NULL;
	return slash + 1;
}

int bind_framebuffer_back(struct bind_worker *w, const char *framebuffer, struct err *e)
{
	char path[FILE_PATH_MAX], text[FILE_PATH_MAX];

	if (!framebuffer[0] || file_path(path, sizeof(path), "/sys/bus/platform/devices/%s",
				       file_base(framebuffer)) < 0)
		return 0;
	if (w->transaction->env->host->ops->link(
		    w->transaction->env->host, path, text, sizeof(text)) < 0)
		return 0;
	if (file_path(path, sizeof(path), "/sys/bus/platform/devices/%s/driver",
		    file_base(framebuffer)) < 0 ||
		w->transaction->env->host->ops->link(
			w->transaction->env->host, path, text, sizeof(text)) >= 0)
		return 0;
	const char *name = bind_framebuffer_path(framebuffer, "bind", path, sizeof(path));
	return name ? bind_worker_write(w, path, name, e) : 0;
}
