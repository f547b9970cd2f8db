/* SPDX-License-Identifier: MIT */
/* Hot resets on models that share a bus: which functions they hit, and when they are refused. */
#include "base/num.h"
#include "lib/plain_model.h"
#include "suite.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <usher/device.h>
#include <usher/err.h>
#include <usher/irq.h>
#include <usher/region.h>

#define MARK 0x5a5a5a5a
#define REGISTER 0x10

static struct usher_space *space;

/* A device in use: bus mastering and interrupts are on, and a register is not zero. */
static struct usher_device *open_busy(const char *uri, struct usher_space *s)
{
	struct usher_device *d;
	const uint32_t mark = MARK;

	ck_assert_int_eq(usher_device_open(uri, s, &d, NULL), 0);
	ck_assert_int_eq(usher_device_master_on(d, NULL), 0);
	ck_assert_int_eq(usher_irq_on(d, USHER_MSIX, 2, NULL), 0);
	ck_assert_int_eq(usher_region_write(d, USHER_BAR(0), REGISTER, &mark, sizeof(mark)), 0);
	return d;
}

static uint32_t mark_of(struct usher_device *d)
{
	uint32_t v = 0;

	ck_assert_int_eq(usher_region_read(d, USHER_BAR(0), REGISTER, &v, sizeof(v)), 0);
	return v;
}

static bool masters(struct usher_device *d)
{
	uint32_t command = 0;

	ck_assert_int_eq(usher_config_read(d, PCI_COMMAND, 2, &command), 0);
	return command & PCI_COMMAND_MASTER;
}

static bool is_untouched(struct usher_device *d)
{
	return mark_of(d) == MARK && masters(d) && usher_irq_fire(d, USHER_MSIX, 1) == 0 &&
	       usher_irq_wait(d, USHER_MSIX, 1, 1000) == 1;
}

static bool starts_anew(struct usher_device *d)
{
	return mark_of(d) == 0 && !masters(d) && usher_irq_fd(d, USHER_MSIX, 0) == -ENOENT;
}

static void set_up(void)
{
	plain_model_register();
	ck_assert_int_eq(usher_space_new(NULL, &space, NULL), 0);
}

START_TEST(hits_the_bus_and_nothing_else)
{
	struct usher_dependent list[4] = {0};

	set_up();
	struct usher_device *first = open_busy("model:plain,bus=1", space);
	struct usher_device *beside = open_busy("model:plain,bus=1", space);
	struct usher_device *other = open_busy("model:plain,bus=2", space);
	struct usher_device *root = open_busy("model:plain", space);
	ck_assert_int_eq(usher_device_dependents(first, list, 1, NULL), 2);
	ck_assert_str_eq(list[1].address, "");
	ck_assert_int_eq(usher_device_dependents(first, list, COUNT(list), NULL), 2);
	ck_assert(list[0].owned && list[1].owned && list[0].group != list[1].group);
	ck_assert(usher_device_can(first, USHER_CAN_HOT_RESET));
	/* Four groups in the space; the reset needs two of them. */
	ck_assert_int_eq(usher_device_hot_reset(first, NULL), 0);
	ck_assert(starts_anew(first) && starts_anew(beside));
	ck_assert(is_untouched(other) && is_untouched(root));
	usher_device_close(root);
	usher_device_close(other);
	usher_device_close(beside);
	usher_device_close(first);
	usher_space_free(space);
}
END_TEST

START_TEST(wants_every_group_on_the_bus)
{
	struct usher_dependent list[4] = {0};
	struct usher_space *another;
	struct usher_err e;

	set_up();
	ck_assert_int_eq(usher_space_new(NULL, &another, NULL), 0);
	struct usher_device *ours = open_busy("model:plain,bus=1", space);
	struct usher_device *mate = open_busy("model:plain,bus=1", space);
	struct usher_device *theirs = open_busy("model:plain,bus=1", another);
	ck_assert_int_eq(usher_device_dependents(ours, list, COUNT(list), NULL), 3);
	ck_assert_int_eq(list[0].owned + list[1].owned + list[2].owned, 2);
	ck_assert_int_eq(usher_device_hot_reset(ours, &e), -EPERM);
	ck_assert_ptr_nonnull(
		strstr(e.msg, "model:plain: a reset of the bus would hit ffff:01:02.0 of "
			      "IOMMU group "));
	ck_assert_ptr_nonnull(strstr(e.msg, ", which is not in the space"));
	ck_assert_ptr_nonnull(strstr(e.hint, "bind it and attach group"));
	ck_assert(is_untouched(ours) && is_untouched(mate) && is_untouched(theirs));
	usher_device_close(theirs);
	ck_assert_int_eq(usher_device_hot_reset(ours, NULL), 0);
	ck_assert(starts_anew(ours) && starts_anew(mate));
	usher_device_close(mate);
	usher_device_close(ours);
	usher_space_free(another);
	usher_space_free(space);
}
END_TEST

START_TEST(a_root_bus_has_none)
{
	struct usher_device *d;
	struct usher_err e;

	set_up();
	ck_assert_int_eq(usher_device_open("model:plain,bus=0", space, &d, NULL), -EINVAL);
	ck_assert_int_eq(usher_device_open("model:plain,bus=256", space, &d, NULL), -EINVAL);
	d = open_busy("model:plain", space);
	ck_assert(!usher_device_can(d, USHER_CAN_HOT_RESET));
	ck_assert_int_eq(usher_device_hot_reset(d, &e), -ENODEV);
	ck_assert(is_untouched(d));
	usher_device_close(d);
	usher_space_free(space);
}
END_TEST

START_TEST(a_refused_reset_changes_nothing)
{
	struct usher_err e;

	set_up();
	struct usher_device *d = open_busy("model:plain,noreset", space);
	ck_assert(!usher_device_can(d, USHER_CAN_RESET));
	ck_assert_int_eq(usher_device_reset(d, &e), -ENOTTY);
	ck_assert_ptr_nonnull(strstr(e.msg, "the device has no way to be reset"));
	ck_assert(is_untouched(d));
	usher_device_close(d);
	d = open_busy("model:plain", space);
	ck_assert_int_eq(usher_device_reset(d, NULL), 0);
	ck_assert(starts_anew(d));
	usher_device_close(d);
	usher_space_free(space);
}
END_TEST

SUITE("lib_reset", hits_the_bus_and_nothing_else, wants_every_group_on_the_bus, a_root_bus_has_none,
	a_refused_reset_changes_nothing)
