/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/pci.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

/* Ref: virtio 1.2, 4.1.2: the vendor, and 0x1040 + the type, without legacy registers. */
#define VENDOR_VIRTIO 0x1af4
#define DEVICE_MODERN 0x1040
#define REVISION_MODERN 1
#define PIN_A 1

/* BAR 0, by pages: see struct virtio_pci. */
#define COMMON_OFF KIB(0)
#define ISR_OFF KIB(4)
#define CONFIG_OFF KIB(8)
#define NOTIFY_OFF KIB(12)
#define MSIX_OFF KIB(16)
#define PBA_OFF KIB(20)
#define BAR_SIZE KIB(32)
#define NOTIFY_STEP 4 /* [bytes] from the doorbell of a queue to the next */

/* Capabilities in configuration space, after PCI Express and MSI-X. */
#define CAP_COMMON 0x90
#define CAP_NOTIFY 0xa0
#define CAP_ISR 0xb4
#define CAP_CONFIG 0xc4
#define CAP_PCI_CFG 0xd4
#define PCI_CFG_DATA (CAP_PCI_CFG + (unsigned)sizeof(struct virtio_pci_cap))

#define ISR_QUEUE 1
#define ISR_CONFIG 2

WALL_CALL(main, eventfd2);
WALL_CALL(main, read);

static struct virtio_pci *pci_of(struct endpoint *p)
{
	return container_of(p, struct virtio_pci, endpoint);
}

static struct virtq *selected_queue(struct virtio_pci *p)
{
	return p->queue_select < p->device->queue_count ? &p->device->queues[p->queue_select]
							: NULL;
}

/* A 64-bit field is read and written by halves, or at once. */
static uint32_t half_get(uint64_t value, unsigned high)
{
	return (uint32_t)(high ? value >> 32 : value);
}

static uint64_t half_set(uint64_t old, unsigned high, uint32_t value)
{
	return high ? (old & UINT32_MAX) | (uint64_t)value << 32
		    : (old & ~(uint64_t)UINT32_MAX) | value;
}

#define FIELD(name) offsetof(struct virtio_pci_common_cfg, name)
#define COMMON_SIZE (VIRTIO_PCI_COMMON_Q_RESET + 2U) /* [bytes] */

static uint64_t queue_field_read(struct virtio_pci *p, uint64_t off)
{
	struct virtq *q = selected_queue(p);

	if (!q)
		return 0; /* size 0: there is no such queue */
	switch (off) {
	case FIELD(queue_size):
		return q->size;
	case FIELD(queue_msix_vector):
		return p->queue_vectors[p->queue_select];
	case FIELD(queue_enable):
		return q->enabled;
	case FIELD(queue_notify_off):
		return p->queue_select;
	case VIRTIO_PCI_COMMON_Q_RESET:
		return virtio_queue_is_resetting(p->device, p->queue_select);
	case FIELD(queue_desc_lo):
	case FIELD(queue_desc_hi):
		return half_get(q->desc.v, off == FIELD(queue_desc_hi));
	case FIELD(queue_avail_lo):
	case FIELD(queue_avail_hi):
		return half_get(q->avail.v, off == FIELD(queue_avail_hi));
	case FIELD(queue_used_lo):
	case FIELD(queue_used_hi):
		return half_get(q->used.v, off == FIELD(queue_used_hi));
	default:
		return 0;
	}
}

static uint64_t common_read(struct virtio_pci *p, uint64_t off)
{
	struct virtio_device *d = p->device;

	switch (off) {
	case FIELD(device_feature_select):
		return p->offered_select;
	case FIELD(device_feature):
		return p->offered_select < 2 ? half_get(d->offered, p->offered_select) : 0;
	case FIELD(guest_feature_select):
		return p->accepted_select;
	case FIELD(guest_feature):
		return p->accepted_select < 2 ? half_get(d->accepted, p->accepted_select) : 0;
	case FIELD(msix_config):
		return p->config_vector;
	case FIELD(num_queues):
		return d->queue_count;
	case FIELD(device_status):
		return virtio_status_get(d);
	case FIELD(config_generation):
		return d->config_generation;
	case FIELD(queue_select):
		return p->queue_select;
	default:
		return queue_field_read(p, off);
	}
}

/* Ref: virtio 1.2, 4.1.5.1.2.1: a vector that is not there reads back as none. */
static uint16_t vector_or_none(const struct virtio_pci *p, uint64_t value)
{
	return value < p->endpoint.msix.count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static void vectors_moved(struct virtio_pci *p)
{
	if (p->device->ops->rewired)
		p->device->ops->rewired(p->device);
}

/* The places of a queue's rings are settled once it is enabled. */
static void queue_field_write(struct virtio_pci *p, uint64_t off, uint64_t value)
{
	struct virtq *q = selected_queue(p);

	if (!q)
		return;
	if (off == FIELD(queue_msix_vector)) {
		p->queue_vectors[p->queue_select] = vector_or_none(p, value);
		vectors_moved(p);
		return;
	}
	if (off == VIRTIO_PCI_COMMON_Q_RESET && value == 1)
		virtio_queue_reset(p->device, p->queue_select);
	if (q->enabled)
		return;
	switch (off) {
	case FIELD(queue_size):
		q->size = (uint16_t)value;
		break;
	case FIELD(queue_enable):
		if (value == 1)
			virtio_queue_enable(p->device, p->queue_select);
		break;
	case FIELD(queue_desc_lo):
	case FIELD(queue_desc_hi):
		q->desc.v = half_set(q->desc.v, off == FIELD(queue_desc_hi), (uint32_t)value);
		break;
	case FIELD(queue_avail_lo):
	case FIELD(queue_avail_hi):
		q->avail.v = half_set(q->avail.v, off == FIELD(queue_avail_hi), (uint32_t)value);
		break;
	case FIELD(queue_used_lo):
	case FIELD(queue_used_hi):
		q->used.v = half_set(q->used.v, off == FIELD(queue_used_hi), (uint32_t)value);
		break;
	default:
		break;
	}
}

static void line_update(struct virtio_pci *p)
{
	endpoint_set_intx(&p->endpoint, p->isr && !p->endpoint.msix.on);
}

/* What a reset of the device, by its status register or by the bus, does to the transport. */
static void registers_reset(struct virtio_pci *p)
{
	p->offered_select = p->accepted_select = 0;
	p->queue_select = 0;
	p->config_vector = VIRTIO_MSI_NO_VECTOR;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		p->queue_vectors[i] = VIRTIO_MSI_NO_VECTOR;
	p->isr = 0;
}

static void status_write(struct virtio_pci *p, uint8_t status)
{
	virtio_status_set(p->device, status);
	if (!status) {
		registers_reset(p);
		line_update(p);
	}
}

static void common_write(struct virtio_pci *p, uint64_t off, uint64_t value)
{
	struct virtio_device *d = p->device;

	switch (off) {
	case FIELD(device_feature_select):
		p->offered_select = (uint32_t)value;
		break;
	case FIELD(guest_feature_select):
		p->accepted_select = (uint32_t)value;
		break;
	case FIELD(guest_feature):
		if (p->accepted_select < 2)
			virtio_accept(
				d, half_set(d->accepted, p->accepted_select, (uint32_t)value));
		break;
	case FIELD(msix_config):
		p->config_vector = vector_or_none(p, value);
		break;
	case FIELD(device_status):
		status_write(p, (uint8_t)value);
		break;
	case FIELD(queue_select):
		p->queue_select = (uint16_t)value;
		break;
	default:
		queue_field_write(p, off, value);
		break;
	}
}

static uint8_t isr_take(struct virtio_pci *p)
{
	const uint8_t isr = p->isr;

	p->isr = 0;
	line_update(p);
	return isr;
}

static uint64_t config_field_read(struct virtio_pci *p, uint64_t off, unsigned size)
{
	const struct virtio_ops *ops = p->device->ops;
	uint8_t bytes[8] = {0};

	if (!range_ok(off, size, ops->config_size))
		return 0;
	ops->config_read(p->device, (uint32_t)off, bytes, size);
	return le_get(bytes, size);
}

static void config_field_write(struct virtio_pci *p, uint64_t off, unsigned size, uint64_t value)
{
	const struct virtio_ops *ops = p->device->ops;
	uint8_t bytes[8];

	if (!ops->config_write || !range_ok(off, size, ops->config_size))
		return;
	le_put(bytes, size, value);
	ops->config_write(p->device, (uint32_t)off, bytes, size);
}

static uint64_t register_read(struct endpoint *e, unsigned bar, uint64_t off, unsigned size)
{
	struct virtio_pci *p = pci_of(e);

	if (off >= NOTIFY_OFF)
		return 0;
	if (off >= CONFIG_OFF)
		return config_field_read(p, off - CONFIG_OFF, size);
	if (off >= ISR_OFF)
		return off == ISR_OFF ? isr_take(p) : 0;
	if (size == 8)
		return common_read(p, off) | common_read(p, off + 4) << 32;
	return common_read(p, off) & all_ones(size);
}

static void register_write(
	struct endpoint *e, unsigned bar, uint64_t off, unsigned size, uint64_t value)
{
	struct virtio_pci *p = pci_of(e);

	/* A doorbell that KVM did not take: by PCI_CFG, or of another width. */
	if (off >= NOTIFY_OFF && off < MSIX_OFF) {
		virtio_rang(p->device, (unsigned)((off - NOTIFY_OFF) / NOTIFY_STEP));
	} else if (off >= CONFIG_OFF && off < NOTIFY_OFF) {
		config_field_write(p, off - CONFIG_OFF, size, value);
	} else if (off < ISR_OFF) {
		common_write(p, off, value & all_ones(size == 8 ? 4 : size));
		if (size == 8)
			common_write(p, off + 4, value >> 32);
	}
}

/* Ref: virtio 1.2, 4.1.4.9: the driver writes bar, offset, length, then accesses the data. */
static bool window_of(struct virtio_pci *p, unsigned off, unsigned size, uint32_t *ret)
{
	const uint8_t *cap = p->endpoint.bytes + CAP_PCI_CFG;
	const uint32_t length = le32_get(cap + offsetof(struct virtio_pci_cap, length));

	*ret = le32_get(cap + offsetof(struct virtio_pci_cap, offset));
	return off == PCI_CFG_DATA && cap[offsetof(struct virtio_pci_cap, bar)] == 0 &&
	       length == size && !(*ret & (size - 1)) && range_ok(*ret, size, BAR_SIZE);
}

static bool window_read(struct endpoint *e, unsigned off, unsigned size, uint32_t *ret)
{
	uint32_t at;

	if (!window_of(pci_of(e), off, size, &at))
		return false;
	*ret = (uint32_t)endpoint_bar_read(e, 0, at, size);
	return true;
}

static void window_wrote(struct endpoint *e, unsigned off, unsigned size, uint32_t value)
{
	struct virtio_pci *p = pci_of(e);
	uint32_t at;

	if (window_of(p, off, size, &at))
		endpoint_bar_write(e, 0, at, size, value);
	/* The driver may have turned MSI-X on or off. */
	line_update(p);
	vectors_moved(p);
}

/* The driver's own reset leaves the window alone, for it may have come through it. */
static void window_reset(struct virtio_pci *p)
{
	uint8_t *cap = p->endpoint.bytes + CAP_PCI_CFG;

	cap[offsetof(struct virtio_pci_cap, bar)] = 0;
	memset(cap + offsetof(struct virtio_pci_cap, offset), 0, 2 * sizeof(uint32_t));
}

static void function_reset(struct endpoint *e)
{
	struct virtio_pci *p = pci_of(e);

	virtio_reset(p->device);
	registers_reset(p);
	window_reset(p);
}

static void kicks_close(struct virtio_pci *p)
{
	for (unsigned i = 0; i < p->device->queue_count; i++) {
		if (p->kicks[i].in_loop)
			loop_remove(&p->endpoint.vm->loop, &p->kicks[i].source);
	}
	loop_settle(&p->endpoint.vm->loop);
	for (unsigned i = 0; i < p->device->queue_count; i++)
		fd_close(&p->kicks[i].source.fd);
}

/* The end of the list, or the place of @p in it. */
static struct virtio_pci **list_find(struct vm *vm, const struct virtio_pci *p)
{
	struct virtio_pci **at = &vm->virtio;

	while (*at && *at != p)
		at = &(*at)->next;
	return at;
}

static void function_halt(struct endpoint *e)
{
	struct virtio_device *d = pci_of(e)->device;

	if (d->ops->halt)
		d->ops->halt(d);
}

static void function_fini(struct endpoint *e)
{
	struct virtio_pci *p = pci_of(e);
	struct virtio_pci **at = list_find(e->vm, p);

	if (*at)
		*at = p->next;
	kicks_close(p);
	p->device->ops->fini(p->device);
}

static const struct endpoint_ops virtio_pci_ops = {
	.name = "virtio",
	.read = register_read,
	.write = register_write,
	.config_read = window_read,
	.config_wrote = window_wrote,
	.reset = function_reset,
	.eject = function_reset,
	.halt = function_halt,
	.fini = function_fini,
};

static void interrupt_send(struct virtio_pci *p, uint16_t vector, uint8_t isr)
{
	if (p->endpoint.msix.on) {
		if (vector != VIRTIO_MSI_NO_VECTOR)
			func_msix_signal(&p->endpoint.msix, vector);
		return;
	}
	p->isr |= isr;
	line_update(p);
}

static void queue_interrupt(struct virtio_transport *t, unsigned n)
{
	struct virtio_pci *p = container_of(t, struct virtio_pci, transport);

	interrupt_send(p, p->queue_vectors[n], ISR_QUEUE);
}

static int queue_vector(struct virtio_transport *t, unsigned n)
{
	const struct virtio_pci *p = container_of(t, struct virtio_pci, transport);
	const uint16_t vector = p->queue_vectors[n];

	return p->endpoint.msix.on && vector != VIRTIO_MSI_NO_VECTOR ? vector : -1;
}

static int vector_eventfd(struct virtio_transport *t, unsigned vector)
{
	struct virtio_pci *p = container_of(t, struct virtio_pci, transport);

	return func_msix_eventfd(&p->endpoint.msix, vector);
}

static void config_interrupt(struct virtio_transport *t)
{
	struct virtio_pci *p = container_of(t, struct virtio_pci, transport);

	interrupt_send(p, p->config_vector, ISR_CONFIG);
}

static void cap_add(struct virtio_pci *p, unsigned at, unsigned size, uint8_t type, uint64_t off,
	uint64_t length)
{
	struct func_config *c = &p->endpoint.config;

	func_config_add_cap(c, PCI_CAP_ID_VNDR, at);
	func_config_set(c, at + offsetof(struct virtio_pci_cap, cap_len), 1, size, 0);
	func_config_set(c, at + offsetof(struct virtio_pci_cap, cfg_type), 1, type, 0);
	func_config_set(c, at + offsetof(struct virtio_pci_cap, offset), 4, (uint32_t)off, 0);
	func_config_set(c, at + offsetof(struct virtio_pci_cap, length), 4, (uint32_t)length, 0);
}

static void caps_add(struct virtio_pci *p)
{
	const unsigned plain = sizeof(struct virtio_pci_cap);
	struct func_config *c = &p->endpoint.config;

	cap_add(p, CAP_COMMON, plain, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFF, COMMON_SIZE);
	cap_add(p, CAP_NOTIFY, sizeof(struct virtio_pci_notify_cap), VIRTIO_PCI_CAP_NOTIFY_CFG,
		NOTIFY_OFF, (uint64_t)NOTIFY_STEP * p->device->queue_count);
	func_config_set(c,
		CAP_NOTIFY + offsetof(struct virtio_pci_notify_cap, notify_off_multiplier), 4,
		NOTIFY_STEP, 0);
	cap_add(p, CAP_ISR, plain, VIRTIO_PCI_CAP_ISR_CFG, ISR_OFF, 1);
	if (p->device->ops->config_size)
		cap_add(p, CAP_CONFIG, plain, VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG_OFF,
			p->device->ops->config_size);
	cap_add(p, CAP_PCI_CFG, sizeof(struct virtio_pci_cfg_cap), VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
	func_config_set(c, CAP_PCI_CFG + offsetof(struct virtio_pci_cap, bar), 1, 0, 0xff);
	func_config_set(c, CAP_PCI_CFG + offsetof(struct virtio_pci_cap, offset), 4, 0, UINT32_MAX);
	func_config_set(c, CAP_PCI_CFG + offsetof(struct virtio_pci_cap, length), 4, 0, UINT32_MAX);
	func_config_set(c, PCI_CFG_DATA, 4, 0, UINT32_MAX);
}

/* Context: main thread. */
static void on_kick(struct loop_source *s, uint32_t events)
{
	struct virtio_kick *k = container_of(s, struct virtio_kick, source);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(&k->pci->endpoint.lock);
	virtio_rang(k->pci->device, k->queue);
	lock_drop(&k->pci->endpoint.lock);
}

/* Whether queue @n has the doorbell of queue 0, which the type watches. */
static bool kick_is_shared(const struct virtio_pci *p, unsigned n)
{
	return n && p->device->ops->one_doorbell && !p->kicks[0].in_loop;
}

WALL_CALL(main, fcntl, F_DUPFD_CLOEXEC);

static int kick_open(const struct virtio_pci *p, unsigned n)
{
	const int fd = kick_is_shared(p, n) ? fcntl(p->kicks[0].source.fd, F_DUPFD_CLOEXEC, 0)
					    : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* Ref: virtio 1.2, 4.1.5.2: the driver writes the queue's number, 16 bits. */
static int kick_add(struct virtio_pci *p, unsigned n, struct err *e)
{
	struct virtio_kick *k = &p->kicks[n];
	struct virtio_device *d = p->device;

	*k = (struct virtio_kick){.pci = p, .queue = n, .source = {.ready = on_kick}};
	k->source.fd = kick_open(p, n);
	if (k->source.fd < 0)
		return err_set(e, k->source.fd, "make the doorbell of a virtio queue");
	k->doorbell = (struct bus_doorbell){
		.off = NOTIFY_OFF + (uint64_t)NOTIFY_STEP * n,
		.size = 2,
		.eventfd = k->source.fd,
	};
	int r = func_bar_add_doorbell(&p->endpoint.bars.bar[0], &k->doorbell, e);
	if (r < 0 || kick_is_shared(p, n) ||
		(d->ops->watches && d->ops->watches(d, n, k->source.fd)))
		return r;
	r = loop_add(&p->endpoint.vm->loop, &k->source, e);
	k->in_loop = r >= 0;
	return r;
}

/* The first one is for changes of the configuration. */
static unsigned vector_count(const struct virtio_device *d)
{
	return 1 + (d->ops->one_vector ? 1 : d->queue_count);
}

int virtio_pci_init(
	struct virtio_pci *p, struct vm *vm, struct virtio_device *d, uint32_t class, struct err *e)
{
	const struct endpoint_ids ids = {.vendor = VENDOR_VIRTIO,
		.device = (uint16_t)(DEVICE_MODERN + d->ops->type),
		.subsystem_vendor = VENDOR_VIRTIO,
		.subsystem = (uint16_t)(DEVICE_MODERN + d->ops->type),
		.class = class,
		.revision = REVISION_MODERN};
	const struct func_span whole = {.off = 0, .size = BAR_SIZE};

	*p = (struct virtio_pci){.device = d,
		.transport = {.interrupt = queue_interrupt,
			.vector = queue_vector,
			.vector_fd = vector_eventfd,
			.changed = config_interrupt}};
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		p->kicks[i].source.fd = -1;
	endpoint_init(&p->endpoint, vm, &virtio_pci_ops, &ids, PIN_A);
	d->transport = &p->transport;
	d->offered &= vm->packed_rings ? UINT64_MAX : ~BIT64(VIRTIO_F_RING_PACKED);
	d->lock = &p->endpoint.lock;
	registers_reset(p);
	int r = endpoint_add_bar(&p->endpoint, 0, FUNC_BAR_MEM32, BAR_SIZE, false, &whole, 1, e);
	if (r >= 0)
		r = endpoint_add_msix(&p->endpoint, vector_count(d), 0, MSIX_OFF, PBA_OFF, e);
	if (r >= 0)
		caps_add(p);
	for (unsigned i = 0; r >= 0 && i < d->queue_count; i++)
		r = kick_add(p, i, e);
	if (r >= 0)
		*list_find(vm, p) = p;
	return r;
}

void virtio_pci_share(struct virtio_pci *p)
{
	func_msix_share(&p->endpoint.msix);
	for (unsigned i = 0; i < p->device->queue_count; i++)
		p->kicks[i].doorbell.foreign = true;
}

void virtio_pci_fini(struct virtio_pci *p)
{
	p->endpoint.func.ops->fini(&p->endpoint.func);
}
