/* SPDX-License-Identifier: MIT */
/* Models by name, and their devices: registered, plugged and unplugged. */
#include "base/fd.h"
#include "base/num.h"
#include "base/sized.h"
#include "model/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MODELS_MAX 32

static const struct usher_model *models[MODELS_MAX] = {&model_edu, &model_nvme, &model_nvme_mapped};
static size_t model_count = 3;
/* What the program registered, with every field that this library knows. */
static struct {
	struct usher_model model;
	struct usher_model_ops ops;
} registered[MODELS_MAX];

static const struct usher_model *registry_find(const char *name)
{
	for (size_t i = 0; i < model_count; i++)
		if (strcmp(models[i]->name, name) == 0)
			return models[i];
	return NULL;
}

const struct usher_model *model_find(const char *name)
{
	model_lock();
	const struct usher_model *m = registry_find(name);
	model_unlock();
	return m;
}

static int registry_add(const struct usher_model *m, const struct usher_model_ops *ops)
{
	if (registry_find(m->name))
		return -EEXIST;
	if (model_count == MODELS_MAX)
		return -ENOSPC;
	registered[model_count].model = *m;
	registered[model_count].ops = *ops;
	registered[model_count].model.ops = &registered[model_count].ops;
	models[model_count] = &registered[model_count].model;
	model_count++;
	return 0;
}

int usher_model_register_sized(const struct usher_model *m, size_t size, size_t ops_size)
{
	struct usher_model known;
	struct usher_model_ops ops;
	int r = sized_read(&known, sizeof(known), SIZE_UP_TO(struct usher_model, ops), m, size);

	if (r >= 0)
		r = sized_read(&ops, sizeof(ops), SIZE_UP_TO(struct usher_model_ops, write), m->ops,
			ops_size);
	if (r < 0)
		return r;
	model_lock();
	r = registry_add(&known, &ops);
	model_unlock();
	return r;
}

static int bar_make(struct usher_model_device *d, unsigned i)
{
	size_t size = align_up(d->model->shape.bar_size[i], KIB(4));

	d->bar_fds[i] = memfd_create("bar", MFD_CLOEXEC);
	if (d->bar_fds[i] < 0 || ftruncate(d->bar_fds[i], (off_t)size) < 0)
		return -errno;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, d->bar_fds[i], 0);
	if (p == MAP_FAILED)
		return -errno;
	d->bars[i] = p;
	return 0;
}

static void device_destroy(struct usher_model_device *d)
{
	model_plugged_remove(d);
	for (unsigned i = 0; i < USHER_MODEL_BARS; i++) {
		if (d->bars[i])
			(void)munmap(d->bars[i], align_up(d->model->shape.bar_size[i], KIB(4)));
		fd_close(&d->bar_fds[i]);
	}
	free(d);
}

/* Applies the limits of host and device: vectors=, noreset, noresize. */
static int device_take_limits(struct usher_model_device *d, const char *arguments)
{
	uint64_t vectors = UINT32_MAX;
	size_t len;
	int r = model_argument_number(arguments, "vectors", 0, UINT32_MAX, &vectors);

	d->vectors = (uint32_t)vectors;
	d->no_reset = d->model->shape.no_reset || model_argument(arguments, "noreset", &len);
	d->no_resize = model_argument(arguments, "noresize", &len) != NULL;
	return r;
}

static int device_make(struct usher_model_device *d, const char *arguments)
{
	const struct usher_model *m = d->model;
	int r = 0;

	for (unsigned i = 0; i < USHER_MODEL_BARS && r >= 0; i++)
		if (m->shape.bar_size[i] && m->shape.bar_memory & 1u << i)
			r = bar_make(d, i);
	if (r < 0)
		return r;
	r = model_break_as_told(d, arguments);
	if (r < 0)
		return r;
	r = device_take_limits(d, arguments);
	if (r < 0)
		return r;
	model_plugged_add(d);
	r = model_bus_join(d, arguments);
	if (r < 0)
		return r;
	return m->ops->init ? m->ops->init(d, arguments, &d->state) : 0;
}

int model_plug(const struct usher_model *m, const char *arguments, struct usher_model_device **ret)
{
	struct usher_model_device *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->model = m;
	d->intx_unmask_fd = d->group_fd = -1;
	(void)snprintf(d->name, sizeof(d->name), "model:%.20s", m->name);
	for (unsigned i = 0; i < USHER_MODEL_BARS; i++)
		d->bar_fds[i] = -1;
	model_config_init(d);
	int r = device_make(d, arguments);
	if (r < 0) {
		device_destroy(d);
		return r;
	}
	*ret = d;
	return 0;
}

void model_unplug(struct usher_model_device *d)
{
	if (d->model->ops->fini)
		d->model->ops->fini(d, d->state);
	device_destroy(d);
}
