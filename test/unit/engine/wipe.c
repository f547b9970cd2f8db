/* SPDX-License-Identifier: MIT */
/* Resets after a program's end. The devices and groups are models in this file. */
#include "engine/wipe.h"

#include "base/err.h"
#include "base/num.h"
#include "bind/stage.h"
#include "engine/devices.h"
#include "suite.h"
#include "vfio/device.h"
#include "vfio/hotreset.h"
#include "vfio/region.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Belong to stage->devices[1] and [2], which share bus 2 and have one group each here. */
static struct fake {
	unsigned opened, function_resets, bus_resets;
	uint16_t command;
	uint16_t vendor;
	bool has_reset;
	int busy; /* how often it answers -EAGAIN */
	int fails; /* -errno of the function's reset */
} fakes[2];

static bool bus_works, master_was_on;
static size_t functions_hit;

static struct vfio_dependent hit_at(size_t i)
{
	return (struct vfio_dependent){
		.group = 101 + (int)i, .address = stage->devices[i + 1].d.address};
}

static int device_info(struct vfio_dev *d, struct vfio_dev_info *ret)
{
	const struct fake *f = d->model;

	*ret = (struct vfio_dev_info){
		.flags = VFIO_DEVICE_FLAGS_PCI | (f->has_reset ? VFIO_DEVICE_FLAGS_RESET : 0),
		.region_count = 9,
		.irq_count = 5};
	return 0;
}

static int device_region(struct vfio_dev *d, uint32_t index, struct vfio_region *ret)
{
	(void)d, (void)index;
	ret->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	ret->size = 256;
	return 0;
}

static int device_reset(struct vfio_dev *d)
{
	struct fake *f = d->model;

	if (f->busy && f->busy--)
		return -EAGAIN;
	master_was_on |= !!(f->command & PCI_COMMAND_MASTER);
	f->function_resets += !f->fails;
	return f->fails;
}

static int device_dependents(struct vfio_dev *d, struct vfio_dependent **ret)
{
	(void)d;
	if (!bus_works)
		return -ENODEV;
	struct vfio_dependent *list = calloc(2, sizeof(*list));
	ck_assert_ptr_nonnull(list);
	for (size_t i = 0; i < 2; i++)
		list[i] = hit_at(i);
	*ret = list;
	return 2;
}

static ssize_t device_read(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, void *buf, size_t len)
{
	const struct fake *f = d->model;

	memcpy(buf, off == PCI_COMMAND ? &f->command : &f->vendor, len);
	return (ssize_t)len;
}

static ssize_t device_write(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, const void *buf, size_t len)
{
	struct fake *f = d->model;

	ck_assert_uint_eq(off, PCI_COMMAND);
	memcpy(&f->command, buf, len);
	return (ssize_t)len;
}

static const struct vfio_dev_ops device_ops = {
	.info = device_info,
	.region_info = device_region,
	.reset = device_reset,
	.dependents = device_dependents,
	.read = device_read,
	.write = device_write,
};

/* A space owns the groups of its devices. */
static int space_attach(
	struct vfio_ioas *s, const struct vfio_member *m, struct vfio_dev *ret, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	struct fake *f = &fakes[m->group - 101];

	(void)s;
	ck_assert_str_eq(
		m->name, pci_address_format(stage->devices[m->group - 100].d.address, name));
	f->opened++;
	return vfio_dev_from_model(&device_ops, f, ret, e);
}

static void space_detach(struct vfio_ioas *s, struct vfio_dev *d)
{
	struct fake *f = d->model;

	(void)s;
	f->opened--;
}

static bool space_owns(const struct vfio_ioas *s, int group)
{
	const size_t *owned = s->state;

	return (size_t)(group - 101) < *owned;
}

static int space_reset_bus(
	struct vfio_ioas *s, struct vfio_dev *d, const struct vfio_dependent *hit, size_t count)
{
	(void)s, (void)d, (void)hit;
	functions_hit = count;
	for (size_t n = 0; n < 2; n++) {
		master_was_on |= !!(fakes[n].command & PCI_COMMAND_MASTER);
		fakes[n].bus_resets++;
	}
	return 0;
}

static const struct vfio_ioas_ops space_ops = {
	.attach = space_attach,
	.detach = space_detach,
	.owns = space_owns,
	.missing = vfio_hotreset_missing,
	.reset_bus = space_reset_bus,
};

/* Opens the first @count of the two, each in its group, in the state that a program left. */
static struct open_devices open_two(size_t count)
{
	static size_t owned;
	struct open_devices d = {.device_count = count};

	bus_works = true;
	master_was_on = false;
	functions_hit = 0;
	owned = count;
	d.ioas = (struct vfio_ioas){.ops = &space_ops, .fd = -1, .state = &owned};
	for (size_t i = 0; i < 2; i++) {
		fakes[i] = (struct fake){
			.command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
			.vendor = 0x8086,
			.has_reset = true,
		};
		d.devices[i].address = stage->devices[i + 1].d.address;
		d.devices[i].group = 101 + (int)i;
		d.devices[i].vfio = VFIO_DEV_NONE;
	}
	return d;
}

static void set_methods(const char *first, const char *second)
{
	(void)snprintf(stage->devices[1].d.reset_method, PCI_NAME_MAX, "%s", first);
	(void)snprintf(stage->devices[2].d.reset_method, PCI_NAME_MAX, "%s", second);
}

static struct bind_env env;
static struct open_devices lent;

/* A fresh stage, and the first @count of its two devices, which have these reset methods. */
static void lend_two(size_t count, const char *first, const char *second)
{
	env = stage_set();
	lent = open_two(count);
	set_methods(first, second);
}

static void wiped_by(const struct wipe *w, size_t i, const char *how)
{
	ck_assert_msg(w->devices[i].code == 0, "%s", w->devices[i].text);
	ck_assert_str_eq(w->devices[i].text, how);
	ck_assert(!(fakes[i].command & PCI_COMMAND_MASTER));
	ck_assert(!master_was_on);
	ck_assert_uint_eq(fakes[i].opened, 0);
}

START_TEST(prefers_the_function_reset)
{
	struct pci_address failed[SPEC_DEVICES_MAX];
	struct wipe w;

	lend_two(2, "flr bus", "device_specific");
	fakes[1].busy = 2;
	devices_wipe(env.host, &lent, &w);
	wiped_by(&w, 0, "flr");
	wiped_by(&w, 1, "device_specific");
	ck_assert_uint_eq(w.count, 2);
	ck_assert_uint_eq(fakes[0].function_resets, 1);
	ck_assert_uint_eq(fakes[1].function_resets, 1);
	ck_assert_uint_eq(fakes[0].bus_resets, 0);
	ck_assert_uint_eq(wipe_failed(&w, failed), 0);
}
END_TEST

/* Once for both. */
START_TEST(resets_the_bus_if_only_d3_is_left)
{
	struct wipe w;

	lend_two(2, "pm bus", "");
	fakes[1].has_reset = false;
	devices_wipe(env.host, &lent, &w);
	wiped_by(&w, 0, "its bus");
	wiped_by(&w, 1, "its bus");
	ck_assert_uint_eq(fakes[0].bus_resets, 1);
	ck_assert_uint_eq(fakes[0].function_resets, 0);
	ck_assert_uint_eq(functions_hit, 2);
}
END_TEST

START_TEST(refuses_a_bus_with_foreign_groups)
{
	struct wipe w;

	lend_two(1, "pm bus", "");
	devices_wipe(env.host, &lent, &w);
	ck_assert_int_eq(w.devices[0].code, 0);
	ck_assert_ptr_nonnull(strstr(w.devices[0].text, "pm: a reset of its bus would hit "));
	ck_assert_ptr_nonnull(strstr(w.devices[0].text, "group 102, which is not ours"));
	ck_assert_uint_eq(fakes[0].function_resets, 1);
	ck_assert_uint_eq(fakes[0].bus_resets, 0);
}
END_TEST

START_TEST(reports_a_failed_reset)
{
	struct pci_address failed[SPEC_DEVICES_MAX];
	struct wipe w;

	lend_two(2, "flr", "flr");
	fakes[1].fails = -EIO;
	devices_wipe(env.host, &lent, &w);
	wiped_by(&w, 0, "flr");
	ck_assert_int_eq(w.devices[1].code, -EIO);
	ck_assert_uint_eq(wipe_failed(&w, failed), 1);
	ck_assert(pci_address_equal(failed[0], stage->devices[2].d.address));
	/* A device without any reset; and one that vanishes after its reset. */
	lent = open_two(2);
	set_methods("", "flr");
	fakes[0].has_reset = bus_works = false;
	fakes[1].vendor = UINT16_MAX;
	devices_wipe(env.host, &lent, &w);
	ck_assert_int_eq(w.devices[0].code, -ENODEV);
	ck_assert_ptr_nonnull(strstr(w.devices[0].text, "neither the bus nor the slot"));
	ck_assert_int_eq(w.devices[1].code, -ENODEV);
	ck_assert_uint_eq(wipe_failed(&w, failed), 2);
	ck_assert_uint_eq(fakes[0].opened + fakes[1].opened, 0);
}
END_TEST

SUITE("wipe", prefers_the_function_reset, resets_the_bus_if_only_d3_is_left,
	refuses_a_bus_with_foreign_groups, reports_a_failed_reset)
