/* SPDX-License-Identifier: MIT */
/* A vhost-user back end that does what it likes with eventfds, and answers at random. */
#include "base/clock.h"
#include "base/err.h"
#include "user_peer.h"
#include "virtio_rig.h"
#include "vmm/vhost_user/doorbell.h"
#include "vmm/vhost_user/message.h"
#include "vmm/virtio/pci.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned msix_find(void)
{
	unsigned at = config_get(PCI_CAPABILITY_LIST, 1);

	while (config_get(at, 1) != PCI_CAP_ID_MSIX)
		at = config_get(at + 1, 1);
	return at;
}

/* It shares the eventfd of a vector, and may have it wait: no vCPU does. */
START_TEST(a_back_end_holds_no_vcpu_up)
{
	struct err e = {0};

	user_describe(GOOD, 0);
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	driver_set_up();
	const unsigned at = msix_find();
	config_put(at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	const uint32_t pba = config_get(at + PCI_MSIX_PBA, 4) & ~7u;
	common_put(COMMON(queue_select), 2, 0);
	common_put(COMMON(queue_msix_vector), 2, 1);
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	(void)fcntl(user.calls[0], F_SETFL, 0);
	ck_assert_uint_eq(bus_read(&machine.vm.mmio, bar + pba, 8), 0);
	config_put(at + PCI_MSIX_FLAGS, 2, 0);
	user_finish();
}
END_TEST

/* Clears O_NONBLOCK, which both sides have in common: whoever writes to it now waits. */
static void eventfd_fill(int fd)
{
	eventfd_t count;

	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)eventfd_read(fd, &count);
	ck_assert_int_eq(eventfd_write(fd, UINT64_MAX - 1), 0);
	(void)fcntl(fd, F_SETFL, 0);
}

#define MASKED (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)

/* All queues and the configuration share one vector, which is masked: KVM takes nothing from it. */
static uint32_t vector_share(void)
{
	const unsigned at = msix_find();

	config_put(at + PCI_MSIX_FLAGS, 2, MASKED);
	common_put(COMMON(msix_config), 2, 1);
	for (unsigned n = 0; n < 2; n++) {
		common_put(COMMON(queue_select), 2, n);
		common_put(COMMON(queue_msix_vector), 2, 1);
	}
	return config_get(at + PCI_MSIX_PBA, 4) & ~7u;
}

/* Neither a driver that moves interrupts, nor one that rings, nor the guest's end waits for it. */
START_TEST(a_back_end_that_fills_eventfds_holds_nobody_up)
{
	struct err e = {0};

	user_describe(GOOD, 0);
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	driver_set_up();
	const uint32_t pba = vector_share();
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	eventfd_fill(user.calls[0]);
	eventfd_fill(user.kicks[0]);
	eventfd_fill(user.kicks[1]);
	bell_ring(0);
	bell_ring(1);
	vector_share();
	user_await(VHOST_USER_SET_VRING_CALL, 4);
	reset();
	driver_set_up();
	vector_share();
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 4);
	/* Neither does the main thread, when it interrupts for the configuration. */
	(void)shutdown(user.fd, SHUT_RDWR);
	lost_expect();
	ck_assert_uint_eq(bus_read(&machine.vm.mmio, bar + pba, 8), 2);
	const uint32_t table = config_get(msix_find() + PCI_MSIX_TABLE, 4) & ~7u;
	bus_write(&machine.vm.mmio, bar + table + PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL,
		4, 0);
	config_put(msix_find() + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	ck_assert_uint_eq(bus_read(&machine.vm.mmio, bar + pba, 8), 0);
	user_finish();
}
END_TEST

static struct {
	int fd;
	unsigned rung; /* times that the doorbell was rung */
	bool caught; /* a write waits */
	bool over;
} filler;

/* Fills the counter between a look at it and the write, and leaves it so when a write waits. */
static void *filler_run(void *arg)
{
	eventfd_t count;

	while (!__atomic_load_n(&filler.over, __ATOMIC_ACQUIRE)) {
		(void)fcntl(filler.fd, F_SETFL, O_NONBLOCK);
		(void)eventfd_read(filler.fd, &count);
		(void)eventfd_write(filler.fd, UINT64_MAX - 1);
		(void)fcntl(filler.fd, F_SETFL, 0);
		const unsigned rung = __atomic_load_n(&filler.rung, __ATOMIC_ACQUIRE);
		for (unsigned ms = 0; rung == __atomic_load_n(&filler.rung, __ATOMIC_ACQUIRE) &&
				      !__atomic_load_n(&filler.over, __ATOMIC_ACQUIRE) && ms < 8000;
			ms++) {
			(void)usleep(1000);
			if (ms == 500)
				__atomic_store_n(&filler.caught, true, __ATOMIC_RELEASE);
		}
	}
	return arg;
}

START_TEST(a_doorbell_waits_a_second_at_most)
{
	const int64_t begun = clock_ms();
	pthread_t thread;
	int64_t longest = 0;

	memset(&filler, 0, sizeof(filler));
	filler.fd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(pthread_create(&thread, NULL, filler_run, NULL), 0);
	while (!__atomic_load_n(&filler.caught, __ATOMIC_ACQUIRE)) {
		const int64_t before = clock_ms();
		ck_assert_int_lt(before - begun, 60000);
		doorbell_ring(filler.fd);
		longest = clock_ms() - before;
		(void)__atomic_add_fetch(&filler.rung, 1, __ATOMIC_RELEASE);
	}
	ck_assert_int_lt(longest, 5000);
	__atomic_store_n(&filler.over, true, __ATOMIC_RELEASE);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	(void)close(filler.fd);
}
END_TEST

static const struct virtio_ops *user_ops;
static bool halted;

static void halt_watch(struct virtio_device *d)
{
	const struct virtio_pci *p = machine.vm.virtio;

	ck_assert_int_ge(p->endpoint.msix.vectors[1].eventfd, 0);
	ck_assert_int_ge(p->kicks[0].source.fd, 0);
	user_ops->halt(d);
	halted = true;
}

/* The worker has the numbers of eventfds: none is closed, and perhaps another's, until it ends. */
START_TEST(the_worker_ends_before_its_eventfds)
{
	static struct virtio_ops ops;
	struct err e = {0};

	user_describe(GOOD, 0);
	ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
	driver_set_up();
	(void)vector_share();
	driver_go();
	user_await(VHOST_USER_SET_VRING_ENABLE, 2);
	user_ops = machine.vm.virtio->device->ops;
	ops = *user_ops;
	ops.halt = halt_watch;
	machine.vm.virtio->device->ops = &ops;
	halted = false;
	user_finish();
	ck_assert(halted);
}
END_TEST

/* Random answers at each question: nothing but an error comes of them. */
START_TEST(random_answers_are_refused)
{
	static const uint32_t questions[] = {VHOST_USER_GET_FEATURES,
		VHOST_USER_GET_PROTOCOL_FEATURES, VHOST_USER_GET_QUEUE_NUM, VHOST_USER_GET_CONFIG};
	struct err e = {0};

	for (unsigned seed = 0; seed < 100; seed++) {
		user_describe(RANDOM, questions[seed % COUNT(questions)]);
		user.seed = seed;
		ck_assert_int_lt(user_start(&e), 0);
		user_finish();
	}
}
END_TEST

/* The same while the guest runs: they cost the device. */
START_TEST(random_answers_cost_the_device)
{
	static const uint32_t questions[] = {VHOST_USER_SET_MEM_TABLE, VHOST_USER_SET_VRING_ENABLE,
		VHOST_USER_GET_INFLIGHT_FD, VHOST_USER_SET_INFLIGHT_FD};
	struct err e = {0};

	for (unsigned seed = 0; seed < 40; seed++) {
		user_describe(RANDOM, questions[seed % COUNT(questions)]);
		user.protocol = UINT64_MAX;
		user.seed = seed;
		ck_assert_msg(user_start(&e) == 0, "%s", e.msg);
		driver_set_up();
		driver_go_to_loss();
		lost_expect();
		user_finish();
	}
}
END_TEST

RIG_SUITE("virtio_user_wild", a_back_end_holds_no_vcpu_up,
	a_back_end_that_fills_eventfds_holds_nobody_up, a_doorbell_waits_a_second_at_most,
	the_worker_ends_before_its_eventfds, random_answers_are_refused,
	random_answers_cost_the_device)
