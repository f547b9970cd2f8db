/* SPDX-License-Identifier: MIT */
/* A virtio-vsock that the host's kernel serves: its driver, and a stand-in for the kernel. */
#include "virtio_rig.h"
#include "vmm/thread.h"
#include "vmm/virtio/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RINGS_USED 2 /* receive, transmit */
#define QUEUES 3
#define V1 BIT64(VIRTIO_F_VERSION_1)
#define CONFIG_VECTOR 0
#define QUEUE_VECTOR 1

static struct {
	bool refuses, runs;
	unsigned starts;
	int calls[RINGS_USED]; /* eventfds of the interrupts */
} kernel;

int __wrap_vhost_init(struct vhost *v, int fd, uint64_t known, const char *name, struct err *e);
int __wrap_vhost_set_rings(
	const struct vhost *v, uint64_t accepted, const struct vhost_rings *rings);
void __wrap_vhost_set_call(const struct vhost *v, unsigned n, int eventfd);
int __wrap_vhost_call(const struct vhost *v, unsigned long request, const void *arg);

int __wrap_vhost_init(struct vhost *v, int fd, uint64_t known, const char *name, struct err *e)
{
	*v = (struct vhost){.fd = fd, .features = known};
	return 0;
}

int __wrap_vhost_set_rings(
	const struct vhost *v, uint64_t accepted, const struct vhost_rings *rings)
{
	ck_assert_uint_eq(rings->count, RINGS_USED);
	memcpy(kernel.calls, rings->calls, sizeof(kernel.calls));
	return kernel.refuses ? -EFAULT : 0;
}

void __wrap_vhost_set_call(const struct vhost *v, unsigned n, int eventfd)
{
	ck_assert_uint_lt(n, RINGS_USED);
	kernel.calls[n] = eventfd;
}

int __wrap_vhost_call(const struct vhost *v, unsigned long request, const void *arg)
{
	ck_assert_uint_eq(request, VHOST_VSOCK_SET_RUNNING);
	kernel.runs = *(const int *)arg;
	kernel.starts += kernel.runs;
	return 0;
}

static void start(void)
{
	memset(&kernel, 0, sizeof(kernel));
	machine_describe("vsock");
	spec.virtio_count = 1;
	spec.virtio[0] = (struct virtio_spec){.type = VIRTIO_TYPE_VSOCK,
		.fd = eventfd(0, EFD_CLOEXEC), /* any file */
		.cid = 7};
	machine_start();
	device_choose(1, VIRTIO_TYPE_VSOCK);
}

static void vector_put(unsigned n, uint16_t vector)
{
	common_put(COMMON(queue_select), 2, n);
	common_put(COMMON(queue_msix_vector), 2, vector);
}

static void set_up(void)
{
	features_accept(V1);
	common_put(COMMON(msix_config), 2, CONFIG_VECTOR);
	for (unsigned n = 0; n < QUEUES; n++) {
		queue_place(n);
		vector_put(n, QUEUE_VECTOR);
		queue_enable(n);
	}
	driver_go();
	serve();
}

static unsigned msix_find(void)
{
	unsigned at = config_get(PCI_CAPABILITY_LIST, 1);

	while (config_get(at, 1) != PCI_CAP_ID_MSIX)
		at = config_get(at + PCI_CAP_LIST_NEXT, 1);
	return at;
}

/* All vectors are masked, as after power-on: interrupts wait. */
static void msix_turn(bool on)
{
	config_put(msix_find() + PCI_MSIX_FLAGS, 2, on ? PCI_MSIX_FLAGS_ENABLE : 0);
	serve();
}

static uint64_t pending(void)
{
	return bus_read(
		&machine.vm.mmio, bar + (config_get(msix_find() + PCI_MSIX_PBA, 4) & ~7u), 8);
}

/* The kernel has returned a chain to ring @n. */
static void kernel_interrupts(unsigned n)
{
	ck_assert_int_eq(eventfd_write(kernel.calls[n], 1), 0);
	serve();
}

START_TEST(queues_share_a_vector)
{
	start();
	ck_assert_uint_eq(
		config_get(msix_find() + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE, QUEUE_VECTOR);
	for (unsigned n = 0; n < QUEUES; n++) {
		vector_put(n, QUEUE_VECTOR + 1);
		ck_assert_uint_eq(common_get(COMMON(queue_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
	}
	msix_turn(true);
	set_up();
	ck_assert(kernel.runs);
	ck_assert_int_eq(kernel.calls[0], kernel.calls[1]);
	ck_assert_uint_eq(pending(), 0);
	kernel_interrupts(1);
	ck_assert_uint_eq(pending(), BIT64(QUEUE_VECTOR));
	machine_finish();
}
END_TEST

/* What the driver may do to its vectors while the kernel has the rings. */
START_TEST(interrupts_go_where_the_driver_wants_them)
{
	start();
	msix_turn(true);
	set_up();
	const int shared = kernel.calls[0];
	vector_put(1, CONFIG_VECTOR);
	serve();
	ck_assert_int_eq(kernel.calls[0], shared);
	ck_assert_int_ne(kernel.calls[1], shared);
	vector_put(0, CONFIG_VECTOR);
	serve();
	ck_assert_int_eq(kernel.calls[0], kernel.calls[1]);
	vector_put(1, VIRTIO_MSI_NO_VECTOR);
	serve();
	kernel_interrupts(1);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1), 0);
	/* By the line, whatever the vectors are. */
	msix_turn(false);
	kernel_interrupts(0);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1), 1);
	msix_turn(true);
	vector_put(0, QUEUE_VECTOR);
	vector_put(1, QUEUE_VECTOR);
	serve();
	ck_assert_int_eq(kernel.calls[0], shared);
	ck_assert_int_eq(kernel.calls[1], shared);
	machine_finish();
}
END_TEST

START_TEST(a_reset_takes_the_rings_from_the_kernel)
{
	start();
	set_up();
	ck_assert_uint_eq(kernel.starts, 1);
	/* A processor leaves it to the main thread, and the driver waits. */
	thread_is_vcpu = true;
	common_put(COMMON(device_status), 1, 0);
	ck_assert(kernel.runs);
	ck_assert_uint_ne(common_get(COMMON(device_status), 1), 0);
	thread_is_vcpu = false;
	serve();
	ck_assert(!kernel.runs);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), 0);
	set_up();
	ck_assert_uint_eq(kernel.starts, 2);
	machine_finish();
	ck_assert(!kernel.runs);
}
END_TEST

START_TEST(breaks_if_the_kernel_cannot_use_the_rings)
{
	start();
	kernel.refuses = true;
	features_accept(V1);
	for (unsigned n = 0; n < QUEUES; n++) {
		queue_place(n);
		queue_enable(n);
	}
	common_put(COMMON(device_status), 1, GOING);
	serve();
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	ck_assert(!kernel.runs);
	kernel.refuses = false;
	set_up();
	ck_assert(kernel.runs);
	machine_finish();
}
END_TEST

START_TEST(offers_what_the_kernel_can)
{
	start();
	ck_assert(features_offered() & V1);
	ck_assert(!(features_offered() & VHOST_NEVER));
	machine_finish();
}
END_TEST

RIG_SUITE("virtio_vsock_kernel", queues_share_a_vector, interrupts_go_where_the_driver_wants_them,
	a_reset_takes_the_rings_from_the_kernel, breaks_if_the_kernel_cannot_use_the_rings,
	offers_what_the_kernel_can)
