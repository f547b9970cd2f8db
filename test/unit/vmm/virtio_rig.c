/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "virtio_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TURNS_MAX 1000 /* of the loop, one after the other */
#define PATIENCE_MS 20000

struct machine machine;
struct machine_spec spec;
uint32_t bar;
uint32_t places[6];
unsigned window;
uint16_t listed[RIG_QUEUES];
bool rig_is_packed;
/* Of a packed queue: what a test has described, and where the driver is in the ring. */
static struct {
	struct vring_desc table[RING_SIZE];
	unsigned place, used_place; /* count on over all laps */
	unsigned spreads[RING_SIZE]; /* of chains, by their first descriptor */
	uint16_t used_count;
	struct vring_used_elem used[RING_SIZE]; /* the last ones */
} packed[RIG_QUEUES];
static unsigned chosen; /* bus */

void machine_describe(const char *name)
{
	spec = (struct machine_spec){.name = name,
		.memory = MIB(16),
		.cpus = 1,
		.cmdline = "",
		.packed_rings = true,
		.kernel.name = "plug",
		.initrd.fd = -1,
		.keeper_fd = -1,
		.calls_fd = -1,
		.orders_fd = -1,
		.interrupts_fd = -1,
		.ioas_fd = -1};
}

void machine_start(void)
{
	struct err e = {0};

	spec.kernel.fd = open(getenv("USHER_PLUG"), O_RDONLY | O_CLOEXEC);
	spec.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ck_assert_msg(machine_init(&machine, &machine_reduced, &spec, &e) == 0, "%s", e.msg);
	ck_assert_msg(machine_equip(&machine, &e) == 0, "%s", e.msg);
}

void machine_finish(void)
{
	machine_fini(&machine);
	ck_assert_uint_eq(machine.vm.memory.count, 0);
	ck_assert_uint_eq(machine.vm.transfers, 0);
}

static void on_stop(struct loop_source *s, uint32_t events)
{
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	loop_stop(&machine.vm.loop);
}

void serve(void)
{
	struct pollfd any = {.fd = machine.vm.loop.epoll_fd, .events = POLLIN};

	for (unsigned turn = 0; poll(&any, 1, 0) == 1; turn++) {
		struct loop_source s = {.fd = eventfd(1, EFD_NONBLOCK), .ready = on_stop};
		ck_assert_msg(turn < TURNS_MAX, "the device spins");
		ck_assert_int_eq(loop_add(&machine.vm.loop, &s, NULL), 0);
		ck_assert_int_eq(loop_run(&machine.vm.loop, NULL), 0);
		loop_restart(&machine.vm.loop);
		loop_remove(&machine.vm.loop, &s);
		(void)close(s.fd);
	}
}

uint32_t config_get(unsigned off, unsigned size)
{
	return pci_config_read_at(machine.vm.pci, chosen, 0, off, size);
}

void config_put(unsigned off, unsigned size, uint32_t value)
{
	pci_config_write_at(machine.vm.pci, chosen, 0, off, size, value);
}

static void places_find(void)
{
	for (unsigned at = config_get(PCI_CAPABILITY_LIST, 1); at;
		at = config_get(at + PCI_CAP_LIST_NEXT, 1)) {
		if (config_get(at, 1) != PCI_CAP_ID_VNDR)
			continue;
		unsigned type = config_get(at + offsetof(struct virtio_pci_cap, cfg_type), 1);
		ck_assert_uint_lt(type, COUNT(places));
		places[type] = config_get(at + offsetof(struct virtio_pci_cap, offset), 4);
		if (type == VIRTIO_PCI_CAP_PCI_CFG)
			window = at;
	}
}

void device_choose(unsigned bus, enum virtio_type type)
{
	chosen = bus;
	ck_assert_uint_eq(config_get(PCI_VENDOR_ID, 4), 0x10401af4 + ((uint32_t)type << 16));
	places_find();
	bar = config_get(PCI_BASE_ADDRESS_0, 4) & ~15u;
	config_put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

uint64_t reg_get(unsigned type, uint64_t off, unsigned size)
{
	return bus_read(&machine.vm.mmio, bar + places[type] + off, size);
}

void reg_put(unsigned type, uint64_t off, unsigned size, uint64_t value)
{
	bus_write(&machine.vm.mmio, bar + places[type] + off, size, value);
}

uint64_t common_get(uint64_t field, unsigned size)
{
	return reg_get(VIRTIO_PCI_CAP_COMMON_CFG, field, size);
}

void common_put(uint64_t field, unsigned size, uint64_t value)
{
	reg_put(VIRTIO_PCI_CAP_COMMON_CFG, field, size, value);
}

uint64_t features_offered(void)
{
	uint64_t features = 0;

	for (unsigned half = 0; half < 2; half++) {
		common_put(COMMON(device_feature_select), 4, half);
		features |= common_get(COMMON(device_feature), 4) << 32 * half;
	}
	return features;
}

void reset_await(void)
{
	for (unsigned ms = 0; common_get(COMMON(device_status), 1); ms++) {
		ck_assert_uint_lt(ms, PATIENCE_MS);
		(void)usleep(1000);
	}
	memset(listed, 0, sizeof(listed));
	memset(packed, 0, sizeof(packed));
}

void reset(void)
{
	common_put(COMMON(device_status), 1, 0);
	reset_await();
}

void features_accept(uint64_t features)
{
	reset();
	common_put(COMMON(device_status), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	if (getenv("USHER_PACKED"))
		features |= features_offered() & BIT64(VIRTIO_F_RING_PACKED);
	rig_is_packed = features & BIT64(VIRTIO_F_RING_PACKED);
	for (unsigned half = 0; half < 2; half++) {
		common_put(COMMON(guest_feature_select), 4, half);
		common_put(COMMON(guest_feature), 4, (uint32_t)(features >> 32 * half));
	}
	common_put(COMMON(device_status), 1, GOING & ~VIRTIO_CONFIG_S_DRIVER_OK);
}

void queue_place(unsigned n)
{
	ck_assert_uint_lt(n, COUNT(listed));
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(RINGS(n)), 0, KIB(12)), 0);
	memset(&packed[n], 0, sizeof(packed[n]));
	common_put(COMMON(queue_select), 2, n);
	ck_assert_uint_eq(common_get(COMMON(queue_size), 2), VIRTQ_SIZE_MAX);
	common_put(COMMON(queue_size), 2, RING_SIZE);
	/* By halves, as a driver may, and at once. */
	common_put(COMMON(queue_desc_lo), 4, RINGS(n));
	common_put(COMMON(queue_desc_hi), 4, 0);
	common_put(COMMON(queue_avail_lo), 8, AVAILABLE(n));
	common_put(COMMON(queue_used_lo), 8, USED(n));
}

void queue_enable(unsigned n)
{
	common_put(COMMON(queue_select), 2, n);
	common_put(COMMON(queue_enable), 2, 1);
	ck_assert_uint_eq(common_get(COMMON(queue_enable), 2), 1);
}

void queue_reset(unsigned n)
{
	common_put(COMMON(queue_select), 2, n);
	common_put(VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
	listed[n] = 0;
}

bool queue_is_resetting(unsigned n)
{
	common_put(COMMON(queue_select), 2, n);
	return common_get(VIRTIO_PCI_COMMON_Q_RESET, 2);
}

void driver_go(void)
{
	common_put(COMMON(device_status), 1, GOING);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
}

void descriptor_put(
	unsigned n, unsigned i, uint64_t at, uint32_t size, unsigned flags, unsigned next)
{
	const struct vring_desc d = {at, size, (uint16_t)flags, (uint16_t)next};

	if (rig_is_packed)
		packed[n].table[i] = d;
	else
		memory_put(RINGS(n) + 16 * i, &d, sizeof(d));
}

static uint64_t place_at(unsigned n, unsigned place)
{
	return RINGS(n) + 16 * (place % RING_SIZE);
}

static bool place_lap(unsigned place)
{
	return place / RING_SIZE % 2 == 0;
}

/* Takes note of what has come back. */
static void packed_collect(unsigned n)
{
	struct vring_packed_desc d;

	while (packed[n].used_place != packed[n].place) {
		const unsigned place = packed[n].used_place;
		ck_assert_int_eq(
			memory_read(&machine.vm.memory, GPA(place_at(n, place)), &d, sizeof(d)), 0);
		const bool available = d.flags & 1U << VRING_PACKED_DESC_F_AVAIL;
		const bool used = d.flags & 1U << VRING_PACKED_DESC_F_USED;
		if (available != used || used != place_lap(place))
			return;
		ck_assert_uint_lt(d.id, RING_SIZE);
		packed[n].used_place += packed[n].spreads[d.id];
		packed[n].used[packed[n].used_count++ % RING_SIZE] =
			(struct vring_used_elem){d.id, d.len};
	}
}

/* The entries of a chain, its first one last. */
static void packed_list(unsigned n, unsigned head)
{
	const struct vring_desc *chain[RING_SIZE];
	unsigned count = 0;

	ck_assert_uint_lt(head, RING_SIZE);
	packed_collect(n); /* before it is overwritten */
	for (unsigned i = head;; i = chain[count - 1]->next) {
		ck_assert_uint_lt(count, RING_SIZE);
		chain[count++] = &packed[n].table[i];
		if (!(chain[count - 1]->flags & VRING_DESC_F_NEXT))
			break;
	}
	packed[n].spreads[head] = count;
	for (unsigned i = count; i--;) {
		const unsigned place = packed[n].place + i;
		const struct vring_packed_desc d = {.addr = chain[i]->addr,
			.len = chain[i]->len,
			.id = (uint16_t)head,
			.flags = (uint16_t)(chain[i]->flags |
					    1U << (place_lap(place) ? VRING_PACKED_DESC_F_AVAIL
								    : VRING_PACKED_DESC_F_USED))};
		memory_put(place_at(n, place), &d, sizeof(d));
	}
	packed[n].place += count;
	listed[n]++;
}

void head_list(unsigned n, unsigned head)
{
	struct memory *m = &machine.vm.memory;
	const uint64_t at = AVAILABLE(n) + 4 + 2 * (listed[n] % RING_SIZE);

	if (rig_is_packed) {
		packed_list(n, head);
		return;
	}
	ck_assert_int_eq(memory_le16_put(m, GPA(at), (uint16_t)head), 0);
	ck_assert_int_eq(memory_le16_put(m, GPA(AVAILABLE(n) + 2), ++listed[n]), 0);
}

void queue_break(unsigned n)
{
	struct vring_packed_desc d = {.addr = RINGS(n), .len = 16};

	if (!rig_is_packed) {
		ck_assert_int_eq(
			memory_le16_put(&machine.vm.memory, GPA(AVAILABLE(n) + 2), 1000), 0);
		return;
	}
	for (unsigned i = 0; i < RING_SIZE; i++) {
		const unsigned place = packed[n].used_place + i;
		d.flags = (uint16_t)(VRING_DESC_F_NEXT |
				     1U << (place_lap(place) ? VRING_PACKED_DESC_F_AVAIL
							     : VRING_PACKED_DESC_F_USED));
		memory_put(place_at(n, place), &d, sizeof(d));
	}
}

void bell_ring(unsigned n)
{
	common_put(COMMON(queue_select), 2, n);
	const uint64_t step = common_get(COMMON(queue_notify_off), 2);

	reg_put(VIRTIO_PCI_CAP_NOTIFY_CFG, 4 * step, 2, n);
}

void ring(unsigned n)
{
	bell_ring(n);
	serve();
}

uint16_t used_index(unsigned n)
{
	uint16_t v;

	if (rig_is_packed) {
		packed_collect(n);
		return packed[n].used_count;
	}
	ck_assert_int_eq(memory_le16_get(&machine.vm.memory, GPA(USED(n) + 2), &v), 0);
	return v;
}

static uint32_t used_word(unsigned n, unsigned i, unsigned off)
{
	const uint64_t at = USED(n) + 4 + 8 * (i % RING_SIZE) + off;
	uint32_t v;

	ck_assert_int_eq(memory_le32_get(&machine.vm.memory, GPA(at), &v), 0);
	return v;
}

uint32_t used_head(unsigned n, unsigned i)
{
	(void)used_index(n);
	return rig_is_packed ? packed[n].used[i % RING_SIZE].id : used_word(n, i, 0);
}

uint32_t used_size(unsigned n, unsigned i)
{
	(void)used_index(n);
	return rig_is_packed ? packed[n].used[i % RING_SIZE].len : used_word(n, i, 4);
}

void used_await(unsigned n, uint16_t count)
{
	for (unsigned ms = 0; used_index(n) != count; ms++) {
		ck_assert_uint_lt(ms, PATIENCE_MS);
		(void)usleep(1000);
	}
}

void memory_put(uint64_t at, const void *bytes, size_t len)
{
	ck_assert_int_eq(memory_write(&machine.vm.memory, GPA(at), bytes, len), 0);
}

uint8_t byte_at(uint64_t at)
{
	uint8_t byte;

	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(at), &byte, 1), 0);
	return byte;
}

int rig_run(const char *name, const TTest *const *tests, size_t count)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = fd < 0 ? -1 : ioctl(fd, KVM_CREATE_VM, 0);

	if (vm < 0) {
		(void)printf("1..0 # SKIP no KVM: %s\n", strerror(errno));
		return 0;
	}
	(void)close(vm);
	(void)close(fd);
	return suite_run(name, tests, count);
}
