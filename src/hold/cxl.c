/* SPDX-License-Identifier: MIT */
/*
 * Memory behind CXL. A region maps the memory of one or more devices into the host's address space,
 * where it is RAM, persistent memory or a DAX device. None of these is below the PCI device in
 * sysfs: the way goes from its memdev ("mem0") to the endpoint port, whose decoders name their
 * region. An unbind takes the decoders, and the host reads all-ones from then on.
 */
#include "base/clean.h"
#include "base/file.h"
#include "hold/view.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CXL "/sys/bus/cxl/devices/"
#define CLASS_CXL_MEMORY 0x0502 /* PCI Code and ID Assignment Specification, section 1.6 */

struct cxl_search {
	struct hold_case *c;
	char memory[32]; /* the memdev: "mem0" */
	const char *endpoint;
};

static int note_memory(void *arg, const char *name)
{
	struct cxl_search *s = arg;
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX];

	if (strncmp(name, "mem", 3) != 0 || file_path(path, sizeof(path), CXL "%s", name) < 0 ||
		s->c->view->host->ops->link(s->c->view->host, path, target, sizeof(target)) < 0 ||
		!hold_below(s->c, target))
		return 0;
	return file_path(s->memory, sizeof(s->memory), "%s", name) == 0;
}

/* "region0", or an empty line if the decoder is free. */
static int add_region(void *arg, const char *name)
{
	struct cxl_search *s = arg;
	struct host *h = s->c->view->host;
	char path[FILE_PATH_MAX], region[64], mode[32] = "";

	if (strncmp(name, "decoder", 7) != 0 ||
		file_path(path, sizeof(path), CXL "%s/%s/region", s->endpoint, name) < 0 ||
		host_read_text(h, path, region, sizeof(region)) <= 0)
		return 0;
	if (file_path(path, sizeof(path), CXL "%s/mode", region) == 0)
		(void)host_read_text(h, path, mode, sizeof(mode));
	return hold_add(s->c, "fd", HOLD_ABSOLUTE, region,
		"this host has memory of it in its address space%s%s", mode[0] ? ", as " : "",
		mode);
}

static int search_endpoint(void *arg, const char *name)
{
	struct cxl_search *s = arg;
	struct host *h = s->c->view->host;
	char path[FILE_PATH_MAX], port[64];

	if (strncmp(name, "endpoint", 8) != 0 ||
		file_path(path, sizeof(path), CXL "%s/uport", name) < 0 ||
		host_link_name(h, path, port, sizeof(port)) < 0 || strcmp(port, s->memory) != 0 ||
		file_path(path, sizeof(path), CXL "%s", name) < 0)
		return 0;
	s->endpoint = name;
	int r = h->ops->list(h, path, add_region, s);
	return r == -ENOMEM ? r : 0;
}

/* Whether a window of the firmware holds RAM of this host; the kernel indents what is inside. */
static bool window_has_ram(const char *text)
{
	size_t outside = SIZE_MAX;

	for (const char *l = text; *l; l += strcspn(l, "\n"), l += *l == '\n') {
		size_t depth = strspn(l, " "), len = strcspn(l, "\n");

		if (depth <= outside)
			outside = memmem(l, len, ": CXL Window", 12) ? depth : SIZE_MAX;
		else if (memmem(l, len, ": System RAM", 12))
			return true;
	}
	return false;
}

/* Without its driver nobody knows whose memory a window of the firmware has. */
static int find_window(struct hold_case *c)
{
	cleanup_free char *text = NULL;
	ssize_t n = host_read_all(c->view->host, "/proc/iomem", &text);

	if (n == -ENOMEM)
		return -ENOMEM;
	if (n <= 0 || !window_has_ram(text))
		return 0;
	return hold_add(c, "fd", HOLD_PLAIN, "CXL",
		"RAM of this host may be its memory: without cxl_pci nobody knows");
}

int hold_cxl(struct hold_case *c)
{
	struct cxl_search s = {.c = c};
	struct host *h = c->view->host;

	if (c->device->class >> 8 != CLASS_CXL_MEMORY)
		return 0;
	if (strcmp(c->device->driver, "cxl_pci") != 0)
		return strstr(c->device->driver, "vfio") ? 0 : find_window(c);
	int r = h->ops->list(h, CXL, note_memory, &s);
	if (r == 1)
		r = h->ops->list(h, CXL, search_endpoint, &s);
	return r == -ENOMEM ? r : 0;
}
