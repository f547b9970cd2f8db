/* SPDX-License-Identifier: MIT */
/* Which reset a device gets, and that it gets only one. */
#include "base/clean.h"
#include "base/err.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vfio/hotreset.h"
#include "vmm/keeper.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"
#include "wire/call.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>

#define FLR_AT (0x80 + PCI_EXP_DEVCAP + 3) /* of the nvme fixture: bit 28 of device capabilities */

#define FD 100 /* of group N: 100 + N */

static struct pass_domain group = {.kvm = -1, .reset = LOCK_INIT(LOCK_RESET)};
static struct pass_dev *companion;
static int refuse_reset; /* the keeper's answer instead of a reset; 0: it resets */

/*
 * The keeper: it holds groups 0 to 8, and resets the bus of all devices here. Like the real one, it
 * passes the groups of the devices that the reset hits.
 */
static int reset_by_keeper(struct keeper *k, struct wire_call *call, int *ret_fd)
{
	cleanup_free struct vfio_dependent *hit = NULL;
	int fds[4];

	ck_assert_uint_eq(call->header.kind, WIRE_RESET_BUS);
	ck_assert_uint_eq(call->device.bus, 1);
	int count = vfio_hotreset_info(&rig.dev->vfio, &hit, NULL);
	for (int i = 0; i < count; i++)
		fds[i] = FD + hit[i].group;
	return count < 0      ? count
	       : refuse_reset ? refuse_reset
			      : vfio_hotreset(&rig.dev->vfio, fds, (size_t)count);
}

static const struct keeper_ops keeper_ops = {.call = reset_by_keeper};
static struct keeper keeper = {.ops = &keeper_ops, .lock = PTHREAD_MUTEX_INITIALIZER};

static struct pass_dev *add(const char *name, int number)
{
	struct pci_address address;
	struct err e = {0};

	ck_assert_int_eq(pci_address_parse(name, &address), 0);
	struct pass_dev *d = pass_func_new(&rig.vm, address);
	ck_assert_int_eq(vfio_dev_from_model(&vfio_model_ops, &rig.model, &d->vfio, &e), 0);
	ck_assert_msg(pass_dev_learn(d, &e) == 0, "%s", e.msg);
	d->group = number;
	d->next = group.devices;
	group.devices = d;
	rig.shared = true;
	return d;
}

/* The function 01:00.0 of a guest that also has 01:00.1, which shares its bus. */
static void start_pair(void)
{
	struct err e = {0};

	rig_prepare(suite_fixtures, "nvme");
	ck_assert_uint_eq(rig.model.config[FLR_AT - 3 - PCI_EXP_DEVCAP], PCI_CAP_ID_EXP);
	rig.model.config[FLR_AT] &= (uint8_t)~0x10;
	rig.model.bus_count = 2;
	rig.model.bus_devfn[1] = 1;
	rig.model.bus_fd[0] = FD;
	rig.model.bus_fd[1] = FD + 1;
	ck_assert_msg(rig_learn(&e) == 0, "%s", e.msg);
	rig.dev->group = 0;
	group.devices = rig.dev;
	companion = add("0000:01:00.1", 1);
	rig.vm.pass = &group;
	rig.vm.keeper = &keeper;
	refuse_reset = 0;
}

static void stop_pair(void)
{
	rig.vm.pass = NULL;
	pass_func_ops.fini(&companion->func);
	rig_stop();
}

static void use(struct pass_dev *d, uint32_t at)
{
	rig_config_write(d, PCI_BASE_ADDRESS_0, 4, at);
	rig_config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

static void start_in_use(void)
{
	rig_start(suite_fixtures, "nvme");
	use(rig.dev, 0xc0000000);
}

static void start_pair_in_use(void)
{
	start_pair();
	use(rig.dev, 0xc0000000);
	use(companion, 0xc8000000);
}

START_TEST(resets_the_bus_once_for_all)
{
	start_pair_in_use();
	rig_quiet(companion);
	rig_quiet(rig.dev);
	rig_reset(rig.dev);
	rig_reset(companion);
	ck_assert_uint_eq(rig.model.bus_resets, 1);
	ck_assert_uint_eq(rig.model.resets, 0);
	/* The companion is in its power-on state as well. */
	ck_assert_uint_eq(rig_config_read(companion, PCI_COMMAND, 2) & 7, 0);
	ck_assert_uint_eq(rig_config_read(companion, PCI_BASE_ADDRESS_0, 4), 4);
	stop_pair();
}
END_TEST

START_TEST(resets_what_is_on_the_bus_alone)
{
	start_pair();
	struct pass_dev *elsewhere = add("0000:02:00.0", 7), *namesake = add("10000:01:00.1", 8);
	use(rig.dev, 0xc0000000);
	use(elsewhere, 0xd0000000); /* in use, but on another bus */
	use(namesake, 0xd8000000);
	rig_quiet(companion);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.bus_resets, 1);
	ck_assert_uint_eq(rig.model.resets, 0);
	ck_assert_uint_eq(rig.dev->bus_resets, 1);
	ck_assert_uint_eq(companion->bus_resets, 1);
	ck_assert_uint_eq(elsewhere->resets + namesake->resets, 0);
	/*
	 * The bus has a group that is not the guest's: the keeper refuses, and only the device
	 * itself is reset.
	 */
	refuse_reset = -EPERM;
	use(rig.dev, 0xc0000000);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.bus_resets, 1);
	ck_assert_uint_eq(rig.model.resets, 1);
	pass_func_ops.fini(&elsewhere->func);
	pass_func_ops.fini(&namesake->func);
	stop_pair();
}
END_TEST

START_TEST(a_domain_is_told_in_16_bits)
{
	start_pair();
	rig.dev->address.domain = companion->address.domain = 0x10000;
	use(rig.dev, 0xc0000000);
	use(companion, 0xc8000000);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.bus_resets, 0); /* the companion is found, and in use */
	rig_quiet(companion);
	use(rig.dev, 0xc0000000);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.bus_resets, 1);
	stop_pair();
}
END_TEST

static void resets_by_function(void)
{
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.bus_resets, 0);
	ck_assert_uint_eq(rig.model.resets, 1);
}

START_TEST(spares_a_companion_in_use)
{
	start_pair_in_use();
	resets_by_function();
	ck_assert_uint_eq(rig_config_read(companion, PCI_COMMAND, 2) & 7, PCI_COMMAND_MEMORY);
	stop_pair();
}
END_TEST

/* Its BARs are at 0, where nothing is mapped. The guest may move them at any time. */
START_TEST(spares_a_companion_that_decodes)
{
	start_pair();
	use(rig.dev, 0xc0000000);
	use(companion, 0);
	resets_by_function();
	stop_pair();
}
END_TEST

START_TEST(a_bus_reset_wakes_a_companion)
{
	start_pair();
	use(rig.dev, 0xc0000000);
	rig_config_write(companion, 0x64, 2, 3); /* D3hot */
	ck_assert_uint_eq(companion->power, 3);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.bus_resets, 1);
	use(companion, 0xc8000000);
	ck_assert(rig_maps(companion, 0xc8000000));
	stop_pair();
}
END_TEST

START_TEST(prefers_a_function_level_reset)
{
	rig_start(suite_fixtures, "nvme");
	rig.model.bus_count = 1;
	use(rig.dev, 0xc0000000);
	resets_by_function();
	rig_stop();
}
END_TEST

START_TEST(the_guests_own_reset_counts)
{
	start_in_use();
	rig_write(0x88, 2, PCI_EXP_DEVCTL_BCR_FLR);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.resets, 0);
	/*
	 * A write to emulated registers alone needs no reset of the device, but they are reset,
	 * too.
	 */
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig_read(PCI_BASE_ADDRESS_0, 4), 4);
	ck_assert_uint_eq(rig.model.resets, 0);
	rig_stop();
}
END_TEST

/* As after a reset of the bus that came between the guest's writes and its request. */
START_TEST(a_request_counts_though_nothing_was_written)
{
	rig_start(suite_fixtures, "nvme");
	ck_assert(!rig.dev->touched);
	rig_write(0x88, 2, PCI_EXP_DEVCTL_BCR_FLR);
	ck_assert_uint_eq(rig.dev->resets, 1);
	ck_assert_uint_eq(rig_read(PCI_COMMAND, 2) & 7, 0);
	rig_stop();
}
END_TEST

START_TEST(a_failed_reset_is_none)
{
	start_in_use();
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	rig.model.reset_error = -ENOTTY;
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.dev->resets, 0);
	ck_assert_uint_eq(rig.model.config[PCI_COMMAND] & PCI_COMMAND_MASTER, 0);
	ck_assert_uint_eq(rig_read(PCI_BASE_ADDRESS_0, 4), 4);
	/* The next reset is done. */
	rig.model.reset_error = 0;
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.resets, 1);
	ck_assert_uint_eq(rig.dev->resets, 1);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.resets, 1);
	rig_stop();
}
END_TEST

/* The guest asks for a reset, but the write does not reach the device. */
START_TEST(a_failed_request_is_none)
{
	start_in_use();
	rig.model.dead = true;
	rig_config_write(rig.dev, 0x88, 2, PCI_EXP_DEVCTL_BCR_FLR);
	rig_settle();
	ck_assert_uint_eq(rig.dev->resets, 0);
	rig.model.dead = false;
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.resets, 1);
	ck_assert_uint_eq(rig.dev->resets, 1);
	rig_stop();
}
END_TEST

static sem_t begun, may_end;

static void take_long(void)
{
	(void)sem_post(&begun);
	(void)sem_wait(&may_end);
}

/* The next reset begins, and lasts until end_held_reset(). */
static void hold_resets(void)
{
	(void)sem_init(&begun, 0, 0);
	(void)sem_init(&may_end, 0, 0);
	rig.model.during_reset = take_long;
}

/* Resets @d, as a bus above it does. On return the reset has begun. */
static void begin_held_reset(struct pass_dev *d)
{
	hold_resets();
	rig_reset_at_once(d);
	(void)sem_wait(&begun);
}

static void end_held_reset(void)
{
	(void)sem_post(&may_end);
	rig_settle();
	rig.model.during_reset = NULL;
}

static uint32_t config_of(struct pass_dev *d, unsigned off, unsigned size)
{
	return rig_config_read(d, off, size);
}

/* The vCPU that asks for the reset goes on at once, and reads from another device meanwhile. */
START_TEST(a_long_reset_holds_up_nobody)
{
	rig_start(suite_fixtures, "nvme");
	struct pass_dev *other = rig_add(suite_fixtures, "e1000e");
	use(rig.dev, 0xc0000000);
	ck_assert(rig_maps(rig.dev, 0xc0000000));
	hold_resets();
	rig_config_write(rig.dev, 0x88, 2, PCI_EXP_DEVCTL_BCR_FLR);
	(void)sem_wait(&begun);
	ck_assert_uint_eq(config_of(rig.dev, PCI_VENDOR_ID, 4), UINT32_MAX);
	ck_assert_uint_eq(config_of(rig.dev, PCI_COMMAND, 2), UINT16_MAX);
	ck_assert_uint_eq(rig_mmio_read(0xc0000000, 4), UINT32_MAX);
	use(rig.dev, 0xc0000000); /* lost */
	ck_assert(!rig_maps(rig.dev, 0xc0000000));
	ck_assert_uint_eq(config_of(other, PCI_VENDOR_ID, 4), 0x10d38086);
	use(other, 0xd0000000);
	ck_assert(rig_maps(other, 0xd0000000));
	/*
	 * The running reset counts for a reset of the bus above, and for another one of the
	 * function itself.
	 */
	rig_reset_at_once(rig.dev);
	rig_config_write(rig.dev, 0x88, 2, PCI_EXP_DEVCTL_BCR_FLR);
	ck_assert_int_eq(pass_reset_wait(&rig.vm, 10), -ETIMEDOUT);
	end_held_reset();
	ck_assert_uint_eq(config_of(rig.dev, PCI_VENDOR_ID, 4), 0x00101b36);
	ck_assert_uint_eq(config_of(rig.dev, PCI_COMMAND, 2) & 7, 0);
	ck_assert_uint_eq(config_of(rig.dev, PCI_BASE_ADDRESS_0, 4), 4);
	ck_assert_uint_eq(rig.dev->resets, 1);
	ck_assert_uint_eq(rig.model.resets, 0);
	rig_stop();
}
END_TEST

/* While the bus is in reset, no function on it answers, whichever of them caused the reset. */
START_TEST(a_reset_of_the_bus_holds_all_that_is_on_it)
{
	start_pair_in_use();
	rig_quiet(companion);
	begin_held_reset(rig.dev);
	ck_assert_uint_eq(config_of(companion, PCI_VENDOR_ID, 4), UINT32_MAX);
	/* Its own reset waits, and is then not needed. */
	rig_reset_at_once(companion);
	end_held_reset();
	ck_assert_uint_eq(config_of(companion, PCI_VENDOR_ID, 4), 0x00101b36);
	ck_assert_uint_eq(rig.model.bus_resets, 1);
	ck_assert_uint_eq(companion->bus_resets, 1);
	ck_assert_uint_eq(companion->resets, 1);
	stop_pair();
}
END_TEST

/* Two resets of the bus above in quick succession. Then the guest's driver uses the device. */
START_TEST(a_companion_reset_twice_is_in_use_again)
{
	start_pair_in_use();
	rig_quiet(companion);
	begin_held_reset(companion);
	rig_quiet(companion);
	rig_reset_at_once(companion);
	end_held_reset();
	ck_assert_uint_eq(rig.model.resets, 1);
	use(companion, 0xc8000000);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.bus_resets, 0);
	ck_assert(rig_maps(companion, 0xc8000000));
	stop_pair();
}
END_TEST

/* A read from a device in reset would block, and would not show whether the device is gone. */
START_TEST(the_host_asks_without_a_look_at_a_device_in_reset)
{
	rig_start(suite_fixtures, "nvme");
	struct loop_source *request = &rig.dev->events.request.source;
	use(rig.dev, 0xc0000000);
	begin_held_reset(rig.dev);
	rig.model.dead = true;
	ck_assert_int_eq(eventfd_write(request->fd, 1), 0);
	request->ready(request, 0);
	ck_assert(!rig.dev->dropped);
	rig.model.dead = false;
	end_held_reset();
	ck_assert_ptr_nonnull(strstr(rig_log(), "ask"));
	/* The kernel asks again: now the read shows it. */
	rig.model.dead = true;
	ck_assert_int_eq(eventfd_write(request->fd, 1), 0);
	rig_serve();
	ck_assert(rig.dev->dropped);
	rig_stop();
}
END_TEST

START_TEST(a_device_leaves_after_its_reset)
{
	start_in_use();
	begin_held_reset(rig.dev);
	rig_eject(rig.dev);
	ck_assert(rig.dev->dropped);
	ck_assert(!rig.dev->closed);
	end_held_reset();
	ck_assert(rig.dev->closed);
	ck_assert_uint_eq(config_of(rig.dev, PCI_VENDOR_ID, 4), UINT32_MAX);
	rig_stop();
}
END_TEST

SUITE("pass_reset", resets_the_bus_once_for_all, resets_what_is_on_the_bus_alone,
	a_domain_is_told_in_16_bits, spares_a_companion_in_use, spares_a_companion_that_decodes,
	a_bus_reset_wakes_a_companion, prefers_a_function_level_reset, the_guests_own_reset_counts,
	a_request_counts_though_nothing_was_written, a_failed_reset_is_none,
	a_failed_request_is_none, a_long_reset_holds_up_nobody,
	a_reset_of_the_bus_holds_all_that_is_on_it, a_companion_reset_twice_is_in_use_again,
	the_host_asks_without_a_look_at_a_device_in_reset, a_device_leaves_after_its_reset)
