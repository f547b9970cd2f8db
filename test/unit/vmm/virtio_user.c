/* SPDX-License-Identifier: MIT */
/* A device whose queues a vhost-user back end serves, and back ends that do what none may. */
#include "base/clock.h"
#include "base/err.h"
#include "user_peer.h"
#include "virtio_rig.h"
#include "vmm/keeper.h"
#include "vmm/vhost_user/doorbell.h"
#include "vmm/vhost_user/message.h"
#include "vmm/virtio/pci.h"
#include "wire/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* A driver works with a back end that does all that it is asked for. */
static void device_bring_up(void)
{
	struct err e = {0};

	user_describe(GOOD, 0);
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	driver_set_up();
	driver_go();
}

START_TEST(a_back_end_gets_rings_and_memory)
{
	struct err e = {0};
	uint64_t count;

	user_describe(GOOD, 0);
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	device_choose(1, VIRTIO_TYPE_BLK);
	ck_assert_uint_eq(features_offered(), BASICS | BIT64(VIRTIO_BLK_F_FLUSH));
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, 0, 4), 0x11111111);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, 34, 2), 2);
	driver_set_up();
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	ck_assert_uint_eq(user.accepted, BASICS | BIT64(VIRTIO_BLK_F_FLUSH) | PROTOCOL);
	ck_assert_uint_ge(user.region_count, 1);
	ck_assert_uint_eq(user.enabled, 3);
	for (unsigned n = 0; n < 2; n++) {
		ck_assert_uint_eq(user.sizes[n], RING_SIZE);
		ck_assert_uint_eq(user.rings[n][0], RINGS(n));
		ck_assert_uint_eq(user.rings[n][1], USED(n));
		ck_assert_uint_eq(user.rings[n][2], AVAILABLE(n));
		/* What was listed before 'go' is not forgotten. */
		ck_assert_int_eq(read(user.kicks[n], &count, 8), 8);
	}
	/* The addresses are the guest's, and the memory is. */
	const struct vhost_user_region *r = &user.regions[0];
	ck_assert_uint_eq(r->gpa, r->address);
	memory_put(MIB(9), "shared", 6);
	char *at = mmap(NULL, MIB(16), PROT_READ, MAP_SHARED, user.region_fds[0], 0);
	ck_assert_ptr_ne(at, MAP_FAILED);
	ck_assert_mem_eq(at + r->offset + (MIB(9) - r->gpa), "shared", 6);
	/* Without KVM, a worker rings. */
	bell_ring(1);
	struct pollfd rung = {.fd = user.kicks[1], .events = POLLIN};
	ck_assert_int_eq(poll(&rung, 1, 10000), 1);
	ck_assert_int_eq(read(user.kicks[1], &count, 8), 8);
	/* Without MSI-X, its interrupt is a line. It may not make the main thread wait either. */
	(void)fcntl(user.calls[0], F_SETFL, 0);
	ck_assert_int_eq(eventfd_write(user.calls[0], 1), 0);
	serve();
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1), 1);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1), 0);
	reset();
	ck_assert_uint_eq(user.stopped, 3);
	driver_set_up();
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 4);
	user_finish();
}
END_TEST

/* A back end cannot make this process read beyond its memory's file. */
START_TEST(a_back_end_cannot_cut_memory)
{
	device_bring_up();
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	ck_assert_int_lt(ftruncate(user.region_fds[0], 0), 0);
	ck_assert_int_eq(errno, EPERM);
	user_finish();
}
END_TEST

/* Before the guest runs, such a back end is the user's to see. */
START_TEST(a_back_end_that_lies_is_refused)
{
	static const uint32_t questions[] = {VHOST_USER_GET_FEATURES,
		VHOST_USER_GET_PROTOCOL_FEATURES, VHOST_USER_GET_QUEUE_NUM, VHOST_USER_GET_CONFIG};
	struct err e = {0};

	for (size_t i = 0; i < COUNT(questions); i++) {
		for (enum misdeed d = SILENT; d < REFUSES; d++) {
			user_describe(d, questions[i]);
			ck_assert_msg(user_start(&e) < 0, "misdeed %d at %u", d, questions[i]);
			/* What it is, and which. */
			ck_assert_ptr_nonnull(strstr(e.msg, "'disk'"));
			user_finish();
		}
	}
}
END_TEST

START_TEST(a_back_end_without_our_version_is_refused)
{
	struct err e = {0};

	user_describe(GOOD, 0);
	user.features &= ~BIT64(VIRTIO_F_VERSION_1);
	ck_assert_int_lt(user_start(&e), 0);
	ck_assert_str_eq(e.msg, "'disk': its back end knows nothing of virtio 1");
	user_finish();
}
END_TEST

/* One of network cards counts pairs of queues, and others count queues. */
START_TEST(a_back_end_of_too_few_queues_is_refused)
{
	struct err e = {0};

	user_describe(GOOD, 0);
	user.queues = 1;
	ck_assert_int_eq(user_start(&e), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(e.msg, "serves 1 queues, and 2 are needed"));
	user_finish();
	user_describe(GOOD, 0);
	user.queues = 1;
	ck_assert_msg(user_start_as(VIRTIO_TYPE_NET, 1, &e) == 0, "%s", e.msg);
	user_finish();
}
END_TEST

/* While the guest runs, it costs the device. */
START_TEST(a_back_end_that_lies_later_is_lost)
{
	static const struct {
		uint32_t request;
		bool stops; /* the question comes with the driver's reset */
	} rows[] = {{VHOST_USER_SET_MEM_TABLE}, {VHOST_USER_SET_VRING_ENABLE},
		{VHOST_USER_GET_VRING_BASE, true}};
	struct err e = {0};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (enum misdeed d = SILENT; d <= REFUSES; d++) {
			if (d == REFUSES && rows[i].stops)
				continue;
			user_describe(d, rows[i].request);
			ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
			driver_set_up();
			driver_go_to_loss();
			if (!rows[i].stops) {
				lost_expect();
			} else {
				user_await(VHOST_USER_SET_VRING_ENABLE, 2);
				reset();
				ck_assert_uint_eq(features_offered(), 0);
			}
			user_finish();
		}
	}
}
END_TEST

START_TEST(a_back_end_that_ends_is_lost)
{
	device_bring_up();
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	const uint64_t generation = common_get(COMMON(config_generation), 1);
	(void)shutdown(user.fd, SHUT_RDWR);
	lost_expect();
	ck_assert_uint_eq(generation, 0);
	/* What a driver writes then does nothing. */
	features_accept(BASICS);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK, 0);
	bell_ring(0);
	reset();
	user_finish();
}
END_TEST

static unsigned lent; /* how often the keeper was asked */

/* The back end takes its time to come back. */
static int keeper_answer(struct keeper *k, struct wire_call *call, int *ret_fd)
{
	int ends[2];

	ck_assert_uint_eq(call->header.kind, WIRE_LEND_BACKEND);
	ck_assert_int_eq(call->group, 3);
	(void)__atomic_add_fetch(&lent, 1, __ATOMIC_RELEASE);
	if (lent == 1)
		return -ECONNREFUSED;
	if (lent == 2)
		return -ENOENT;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	(void)pthread_join(user.thread, NULL);
	(void)close(user.fd);
	user.fd = ends[1];
	ck_assert_int_eq(pthread_create(&user.thread, NULL, user_run, NULL), 0);
	*ret_fd = ends[0];
	return 0;
}

static const struct keeper_ops keeper_lends = {.call = keeper_answer};

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

static void note_start(void)
{
	struct err e = {0};

	user_describe(GOOD, 0);
	user.protocol = UINT64_MAX;
	lent = 0;
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	machine.keeper.ops = &keeper_lends;
	driver_set_up();
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	ck_assert(is_same_file(user.note, user.note_told));
}

/* It goes on where it was, by its own note, and the driver learns nothing of it. */
START_TEST(a_back_end_that_notes_its_work_comes_back)
{
	const uint16_t used = 5;

	note_start();
	memory_put(USED(0) + 2, &used, sizeof(used));
	const int note = user.note;
	(void)shutdown(user.fd, SHUT_RDWR);
	for (unsigned ms = 0;
		__atomic_load_n(&user.asked[VHOST_USER_SET_VRING_ENABLE], __ATOMIC_ACQUIRE) < 4;
		ms++) {
		serve();
		ck_assert_uint_lt(ms, 10000);
		(void)usleep(1000);
	}
	ck_assert_uint_eq(lent, 3);
	ck_assert_uint_eq(user.asked[VHOST_USER_GET_INFLIGHT_FD], 1);
	ck_assert(is_same_file(note, user.note_told));
	ck_assert_uint_eq(user.bases[0], used);
	ck_assert_uint_eq(user.bases[1], 0);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
	/* A new driver begins anew: what was noted is not its own. */
	reset();
	driver_set_up();
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 6);
	ck_assert_uint_eq(user.asked[VHOST_USER_GET_INFLIGHT_FD], 2);
	ck_assert_uint_eq(user.bases[0], 0);
	user_finish();
}
END_TEST

/* Whoever waits for it is not held up: neither a reset nor the guest's end. */
START_TEST(nobody_waits_for_a_back_end_that_is_away)
{
	note_start();
	(void)shutdown(user.fd, SHUT_RDWR);
	serve();
	reset();
	user_finish();
}
END_TEST

/* It answers nothing when it is back: the guest's end does not wait for the answer. */
START_TEST(nobody_waits_for_a_back_end_that_is_back_and_silent)
{
	note_start();
	const int64_t begun = clock_ms();
	user.misdeed = SILENT;
	user.at = VHOST_USER_GET_FEATURES;
	(void)shutdown(user.fd, SHUT_RDWR);
	for (unsigned ms = 0; __atomic_load_n(&lent, __ATOMIC_ACQUIRE) < 3; ms++) {
		serve();
		ck_assert_uint_lt(ms, 10000);
		(void)usleep(1000);
	}
	user_await(VHOST_USER_GET_FEATURES, 2);
	user_finish();
	ck_assert_int_lt(clock_ms() - begun, 10000);
}
END_TEST

/* Each return is told, so there is an end to them. */
START_TEST(a_back_end_that_ends_again_and_again_is_lost)
{
	note_start();
	lent = 2;
	for (unsigned n = 0; n < 5; n++) {
		ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
		(void)shutdown(user.fd, SHUT_RDWR);
		for (unsigned ms = 0; n < 5 && lent < 3 + n; ms++) {
			serve();
			ck_assert_uint_lt(ms, 10000);
			(void)usleep(1000);
		}
		user_await(VHOST_USER_SET_VRING_ENABLE, 2 * (n + 2));
	}
	(void)shutdown(user.fd, SHUT_RDWR);
	lost_expect();
	reset();
	ck_assert_uint_eq(features_offered(), 0);
	ck_assert_uint_eq(lent, 7);
	user_finish();
}
END_TEST

/* One without a note that was lost: its work is over, and the next driver begins anew. */
START_TEST(a_back_end_that_is_there_again_serves_the_next_driver)
{
	device_bring_up();
	machine.keeper.ops = &keeper_lends;
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	lent = 0;
	(void)shutdown(user.fd, SHUT_RDWR);
	lost_expect();
	ck_assert_uint_eq(lent, 1);
	/* A driver that resets without end has the keeper connect twice a second at most. */
	lent = 0;
	const int64_t begun = clock_ms();
	for (unsigned n = 0; n < 100 && clock_ms() - begun < 400; n++)
		reset();
	ck_assert_uint_le(lent, 1);
	lent = 2;
	user.features &= ~BIT64(VIRTIO_BLK_F_FLUSH);
	(void)usleep(600000);
	reset();
	ck_assert_uint_eq(lent, 3);
	ck_assert_uint_eq(features_offered(), BASICS);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, 0, 4), 0x11111111);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, 34, 2), 2);
	device_choose(1, VIRTIO_TYPE_BLK);
	features_accept(BASICS);
	queue_place(0);
	queue_enable(0);
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 3);
	/* Its end is noticed again. */
	lent = 0;
	(void)shutdown(user.fd, SHUT_RDWR);
	lost_expect();
	user_finish();
}
END_TEST

/* It is there again, and answers nothing: the guest's end does not wait for it. */
START_TEST(nobody_waits_for_a_back_end_that_is_there_again_and_silent)
{
	device_bring_up();
	machine.keeper.ops = &keeper_lends;
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	const int64_t begun = clock_ms();
	lent = 2;
	user.misdeed = SILENT;
	user.at = VHOST_USER_GET_FEATURES;
	(void)shutdown(user.fd, SHUT_RDWR);
	while (!(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_NEEDS_RESET)) {
		serve();
		(void)usleep(1000);
	}
	common_put(COMMON(device_status), 1, 0);
	user_await(VHOST_USER_GET_FEATURES, 2);
	/* The driver waits until it is known that there is none. */
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), VIRTIO_CONFIG_S_NEEDS_RESET);
	user_finish();
	ck_assert_int_lt(clock_ms() - begun, 10000);
}
END_TEST

/* Nor does a driver's reset wait long; and one that answers later serves the driver after that. */
START_TEST(a_driver_waits_little_for_a_back_end_that_is_silent)
{
	device_bring_up();
	machine.keeper.ops = &keeper_lends;
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	lent = 2;
	user.misdeed = SILENT;
	user.at = VHOST_USER_GET_CONFIG;
	const int64_t begun = clock_ms();
	(void)shutdown(user.fd, SHUT_RDWR);
	lost_expect();
	ck_assert_int_lt(clock_ms() - begun, 5000);
	user.misdeed = GOOD;
	(void)shutdown(user.fd, SHUT_RDWR);
	reset();
	ck_assert_uint_eq(lent, 4);
	ck_assert_uint_eq(features_offered(), BASICS | BIT64(VIRTIO_BLK_F_FLUSH));
	user_finish();
}
END_TEST

/* Each answer comes in time, and all of them together do not. */
START_TEST(a_back_end_that_dawdles_is_lost)
{
	struct err e = {0};

	user_describe(GOOD, 0);
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	vhost_user_patience = 1000;
	user.slow_ms = 400;
	driver_set_up();
	driver_go_to_loss();
	lost_expect();
	user_finish();
}
END_TEST

/* Nobody asked for it, and nobody has received it: the close of the connection waits for it. */
static void lingering_send(void)
{
	const struct header h = {.request = VHOST_USER_GET_FEATURES};

	user.misdeed = LINGERS;
	user.at = h.request;
	answer_send(&h, "", 0);
	user.misdeed = GOOD;
}

START_TEST(a_descriptor_that_lingers_holds_no_vcpu_up)
{
	int64_t longest = 0;

	note_start();
	lent = 2;
	lingering_send();
	(void)shutdown(user.fd, SHUT_RDWR);
	for (const int64_t begun = clock_ms();
		__atomic_load_n(&user.asked[VHOST_USER_SET_VRING_ENABLE], __ATOMIC_ACQUIRE) < 4;) {
		const int64_t before = clock_ms();
		ck_assert_uint_eq(common_get(COMMON(num_queues), 2), 2);
		longest = longest > clock_ms() - before ? longest : clock_ms() - before;
		serve();
		ck_assert_int_lt(clock_ms() - begun, 20000);
	}
	ck_assert_int_lt(longest, LINGER_S * 1000 / 4);
	/* Neither does the guest's end wait. */
	const int64_t begun = clock_ms();
	lingering_send();
	user_finish();
	ck_assert_int_lt(clock_ms() - begun, LINGER_S * 1000 / 2);
}
END_TEST

/* It is there in place of the answer to a driver's reset. */
START_TEST(a_driver_does_not_wait_for_a_descriptor_that_lingers)
{
	device_bring_up();
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	const int64_t begun = clock_ms();
	lingering_send();
	reset();
	ck_assert_uint_eq(features_offered(), 0);
	user_finish();
	ck_assert_int_lt(clock_ms() - begun, LINGER_S * 1000 / 2);
}
END_TEST

/* A ring that is nowhere costs the device, too, and no message leaves for it. */
START_TEST(a_ring_that_is_nowhere_is_refused)
{
	struct err e = {0};

	user_describe(GOOD, 0);
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	driver_set_up();
	reset();
	features_accept(BASICS);
	queue_place(0);
	common_put(COMMON(queue_desc_lo), 8, GIB(64));
	common_put(COMMON(queue_enable), 2, 1);
	common_put(COMMON(device_status), 1, GOING);
	lost_expect();
	ck_assert_uint_eq(user.asked[VHOST_USER_SET_VRING_KICK], 0);
	user_finish();
}
END_TEST

/* No descriptor is taken that was not asked for: a second one would stay open for good. */
START_TEST(a_back_end_that_gives_two_notes_is_lost)
{
	struct err e = {0};

	user_describe(WITH_FDS, VHOST_USER_GET_INFLIGHT_FD);
	user.protocol = UINT64_MAX;
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	driver_set_up();
	driver_go_to_loss();
	lost_expect();
	ck_assert_uint_eq(user.asked[VHOST_USER_SET_VRING_KICK], 0);
	user_finish();
}
END_TEST

RIG_SUITE("virtio-user", a_back_end_gets_rings_and_memory, a_back_end_cannot_cut_memory,
	a_back_end_that_lies_is_refused, a_back_end_without_our_version_is_refused,
	a_back_end_of_too_few_queues_is_refused, a_back_end_that_lies_later_is_lost,
	a_back_end_that_ends_is_lost, a_back_end_that_notes_its_work_comes_back,
	nobody_waits_for_a_back_end_that_is_away,
	nobody_waits_for_a_back_end_that_is_back_and_silent,
	a_back_end_that_ends_again_and_again_is_lost,
	a_back_end_that_is_there_again_serves_the_next_driver,
	nobody_waits_for_a_back_end_that_is_there_again_and_silent,
	a_driver_waits_little_for_a_back_end_that_is_silent, a_back_end_that_dawdles_is_lost,
	a_descriptor_that_lingers_holds_no_vcpu_up,
	a_driver_does_not_wait_for_a_descriptor_that_lingers, a_ring_that_is_nowhere_is_refused,
	a_back_end_that_gives_two_notes_is_lost)
