/* SPDX-License-Identifier: MIT */
/* DMA of models: needs bus mastering, a mapping, and the right access to it. */
#include "model/host.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

struct copy {
	uint8_t *mine;
	const uint8_t *theirs;
};

static void copy_in(void *arg, uint8_t *host, uint64_t len)
{
	struct copy *c = arg;

	memcpy(c->mine, host, len);
	c->mine += len;
}

static void copy_out(void *arg, uint8_t *host, uint64_t len)
{
	struct copy *c = arg;

	memcpy(host, c->theirs, len);
	c->theirs += len;
}

static int may_master(struct usher_model_device *d)
{
	if (!d->gone && d->container && model_config_master(d))
		return 0;
	d->dma_lost++;
	return -EPERM;
}

static int count_fault(struct usher_model_device *d, int r)
{
	d->dma_faults += r < 0;
	return r;
}

int usher_model_dma_read(struct usher_model_device *d, usher_iova_t from, void *buf, uint64_t len)
{
	struct copy c = {.mine = buf};
	int r = may_master(d);

	if (r < 0)
		return r;
	return count_fault(
		d, model_container_walk(d->container, from.v, len, VFIO_DMA_READ, copy_in, &c));
}

int usher_model_dma_write(
	struct usher_model_device *d, usher_iova_t to, const void *buf, uint64_t len)
{
	struct copy c = {.theirs = buf};
	int r = may_master(d);

	if (r < 0)
		return r;
	return count_fault(
		d, model_container_walk(d->container, to.v, len, VFIO_DMA_WRITE, copy_out, &c));
}
