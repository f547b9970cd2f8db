/* SPDX-License-Identifier: MIT */
/* Requests of the host, devices that are pulled or fail, and DMA around reserved ranges. */
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/pass.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void start(void)
{
	rig_start(suite_fixtures, "nvme");
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* The kernel signals, and the loop calls the handler of that eventfd. */
static void signal_event(unsigned index)
{
	ck_assert_int_eq(eventfd_write(rig.model.event_fds[index], 1), 0);
	rig_serve();
}

static void expect_dropped(void)
{
	ck_assert(rig.dev->dropped);
	rig_settle();
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	ck_assert_uint_eq(rig.vm.mmio.count, 0);
	ck_assert_int_eq(rig.model.on, -1);
	ck_assert_uint_eq(rig_read(PCI_VENDOR_ID, 4), UINT32_MAX);
	rig_forget();
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	rig_reset_at_once(rig.dev);
	ck_assert_str_eq(rig_log(), "");
}

/* Lets the deadline pass: sets its timer to now. */
static void let_time_pass(void)
{
	const struct itimerspec now = {.it_value = {.tv_nsec = 1}};
	struct loop_source *s = &rig.dev->events.deadline.source;
	struct epoll_event ev;

	ck_assert_int_ge(s->fd, 0);
	ck_assert_int_eq(timerfd_settime(s->fd, 0, &now, NULL), 0);
	ck_assert_int_eq(epoll_wait(rig.vm.loop.epoll_fd, &ev, 1, 10000), 1);
	ck_assert_ptr_eq(ev.data.ptr, s);
	s->ready(s, ev.events);
}

static time_t time_left(void)
{
	struct itimerspec left;

	ck_assert_int_eq(timerfd_gettime(rig.dev->events.deadline.source.fd, &left), 0);
	return left.it_value.tv_sec;
}

START_TEST(asks_the_guest_once)
{
	start();
	rig_forget();
	signal_event(VFIO_PCI_REQ_IRQ_INDEX);
	ck_assert_str_eq(rig_log(), "ask");
	signal_event(VFIO_PCI_REQ_IRQ_INDEX);
	ck_assert_str_eq(rig_log(), "ask");
	ck_assert(!rig.dev->dropped);
	ck_assert_uint_eq(rig_read(PCI_VENDOR_ID, 4), 0x00101b36);
	/* The guest turns the slot's power off. */
	rig_eject(rig.dev);
	rig_settle();
	ck_assert_int_eq(rig.dev->events.deadline.source.fd, -1);
	expect_dropped();
	rig_stop();
}
END_TEST

/* A vCPU that has the slot's lock may wait for the worker: the worker does not wait for it. */
START_TEST(the_worker_leaves_the_slot_to_the_loop)
{
	struct epoll_event ev;

	start();
	for (unsigned dead = 0; dead < 2; dead++) {
		rig_forget();
		rig.model.dead = dead;
		ck_assert_int_eq(eventfd_write(rig.model.event_fds[VFIO_PCI_REQ_IRQ_INDEX], 1), 0);
		ck_assert_int_eq(epoll_wait(rig.vm.loop.epoll_fd, &ev, 1, 0), 1);
		struct loop_source *s = ev.data.ptr;
		s->ready(s, ev.events);
		ck_assert_str_eq(rig_log(), ""); /* and the worker has nothing more to do */
		ck_assert(!rig.dev->dropped);
		rig_serve();
		rig.model.dead = false;
		ck_assert(rig.dev->dropped == dead);
		ck_assert(dead || strcmp(rig_log(), "ask") == 0);
	}
	expect_dropped();
	rig_stop();
}
END_TEST

START_TEST(takes_what_is_not_let_go)
{
	start();
	signal_event(VFIO_PCI_REQ_IRQ_INDEX);
	rig_forget();
	let_time_pass();
	/* The mappings go before the guest or the host hears of it. */
	ck_assert_ptr_nonnull(strstr(rig_log(), "pull -c0000000"));
	expect_dropped();
	rig_stop();
}
END_TEST

START_TEST(waits_for_a_guest_that_answers)
{
	start();
	signal_event(VFIO_PCI_REQ_IRQ_INDEX);
	ck_assert_int_le(time_left(), 15);
	rig.answers = true;
	let_time_pass();
	ck_assert(!rig.dev->dropped);
	ck_assert_int_gt(time_left(), 15);
	let_time_pass();
	expect_dropped();
	rig_stop();
}
END_TEST

START_TEST(drops_a_device_that_is_gone)
{
	start();
	rig.model.dead = true;
	signal_event(VFIO_PCI_REQ_IRQ_INDEX);
	rig.model.dead = false;
	expect_dropped();
	rig_stop();
}
END_TEST

START_TEST(drops_a_device_that_fails)
{
	start();
	signal_event(VFIO_PCI_ERR_IRQ_INDEX);
	expect_dropped();
	rig_stop();
}
END_TEST

/* --stats of a device that was removed: its counts until then. */
START_TEST(keeps_the_figures_of_a_dropped_device)
{
	start();
	rig.vm.interrupts_fd = memfd_create("interrupts", MFD_CLOEXEC);
	for (unsigned word = 0; word < 4; word++)
		rig_mmio_write(0xc0002000 + 4 * word, 4, 0);
	rig_write(rig.dev->config.msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	static const char line[] = "28: 7 3 PCI-MSI vfio-msix[0](0000:01:00.0)\n";
	ck_assert_int_eq(pwrite(rig.vm.interrupts_fd, line, strlen(line), 0), strlen(line));
	unsigned pieces = rig.dev->bars.bar[0].piece_count;
	ck_assert_uint_gt(pieces, 0);
	signal_event(VFIO_PCI_ERR_IRQ_INDEX);
	expect_dropped();
	ck_assert_uint_eq(rig.dev->bars.bar[0].piece_count, pieces);
	uint64_t writes = 0;
	for (unsigned i = 0; i < pieces; i++)
		writes += rig.dev->bars.bar[0].pieces[i].range.writes;
	ck_assert_uint_eq(writes, 4);
	ck_assert_uint_eq(rig.dev->msix.guest.vectors[0].signals, 10);
	fd_close(&rig.vm.interrupts_fd);
	rig_stop();
}
END_TEST

/* Each reboot asks KVM again, but usher-vmm does not repeat its warning. */
START_TEST(a_reboot_is_not_told_without_end)
{
	struct pass_domain group = {.vm = &rig.vm, .kvm = -1, .reset = LOCK_INIT(LOCK_RESET)};
	char lines[4096];

	start();
	group.devices = rig.dev;
	rig.vm.pass = &group;
	rig.vm.fd = -1;
	int out = memfd_create("stderr", MFD_CLOEXEC), kept = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(out, STDERR_FILENO), STDERR_FILENO);
	for (unsigned n = 0; n < 50; n++)
		ck_assert_int_eq(pass_renew(&rig.vm, NULL), 0);
	ck_assert_int_eq(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	ssize_t len = pread(out, lines, sizeof(lines), 0);
	ck_assert_int_gt(len, 0);
	unsigned count = 0;
	for (ssize_t i = 0; i < len; i++)
		count += lines[i] == '\n';
	ck_assert_uint_eq(count, LOG_GUEST_LINES);
	(void)close(out);
	(void)close(kept);
	rig.vm.pass = NULL;
	rig_stop();
}
END_TEST

START_TEST(asks_for_atomics)
{
	rig_start(suite_fixtures, "nvme");
	ck_assert_uint_eq(vfio_dev_atomics(&rig.dev->vfio), 0);
	rig.model.atomics = VFIO_ATOMIC_32 | VFIO_ATOMIC_64;
	ck_assert_uint_eq(vfio_dev_atomics(&rig.dev->vfio), VFIO_ATOMIC_32 | VFIO_ATOMIC_64);
	rig_stop();
}
END_TEST

START_TEST(finds_memory_that_devices_cannot_reach)
{
	static struct vfio_iommu iommu = {
		.range_count = 3,
		.ranges =
			{
				{{0}, {0xfedfffff}},
				{{0xfef00000}, {0xffffffff}},
				{{0x100000000}, {0x7fffffffff}},
			},
	};
	struct err e;

	ck_assert_int_eq(pass_domain_check(&iommu, GPA(0), 0xc0000000, &e), 0);
	ck_assert_int_eq(pass_domain_check(&iommu, GPA(0xfef00000), 0x10000000, &e), 0);
	ck_assert_int_eq(pass_domain_check(&iommu, GPA(0), 0xfee00000, &e), 0);
	ck_assert_int_eq(pass_domain_check(&iommu, GPA(0), 0xfee01000, &e), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(e.msg, "at 0xfee00000"));
	ck_assert_int_eq(pass_domain_check(&iommu, GPA(0x7fffff0000), 0x10000, &e), 0);
	ck_assert_int_eq(pass_domain_check(&iommu, GPA(0x7fffff0000), 0x11000, &e), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(e.msg, "at 0x8000000000"));
	iommu.range_count = 0; /* before Linux 5.4 the kernel does not say */
	ck_assert_int_eq(pass_domain_check(&iommu, GPA(0), UINT64_C(1) << 50, &e), 0);
}
END_TEST

/* A container that maps RAM, and BARs only if the test says so. */
struct container_model {
	uint64_t bars; /* from here on */
	int refuses; /* -errno: what BARs get; 0: they are mapped */
	uint64_t mapped; /* [bytes] of BARs */
	unsigned asked;
};

static int space_map(struct vfio_ioas *s, iova_t iova, void *host, uint64_t size, unsigned access)
{
	struct container_model *m = s->state;

	if (iova.v < m->bars)
		return 0;
	m->asked++;
	m->mapped += m->refuses ? 0 : size;
	return m->refuses;
}

static int space_unmap(struct vfio_ioas *s, iova_t iova, uint64_t size, uint64_t *ret)
{
	struct container_model *m = s->state;

	/* As in the kernel: unmapping an empty range succeeds. */
	*ret = iova.v >= m->bars && m->refuses ? 0 : size;
	m->mapped -= iova.v < m->bars ? 0 : *ret;
	return 0;
}

static int space_info(struct vfio_ioas *s, struct vfio_iommu *ret, struct err *e)
{
	return -EINVAL;
}

static void space_close(struct vfio_ioas *s)
{
}

static const struct vfio_ioas_ops space_ops = {
	.map = space_map, .unmap = space_unmap, .info = space_info, .close = space_close};

/* A device that decodes its BAR, which other devices are to reach. */
static struct pass_domain *start_with_peers(
	struct container_model *m, const struct vfio_iommu *iommu)
{
	struct vfio_ioas ioas = {.ops = &space_ops, .fd = -1, .state = m};
	struct pass_domain *g;
	struct err e = {0};

	rig_start(suite_fixtures, "nvme");
	ck_assert_msg(pass_domain_start(&rig.vm, &ioas, iommu, &g, &e) == 0, "%s", e.msg);
	pass_domain_peers(g);
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return g;
}

static uint64_t bytes_mapped(void)
{
	uint64_t n = 0;

	for (size_t i = 0; i < rig.vm.memory.count; i++)
		n += rig.vm.memory.ranges[i].size;
	return n;
}

static void stop_with_peers(void)
{
	rig_stop();
	pass_fini(&rig.vm);
}

START_TEST(peers_reach_what_is_mapped)
{
	struct container_model m = {.bars = 0xc0000000};
	struct pass_domain *g = start_with_peers(&m, &(struct vfio_iommu){0});

	ck_assert_uint_gt(m.mapped, 0);
	ck_assert_uint_eq(m.mapped, bytes_mapped());
	ck_assert_uint_eq(g->peer_bytes, m.mapped);
	rig_write(PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(m.mapped, 0);
	ck_assert_uint_eq(g->peer_bytes, 0);
	stop_with_peers();
}
END_TEST

/* The guest keeps its BAR if the kernel refuses the mapping, or the IOMMU reserves the address. */
START_TEST(goes_without_peers)
{
	const struct vfio_iommu narrow = {.range_count = 1, .ranges = {{{0}, {0xbfffffff}}}};
	struct container_model m = {.bars = 0xc0000000, .refuses = -EFAULT};
	struct pass_domain *g = start_with_peers(&m, &(struct vfio_iommu){0});

	ck_assert_uint_gt(m.asked, 0);
	ck_assert(g->told);
	ck_assert_uint_gt(bytes_mapped(), 0);
	ck_assert_uint_eq(g->peer_bytes, 0);
	rig_write(PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(bytes_mapped(), 0);
	ck_assert_uint_eq(g->peer_bytes, 0);
	stop_with_peers();

	m = (struct container_model){.bars = 0xc0000000};
	g = start_with_peers(&m, &narrow);
	ck_assert_uint_eq(m.asked, 0);
	ck_assert(g->told);
	ck_assert_uint_gt(bytes_mapped(), 0);
	stop_with_peers();
}
END_TEST

static void *remove_device(void *arg)
{
	pass_domain_remove(arg);
	return NULL;
}

static void *add_device(void *arg)
{
	pass_domain_link(rig.vm.pass, arg);
	return NULL;
}

static void expect_waiting(pthread_t thread)
{
	struct timespec soon;

	(void)clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += soon.tv_nsec / 900000000;
	soon.tv_nsec = (soon.tv_nsec + 100000000) % 1000000000;
	ck_assert_int_eq(pthread_timedjoin_np(thread, NULL, &soon), ETIMEDOUT);
}

/* A vCPU that cures a fault, and a worker that resets a bus, may use any device of the guest. */
START_TEST(is_removed_after_the_last_look_at_it)
{
	rig_start(suite_fixtures, "nvme");
	struct pass_dev *d = rig_add(suite_fixtures, "nvme");
	struct pass_domain *g = rig.vm.pass;
	struct lock *walkers[] = {&g->reset, &rig.vm.cure};

	for (unsigned i = 0; i < 2; i++) {
		pthread_t remover;
		lock_take(walkers[i]);
		ck_assert_int_eq(pthread_create(&remover, NULL, remove_device, d), 0);
		expect_waiting(remover);
		ck_assert_ptr_eq(g->devices, d);
		lock_drop(walkers[i]);
		ck_assert_int_eq(pthread_join(remover, NULL), 0);
		ck_assert_ptr_eq(g->devices, rig.dev);
		pass_domain_link(g, d);
		ck_assert_ptr_eq(g->devices, d);
	}
	rig_stop();
}
END_TEST

/* A worker has found that the guest's last device leaves, and is about to say so. */
START_TEST(comes_after_the_last_one_has_left)
{
	rig_start(suite_fixtures, "nvme");
	struct pass_dev *d = rig_add(suite_fixtures, "nvme");
	struct pass_domain *g = rig.vm.pass;
	pthread_t adder;

	pass_domain_remove(d);
	lock_take(&g->reset);
	ck_assert_int_eq(pthread_create(&adder, NULL, add_device, d), 0);
	expect_waiting(adder);
	g->deserted = true;
	lock_drop(&g->reset);
	ck_assert_int_eq(pthread_join(adder, NULL), 0);
	ck_assert_ptr_eq(g->devices, d);
	ck_assert(!g->deserted);
	rig_stop();
}
END_TEST

static bool other_is_busy = true, other_is_done;

static void stay_busy(struct worker_job *j)
{
	for (unsigned ms = 0; ms < 5000 && __atomic_load_n(&other_is_busy, __ATOMIC_ACQUIRE); ms++)
		(void)usleep(1000);
	__atomic_store_n(&other_is_done, true, __ATOMIC_RELEASE);
}

/* The guest, or the host, may keep the worker of another device busy for ever. */
START_TEST(is_finished_without_waiting_for_others)
{
	struct worker_job job = {.run = stay_busy};

	rig_start(suite_fixtures, "nvme");
	struct pass_dev *d = rig_add(suite_fixtures, "nvme");
	rig_eject(d);
	rig_settle();
	ck_assert(d->func.ops->is_idle(&d->func));
	worker_add(&rig.dev->worker, &job);
	d->func.ops->fini(&d->func);
	ck_assert(!__atomic_load_n(&other_is_done, __ATOMIC_ACQUIRE));
	ck_assert_ptr_eq(rig.vm.pass->devices, rig.dev);
	__atomic_store_n(&other_is_busy, false, __ATOMIC_RELEASE);
	rig_settle();
	vfio_model_free(&rig.second);
	memset(&rig.second, 0, sizeof(rig.second));
	rig.vm.pass = NULL;
	rig_stop();
}
END_TEST

SUITE("pass_event", peers_reach_what_is_mapped, goes_without_peers, asks_for_atomics,
	asks_the_guest_once, the_worker_leaves_the_slot_to_the_loop, takes_what_is_not_let_go,
	waits_for_a_guest_that_answers, drops_a_device_that_is_gone, drops_a_device_that_fails,
	keeps_the_figures_of_a_dropped_device, a_reboot_is_not_told_without_end,
	finds_memory_that_devices_cannot_reach, is_removed_after_the_last_look_at_it,
	comes_after_the_last_one_has_left, is_finished_without_waiting_for_others)
