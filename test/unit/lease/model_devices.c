/* SPDX-License-Identifier: MIT */
#include "lease/model_devices.h"

#include "base/err.h"
#include "base/fd.h"
#include "engine/devices.h"
#include "engine/wipe.h"
#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct model_counts *model_counts;
static struct host_ops ops;
static struct host model_host = {&ops};

int __wrap_devices_open(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices **ret, struct err *e);
void __wrap_devices_rest(struct open_devices *d);
void __wrap_devices_close(struct open_devices *d);
void __wrap_devices_wipe(struct host *h, struct open_devices *d, struct wipe *ret);
bool __wrap_devices_are_held(const struct bind_plan *groups);

static int proc_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	return strncmp(path, "/proc", 5) == 0 ? host_live()->ops->list(host_live(), path, each, arg)
					      : stage_host.ops->list(h, path, each, arg);
}

static ssize_t proc_link(struct host *h, const char *path, char *buf, size_t size)
{
	return strncmp(path, "/proc", 5) == 0 ? host_live()->ops->link(host_live(), path, buf, size)
					      : stage_host.ops->link(h, path, buf, size);
}

struct bind_env model_set(void)
{
	struct bind_env env = stage_set();

	ops = *stage_host.ops;
	ops.list = proc_list;
	ops.link = proc_link;
	env.host = &model_host;
	model_counts = mmap(NULL, sizeof(*model_counts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (model_counts == MAP_FAILED)
		abort();
	return env;
}

static int file_make(const char *text)
{
	int fd = memfd_create("model", MFD_CLOEXEC);

	if (fd < 0 || fd_write_full(fd, text, strlen(text)) < 0)
		abort();
	return fd;
}

static int model_irq_act(
	struct vfio_dev *d, uint32_t index, enum vfio_irq_act act, uint32_t start, uint32_t count)
{
	if (index == VFIO_PCI_REQ_IRQ_INDEX && act == VFIO_IRQ_FIRE)
		model_counts->requests++;
	return 0;
}

static const struct vfio_dev_ops model_ops = {.irq_act = model_irq_act};

int __wrap_devices_open(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices **ret, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];
	struct open_devices *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	if (model_counts->fail_open) {
		free(d);
		return err_set(e, model_counts->fail_open, "open the devices");
	}
	d->ioas.fd = file_make("container");
	for (; d->device_count < s->device_count; d->device_count++) {
		const size_t i = d->device_count;
		d->devices[i].address = s->devices[i].address;
		d->devices[i].vfio = VFIO_DEV_NONE;
		d->devices[i].vfio.ops = &model_ops;
		d->devices[i].vfio.fd =
			file_make(pci_address_format(s->devices[i].address, address));
		model_counts->opened++;
	}
	*ret = d;
	return 0;
}

void __wrap_devices_rest(struct open_devices *d)
{
	for (size_t i = 0; i < d->device_count; i++)
		if (d->devices[i].vfio.fd >= 0) {
			fd_close(&d->devices[i].vfio.fd);
			model_counts->opened--;
		}
}

void __wrap_devices_close(struct open_devices *d)
{
	if (!d)
		return;
	__wrap_devices_rest(d);
	fd_close(&d->ioas.fd);
	free(d);
}

void __wrap_devices_wipe(struct host *h, struct open_devices *d, struct wipe *ret)
{
	while (model_counts->hang_wipe)
		(void)pause();
	ret->count = d->device_count;
	for (size_t i = 0; i < d->device_count; i++) {
		ret->devices[i] = (struct wiped){
			.address = d->devices[i].address, .code = model_counts->fail_wipe};
		(void)snprintf(ret->devices[i].text, sizeof(ret->devices[i].text), "flr");
		model_counts->wiped++;
	}
}

bool __wrap_devices_are_held(const struct bind_plan *groups)
{
	if (model_counts->held_looks <= 0)
		return false;
	model_counts->held_looks--;
	return true;
}
