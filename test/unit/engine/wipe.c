/* SPDX-License-Identifier: MIT */
/* The reset of what a program leaves: devices and groups are these few lines, not the kernel's. */
#include "engine/wipe.h"

#include "base/num.h"
#include "bind/stage.h"
#include "engine/devices.h"
#include "suite.h"
#include "vfio/device.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define CONFIG_AT 0x70000000000ULL

/* Of stage->devices[1] and [2], which share bus 2 and have one group each here. */
static struct fake {
	unsigned opened, function_resets, bus_resets;
	uint16_t command;
	uint16_t vendor;
	bool has_reset;
	int busy; /* answers -EAGAIN so many times */
	int fails; /* -errno of the function's reset */
} fakes[2];

static bool bus_works, master_was_on;
static uint32_t groups_passed;

static void hot_reset_info(struct vfio_pci_hot_reset_info *i)
{
	for (size_t n = 0; n < 2; n++) {
		const struct pci_address a = stage->devices[n + 1].d.address;
		i->devices[n].segment = 0;
		i->devices[n].bus = (uint8_t)a.bus;
		i->devices[n].devfn = (uint8_t)(a.dev << 3 | a.fn);
		i->devices[n].group_id = (uint32_t)(101 + n);
	}
}

static int hot_reset(void *arg)
{
	const struct vfio_pci_hot_reset *r = arg;

	groups_passed = r->count;
	for (size_t n = 0; n < 2; n++) {
		master_was_on |= !!(fakes[n].command & PCI_COMMAND_MASTER);
		fakes[n].bus_resets++;
	}
	return 0;
}

static int reset(struct fake *f)
{
	if (f->busy && f->busy--)
		return -EAGAIN;
	master_was_on |= !!(f->command & PCI_COMMAND_MASTER);
	f->function_resets += !f->fails;
	return f->fails;
}

static int device_call(struct vfio_dev *d, unsigned long request, void *arg)
{
	struct vfio_pci_hot_reset_info *hit = arg;
	struct vfio_region_info *region = arg;
	struct vfio_device_info *info = arg;
	struct fake *f = d->model;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI | (f->has_reset ? VFIO_DEVICE_FLAGS_RESET : 0);
		info->num_regions = 9;
		info->num_irqs = 5;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		region->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		region->size = 256;
		region->offset = CONFIG_AT;
		return 0;
	case VFIO_DEVICE_RESET:
		return reset(f);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		if (!bus_works)
			return -ENODEV;
		hit->count = 2;
		if (hit->argsz < sizeof(*hit) + 2 * sizeof(hit->devices[0]))
			return -ENOSPC;
		hot_reset_info(hit);
		return 0;
	case VFIO_DEVICE_PCI_HOT_RESET:
		return hot_reset(arg);
	default:
		return -ENOTTY;
	}
}

static ssize_t device_read(struct vfio_dev *d, void *buf, size_t len, uint64_t off)
{
	const struct fake *f = d->model;
	const uint16_t *from = off - CONFIG_AT == PCI_COMMAND ? &f->command : &f->vendor;

	memcpy(buf, from, len);
	return (ssize_t)len;
}

static ssize_t device_write(struct vfio_dev *d, const void *buf, size_t len, uint64_t off)
{
	struct fake *f = d->model;

	ck_assert_uint_eq(off, CONFIG_AT + PCI_COMMAND);
	memcpy(&f->command, buf, len);
	return (ssize_t)len;
}

static void device_close(struct vfio_dev *d)
{
	struct fake *f = d->model;

	f->opened--;
}

static const struct vfio_dev_ops device_ops = {
	.call = device_call, .read = device_read, .write = device_write, .close = device_close};

static int group_call(struct vfio_group *g, unsigned long request, void *arg)
{
	(void)arg;
	return request == VFIO_GROUP_GET_DEVICE_FD ? g->fd + 10 : -ENOTTY;
}

static int group_device(struct vfio_group *g, int fd, struct vfio_dev *ret, struct err *e)
{
	struct fake *f = g->model;

	ck_assert_int_eq(fd, g->fd + 10);
	f->opened++;
	return vfio_dev_from_model(&device_ops, f, ret, e);
}

static const struct vfio_group_ops group_ops = {.call = group_call, .device = group_device};

/* The first @count of the two, in groups of their own, with what a program left in them. */
static struct open_devices open_two(size_t count)
{
	struct open_devices d = {.device_count = count, .group_count = count};

	bus_works = true;
	master_was_on = false;
	groups_passed = 0;
	for (size_t i = 0; i < 2; i++) {
		fakes[i] = (struct fake){
			.command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
			.vendor = 0x8086,
			.has_reset = true,
		};
		d.groups[i] = (struct vfio_group){.ops = &group_ops,
			.fd = 1000 + (int)i,
			.number = 101 + (int)i,
			.model = &fakes[i]};
		d.devices[i].address = stage->devices[i + 1].d.address;
		d.devices[i].group_fd = d.groups[i].fd;
		d.devices[i].fd = -1;
	}
	return d;
}

static void set_methods(const char *first, const char *second)
{
	(void)snprintf(stage->devices[1].d.reset_method, PCI_NAME_MAX, "%s", first);
	(void)snprintf(stage->devices[2].d.reset_method, PCI_NAME_MAX, "%s", second);
}

static void wiped_by(const struct wipe *w, size_t i, const char *how)
{
	ck_assert_msg(w->devices[i].code == 0, "%s", w->devices[i].text);
	ck_assert_str_eq(w->devices[i].text, how);
	ck_assert(!(fakes[i].command & PCI_COMMAND_MASTER));
	ck_assert(!master_was_on);
	ck_assert_uint_eq(fakes[i].opened, 0);
}

START_TEST(takes_the_function_s_own_reset)
{
	struct bind_env env = stage_set();
	struct open_devices d = open_two(2);
	struct pci_address failed[SPEC_DEVICES_MAX];
	struct wipe w;

	set_methods("flr bus", "device_specific");
	fakes[1].busy = 2;
	devices_wipe(env.host, &d, &w);
	wiped_by(&w, 0, "flr");
	wiped_by(&w, 1, "device_specific");
	ck_assert_uint_eq(w.count, 2);
	ck_assert_uint_eq(fakes[0].function_resets, 1);
	ck_assert_uint_eq(fakes[1].function_resets, 1);
	ck_assert_uint_eq(fakes[0].bus_resets, 0);
	ck_assert_uint_eq(wipe_failed(&w, failed), 0);
}
END_TEST

/* Once for both, with the groups that it hits and no others. */
START_TEST(resets_the_bus_where_there_is_only_power)
{
	struct bind_env env = stage_set();
	struct open_devices d = open_two(2);
	struct wipe w;

	d.groups[d.group_count++] =
		(struct vfio_group){.ops = &group_ops, .fd = 1002, .number = 103};
	set_methods("pm bus", "");
	fakes[1].has_reset = false;
	devices_wipe(env.host, &d, &w);
	wiped_by(&w, 0, "its bus");
	wiped_by(&w, 1, "its bus");
	ck_assert_uint_eq(fakes[0].bus_resets, 1);
	ck_assert_uint_eq(fakes[0].function_resets, 0);
	ck_assert_uint_eq(groups_passed, 2);
}
END_TEST

START_TEST(leaves_strangers_on_the_bus_alone)
{
	struct bind_env env = stage_set();
	struct open_devices d = open_two(1);
	struct wipe w;

	set_methods("pm bus", "");
	devices_wipe(env.host, &d, &w);
	ck_assert_int_eq(w.devices[0].code, 0);
	ck_assert_ptr_nonnull(strstr(w.devices[0].text, "pm: a reset of its bus would hit "));
	ck_assert_ptr_nonnull(strstr(w.devices[0].text, "group 102, which is not ours"));
	ck_assert_uint_eq(fakes[0].function_resets, 1);
	ck_assert_uint_eq(fakes[0].bus_resets, 0);
}
END_TEST

START_TEST(tells_what_was_not_reset)
{
	struct bind_env env = stage_set();
	struct open_devices d = open_two(2);
	struct pci_address failed[SPEC_DEVICES_MAX];
	struct wipe w;

	set_methods("flr", "flr");
	fakes[1].fails = -EIO;
	devices_wipe(env.host, &d, &w);
	wiped_by(&w, 0, "flr");
	ck_assert_int_eq(w.devices[1].code, -EIO);
	ck_assert_uint_eq(wipe_failed(&w, failed), 1);
	ck_assert(pci_address_equal(failed[0], stage->devices[2].d.address));
	/* No way at all; and a device that is not there any more after its reset. */
	d = open_two(2);
	set_methods("", "flr");
	fakes[0].has_reset = bus_works = false;
	fakes[1].vendor = UINT16_MAX;
	devices_wipe(env.host, &d, &w);
	ck_assert_int_eq(w.devices[0].code, -ENODEV);
	ck_assert_ptr_nonnull(strstr(w.devices[0].text, "neither the bus nor the slot"));
	ck_assert_int_eq(w.devices[1].code, -ENODEV);
	ck_assert_uint_eq(wipe_failed(&w, failed), 2);
	ck_assert_uint_eq(fakes[0].opened + fakes[1].opened, 0);
}
END_TEST

SUITE("wipe", takes_the_function_s_own_reset, resets_the_bus_where_there_is_only_power,
	leaves_strangers_on_the_bus_alone, tells_what_was_not_reset)
