/* SPDX-License-Identifier: MIT */
/*
 * A program that was built with the headers of version 0.1, and runs with the library of today.
 * Structures lie at the end of a page that cannot be written after them: a library that writes more
 * than 0.1 had ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/err.h>
#include <usher/irq.h>
#include <usher/model.h>
#include <usher/region.h>
#include <usher/space.h>

#define NEED(what) need((what), #what, __LINE__)

static void need(int holds, const char *what, int line)
{
	if (holds)
		return;
	(void)fprintf(stderr, "line %d: not so: %s\n", line, what);
	exit(EXIT_FAILURE);
}

/* @size bytes, and nothing behind them. */
static void *last_bytes(size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t whole = (size + page - 1) / page * page;
	char *p = mmap(
		NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	NEED(!mprotect(p + whole, page, PROT_NONE));
	memset(p, 0xa5, whole);
	return p + whole - size;
}

static uint64_t register_read(
	struct usher_model_device *d, void *state, unsigned bar, uint64_t off, unsigned size)
{
	(void)d, (void)state, (void)bar, (void)size;
	return off + 1;
}

static void register_write(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
	unsigned size, uint64_t value)
{
	(void)d, (void)state, (void)bar, (void)off, (void)size, (void)value;
}

static struct usher_device *open_model(struct usher_space **ret_space, struct usher_err *e)
{
	struct usher_space_options *o = last_bytes(sizeof(*o));
	struct usher_model_ops *ops = last_bytes(sizeof(*ops));
	struct usher_model *m = last_bytes(sizeof(*m));
	struct usher_device *d = NULL;

	*o = (struct usher_space_options){.guard = 4096, .quarantine = 2};
	*ops = (struct usher_model_ops){.read = register_read, .write = register_write};
	*m = (struct usher_model){.name = "released",
		.shape =
			{.vendor = 0x1234, .device = 7, .bar_size = {4096}, .msi = 1, .express = 1},
		.ops = ops};
	NEED(usher_model_register(m) == 0);
	NEED(usher_model_register(m) == -EEXIST);
	NEED(usher_space_new(o, ret_space, e) == 0);
	NEED(usher_device_open("model:released,bus=3", *ret_space, &d, e) == 0);
	return d;
}

static void query_everything(struct usher_space *s, struct usher_device *d, struct usher_err *e)
{
	struct usher_space_info *space = last_bytes(sizeof(*space));
	struct usher_irq_info *irq = last_bytes(sizeof(*irq));
	struct usher_region *region = last_bytes(sizeof(*region));
	struct usher_dependent *hit = last_bytes(2 * sizeof(*hit));

	NEED(usher_space_info(s, space, e) == 0);
	NEED(space->span_count > 0 && space->spans[0].last > space->spans[0].first);
	NEED(usher_irq_info(d, USHER_MSI, irq) == 0 && irq->count == 1);
	NEED(usher_region_info(d, USHER_BAR(0), region, e) == 0 && region->size == 4096);
	NEED(usher_device_dependents(d, hit, 2, e) == 1 && hit[0].owned == 1);
	const struct usher_device_info *info = usher_device_info(d);
	NEED(info->vendor == 0x1234 && info->device == 7 && info->regions > 6);
	NEED(strncmp(info->name, "model:released", 14) == 0);
}

static void use_buffers(struct usher_space *s, struct usher_err *e)
{
	struct usher_buffer *a = last_bytes(sizeof(*a)), *b = last_bytes(sizeof(*b));
	usher_iova_t iova;

	*a = USHER_BUFFER_NONE;
	NEED(usher_buffer_alloc(s, 8192, USHER_BUFFER_TO_DEVICE, a, e) == 0);
	NEED(a->size == 8192 && a->access == USHER_DMA_READ && a->space == s);
	NEED(usher_buffer_at(a, 4096, 1, &iova) == 0 && iova.v == a->iova.v + 4096);
	NEED(usher_buffer_share(a, s, b, e) == 0 && b->host != a->host);
	usher_buffer_free(b);
	usher_buffer_free(a);
	NEED(!a->host && a->fd == -1);
	usher_buffer_free(a);
}

static void use_window(struct usher_device *d, struct usher_err *e)
{
	struct usher_window *w = last_bytes(sizeof(*w));
	uint32_t v = 0;

	*w = USHER_WINDOW_NONE;
	NEED(usher_window_open(d, USHER_BAR(0), 0, 0, USHER_UNCACHED, w, e) == 0);
	NEED(w->size == 4096 && usher_read32(w, 8, &v) == 0 && v == 9);
	NEED(usher_write32(w, 8, 1) == 0 && usher_window_flush(w, 0) == 0);
	NEED(usher_read32(w, 4096, &v) == -ERANGE);
	NEED(usher_window_revive(w) == -ENODEV || !w->gone);
	usher_window_close(w);
	NEED(w->gone);
}

int main(void)
{
	struct usher_err *e = last_bytes(sizeof(*e));
	struct usher_space *s = NULL;
	struct usher_device *d = open_model(&s, e);

	query_everything(s, d, e);
	use_buffers(s, e);
	use_window(d, e);
	NEED(usher_irq_on(d, USHER_MSI, 2, e) == -EINVAL && e->code == -EINVAL);
	NEED(strlen(e->msg) > 0 && strlen(e->hint) < sizeof(e->hint));
	usher_device_close(d);
	usher_space_free(s);
	return EXIT_SUCCESS;
}
