/* SPDX-License-Identifier: MIT */
/*
 * sysfs shows the network namespace of the process that mounted it, and names of interfaces mean
 * something within one namespace only. So this process asks the kernel for the interface of that
 * name, and compares what sysfs shows with the answer.
 */
#include "host/interface.h"

#include "base/file.h"
#include "host/host.h"
#include "host/rtnl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int hear_link(void *arg, const struct nlmsghdr *m)
{
	struct rtnl_link *link = arg, heard;

	if (rtnl_link_read(m, &heard))
		*link = heard;
	return 0;
}

/* Whether interface @name of sysfs has an attribute that leads to a device of another name. */
static bool is_other_device(struct host *h, const char *name, const struct rtnl_link *link)
{
	char path[FILE_PATH_MAX], device[64];

	return link->parent[0] &&
	       file_path(path, sizeof(path), "/sys/class/net/%s/device", name) == 0 &&
	       host_link_name(h, path, device, sizeof(device)) > 0 &&
	       strcmp(device, link->parent) != 0;
}

static int sysfs_compare(struct host *h, const char *name, const struct rtnl_link *link)
{
	char path[FILE_PATH_MAX];
	uint64_t index = 0;

	int r = file_path(path, sizeof(path), "/sys/class/net/%s/ifindex", name);
	if (r == 0)
		r = host_read_number(h, path, &index);
	if (r < 0)
		return link->index ? -EXDEV : -ENODEV;
	return index == link->index && !is_other_device(h, name, link) ? 0 : -EXDEV;
}

int host_interface(struct host *h, const char *word, char ret[HOST_INTERFACE_MAX])
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];
	struct rtnl_link link = {0};
	int r = -ENODEV;

	if (strchr(word, '/') || !rtnl_ask_link(request, word))
		return -ENODEV;
	if (h == host_live())
		r = rtnl_talk(request, hear_link, &link);
	bool is_known = r == 0 && link.index;
	const char *name = is_known ? link.name : word;
	if (strlen(name) >= HOST_INTERFACE_MAX ||
		(!is_known && (file_path(path, sizeof(path), "/sys/class/net/%s", name) < 0 ||
				      h->ops->link(h, path, target, sizeof(target)) < 0)))
		return -ENODEV;
	/* Without an answer of rtnetlink, sysfs is believed; "there is none" is an answer. */
	if (h == host_live() && (is_known || r == -ENODEV)) {
		r = sysfs_compare(h, name, &link);
		if (r < 0)
			return r;
	}
	(void)snprintf(ret, HOST_INTERFACE_MAX, "%s", name);
	return 0;
}
