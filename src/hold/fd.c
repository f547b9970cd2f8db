/* SPDX-License-Identifier: MIT */
/*
 * Processes with a device node open: graphics, sound, NVMe, disks, VFIO devices and whatever
 * else has a node below the device. Found by the node's number, not by names in /dev, which a
 * container may have elsewhere.
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

int hold_fd(struct hold_case *c)
{
	struct hold_view *v = c->view;
	char process[96];
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->nr_opens; i++) {
		const struct hold_open *o = &v->opens[i];

		if (!o->target || !hold_below(c, o->target))
			continue;
		const char *node = node_name(v, i);
		if (!node)
			return -ENOMEM;
		hold_process_name(v, &o->holder, process, sizeof(process));
		bool is_vfio = strstr(o->target, "/vfio-dev/");
		r = hold_add(c, is_vfio ? "vfio" : "fd", is_vfio ? HOLD_ABSOLUTE : HOLD_PLAIN, node,
			"open in %s", process);
	}
	/* Without a driver a device has no nodes to open. */
	if (r == 0 && v->blind && c->device->driver[0])
		r = hold_add(c, "fd", HOLD_UNSURE, "processes",
			"those of other users cannot be looked at: %s", strerror(-v->blind));
	return r;
}
