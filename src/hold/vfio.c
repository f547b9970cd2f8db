/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "hold/view.h"

#include <stdio.h>
#include <sys/sysmacros.h>

/* "MAJOR:MINOR" of a class device. */
static bool node_read(struct host *h, const char *path, dev_t *ret)
{
	unsigned major, minor;
	char text[32];

	if (host_read_text(h, path, text, sizeof(text)) < 0 ||
		sscanf(text, "%u:%u", &major, &minor) != 2)
		return false;
	*ret = makedev(major, minor);
	return true;
}

/*
 * A group's node has no PCI device above it in sysfs, so its number is looked up by the group's;
 * the node of a VFIO device (cdev) has one, and is found as any other node is: hold_fd().
 */
int hold_vfio(struct hold_case *c)
{
	struct hold_view *v = c->view;
	char name[32], path[FILE_PATH_MAX], process[96];
	dev_t node = 0;
	int r = 0;

	if (c->device->group == PCI_GROUP_NONE || !v->has_groups)
		return 0;
	bool found = false;
	for (size_t i = 0; !found && i < 2; i++) {
		(void)snprintf(name, sizeof(name), i ? "noiommu-%d" : "%d", c->device->group);
		found = file_path(path, sizeof(path), "/sys/class/vfio/%s/dev", name) == 0 &&
			node_read(v->host, path, &node);
	}
	for (size_t i = 0; found && r == 0 && i < v->nr_opens; i++) {
		const struct host_holder *o = &v->opens[i].holder;
		char object[48];

		if (o->is_block || o->rdev != node)
			continue;
		(void)snprintf(object, sizeof(object), "vfio/%s", name);
		hold_process_name(v, o, process, sizeof(process));
		/* The kernel refuses a second open of a group with EBUSY. */
		r = hold_add(c, "vfio", HOLD_ABSOLUTE, object, "its group is open in %s", process);
	}
	return r;
}
