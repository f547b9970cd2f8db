/* SPDX-License-Identifier: MIT */
/*
 * Processes that can reach a device node: graphics, sound, NVMe, disks, VFIO devices and whatever
 * else has a node below the device. Found by the node's number, not by names in /dev, which a
 * container may have elsewhere. And those with a BAR in their memory, by its file in sysfs.
 */
#include "base/file.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* "dri/card1" as the kernel names the node, else the last part of its link. */
static void read_name(struct host *h, const struct hold_open *o, char *buf, size_t size)
{
	static const char key[] = "DEVNAME=";
	char path[FILE_PATH_MAX], text[1024];

	(void)file_path(buf, size, "%s", file_base(o->target));
	if (file_path(path, sizeof(path), "/sys/dev/%s/%u:%u/uevent",
		    o->holder.is_block ? "block" : "char", major(o->holder.rdev),
		    minor(o->holder.rdev)) < 0 ||
		host_read_text(h, path, text, sizeof(text)) < 0)
		return;
	const char *p = strstr(text, key);
	if (p && (p == text || p[-1] == '\n')) {
		p += sizeof(key) - 1;
		(void)snprintf(buf, size, "%.*s", (int)strcspn(p, "\n"), p);
	}
}

/* The name of the node that opens[@at] is of; NULL: no memory. Many have the same one open. */
static const char *node_name(struct hold_view *v, size_t at)
{
	struct hold_open *o = &v->opens[at];
	char name[64];

	for (size_t i = 0; !o->node && i < at; i++)
		if (v->opens[i].node && v->opens[i].holder.rdev == o->holder.rdev &&
			v->opens[i].holder.is_block == o->holder.is_block)
			return v->opens[i].node;
	if (!o->node) {
		read_name(v->host, o, name, sizeof(name));
		o->node = strdup(name);
	}
	return o->node;
}

/* "resource0" of "0000:01:00.0/resource0"; NULL for another device's. */
static const char *resource_of(const struct hold_case *c, const struct host_holder *o)
{
	size_t n = strlen(c->address);

	return strncmp(o->resource, c->address, n) == 0 && o->resource[n] == '/'
		       ? o->resource + n + 1
		       : NULL;
}

static int find_node(struct hold_case *c, size_t at)
{
	struct hold_view *v = c->view;
	const struct hold_open *o = &v->opens[at];
	const char *resource = resource_of(c, &o->holder);
	bool is_vfio = false;
	char use[160];

	if (!resource && !(o->target && hold_reaches(c, o->target)))
		return 0;
	const char *node = resource ? resource : node_name(v, at);
	if (!node)
		return -ENOMEM;
	if (o->target)
		is_vfio = strstr(o->target, "/vfio-dev/");
	hold_process_use(v, &o->holder, use, sizeof(use));
	return hold_add(
		c, is_vfio ? "vfio" : "fd", is_vfio ? HOLD_ABSOLUTE : HOLD_PLAIN, node, "%s", use);
}

#define BASE_STORAGE 0x01 /* PCI Code and ID Assignment Specification, section 1 */

/* A ring whose files the kernel does not show: any disk may be among them. */
static int find_rings(struct hold_case *c)
{
	struct hold_view *v = c->view;
	char process[96];
	int r = 0;

	if (c->device->class >> 16 != BASE_STORAGE || !c->device->driver[0])
		return 0;
	for (size_t i = 0; r == 0 && i < v->nr_opens; i++) {
		const struct host_holder *o = &v->opens[i].holder;

		if (o->way != HOST_HOLDER_RING || o->rdev)
			continue;
		hold_process_name(v, o, process, sizeof(process));
		r = hold_add(c, "fd", HOLD_UNSURE, "io_uring",
			"whether %s uses it cannot be told: the kernel does not show its files",
			process);
	}
	return r;
}

int hold_fd(struct hold_case *c)
{
	struct hold_view *v = c->view;
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->nr_opens; i++)
		r = find_node(c, i);
	if (r < 0)
		return r;
	r = find_rings(c);
	/* Without a driver a device has no nodes to open. */
	if (r == 0 && v->blind && c->device->driver[0])
		r = hold_add(c, "fd", HOLD_UNSURE, "processes",
			"those of other users cannot be looked at: %s", strerror(-v->blind));
	return r;
}
