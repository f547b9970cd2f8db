/* SPDX-License-Identifier: MIT */
#include "hold/hold.h"

#include "base/err.h"
#include "base/num.h"
#include "hold/view.h"

#include <stdlib.h>

static int (*const sources[])(struct hold_case *c) = {
	hold_block,
	hold_share,
	hold_net,
	hold_remote,
	hold_vfio,
	hold_sriov,
	hold_dma,
	hold_cxl,
	hold_gpu,
	hold_input,
	hold_virtio,
	hold_fd,
};

int hold_find_in(struct hold_view *v, const struct pci_device *d, struct holds *ret, struct err *e)
{
	struct hold_case c = {.view = v, .device = d, .found = ret};
	int r = 0;

	*ret = (struct holds){0};
	if (d->is_bridge)
		return 0;
	pci_address_format(d->address, c.address);
	r = hold_udev_wait(&c);
	for (size_t i = 0; r == 0 && i < COUNT(sources); i++)
		r = sources[i](&c);
	if (r < 0) {
		holds_fini(ret);
		return err_set(e, r, "%s: find out who uses it", c.address);
	}
	return 0;
}

int hold_find(struct host *h, const struct pci_device *d, struct holds *ret, struct err *e)
{
	struct hold_view *v;

	int r = hold_view_new(h, HOLD_PATIENT, &v, e);
	if (r < 0)
		return r;
	r = hold_find_in(v, d, ret, e);
	hold_view_free(v);
	return r;
}

int hold_find_disk(struct host *h, const char *name, struct holds *ret, struct err *e)
{
	struct hold_case c = {.found = ret};

	*ret = (struct holds){0};
	int r = hold_view_new(h, HOLD_EVERYTHING, &c.view, e);
	if (r < 0)
		return r;
	r = hold_block_named(&c, name);
	hold_view_free(c.view);
	if (r >= 0)
		return 0;
	holds_fini(ret);
	return err_set(e, r, "%s: find out who uses it", name);
}

void holds_fini(struct holds *h)
{
	free(h->list);
	free(h->disks);
	*h = (struct holds){0};
}
