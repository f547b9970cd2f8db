/* SPDX-License-Identifier: MIT */
/* What the kernel itself has made of a device: channels that copy memory, mediated devices. */
#include "base/file.h"
#include "hold/view.h"

#include <inttypes.h>
#include <stdio.h>

/* `in_use` counts the clients of a channel: md's RAID, NTB, audio. */
static int find_channels(struct hold_case *c)
{
	struct host *h = c->view->host;
	const struct hold_links *l;
	int r = hold_view_dma(c->view, &l);

	for (size_t i = 0; r == 0 && i < l->count; i++) {
		char path[FILE_PATH_MAX];
		uint64_t clients;

		if (!hold_below(c, l->list[i].target) ||
			file_path(path, sizeof(path), "/sys/class/dma/%s/in_use", l->list[i].name) <
				0 ||
			host_read_number(h, path, &clients) < 0 || !clients)
			continue;
		r = hold_add(c, "dma", HOLD_PLAIN, l->list[i].name,
			"DMA channel with %" PRIu64 " %s in the kernel", clients,
			clients == 1 ? "client" : "clients");
	}
	return r;
}

/* The driver removes them with itself, or waits until their guests end. */
static int find_mediated(struct hold_case *c)
{
	const struct hold_links *l;
	int r = hold_view_mediated(c->view, &l);

	for (size_t i = 0; r == 0 && i < l->count; i++)
		if (hold_below(c, l->list[i].target))
			r = hold_add(
				c, "sriov", HOLD_PLAIN, l->list[i].name, "mediated device of it");
	return r;
}

int hold_dma(struct hold_case *c)
{
	if (!c->device->driver[0])
		return 0;
	int r = find_channels(c);
	return r < 0 ? r : find_mediated(c);
}
