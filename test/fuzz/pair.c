/* SPDX-License-Identifier: MIT */
/*
 * Two passed-through devices behind real root ports, with slots, faults and removal: the guest
 * renumbers buses, moves BARs over each other, over ECAM and over RAM, turns slots off; the host
 * wants its devices back, resets all, reports errors, and puts a device in again. What must hold is
 * what rig_check() asserts after each step, that DMA mappings never overlap, and that everything is
 * gone at the end.
 *
 * Input: 1 byte fixtures, 1 byte flags, 1 byte count of patches, 4 bytes each (device, offset,
 * offset, value); then steps of 8 bytes: what, size and device, offset (2), value (4).
 *
 * covers: src/vmm/pci/space.c src/vmm/pci/bar.c src/vmm/pci/slot.c src/vmm/pci/rootport.c
 * covers: src/vmm/pass/bar.c src/vmm/pass/function.c src/vmm/pass/device.c src/vmm/pass/event.c
 */
#include "base/endian.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "pass/pass_rig.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"
#include "vmm/pass/pass.h"
#include "vmm/pci/firmware.h"
#include "vmm/pci/root.h"

#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ECAM UINT64_C(0xe8000000)
#define DMA_MAX 256
#define FLAG_PEERS 1

static const char *const names[] = {"nvme", "e1000e", "accel", "nvme_vf"};
static uint8_t ram[MIB(2)] __attribute__((aligned(4096)));

static struct pass_dev *devices[2];
static const char *fixtures[2];

/* What the "IOMMU" has. */
static struct {
	uint64_t iova, size;
} dma[DMA_MAX];
static unsigned dma_count;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	log_set_level(LOG_LEVEL_ERR);
	rig_single_thread = true;
	return 0;
}

/* The rest of vmm/irq, for root ports. */

int irq_init(struct irq *q, int vm_fd, struct err *e)
{
	return 0;
}

int irq_renew(struct irq *q, int vm_fd, struct err *e)
{
	return 0;
}

void irq_fini(struct irq *q)
{
}

int irq_line(struct irq *q, int pin, bool level)
{
	return 0;
}

static int dma_map(struct vfio_ioas *s, iova_t iova, void *host, uint64_t size, unsigned access)
{
	for (unsigned i = 0; i < dma_count; i++)
		ck_assert(!(dma[i].iova < iova.v + size && iova.v < dma[i].iova + dma[i].size));
	ck_assert(dma_count < DMA_MAX);
	dma[dma_count].iova = iova.v;
	dma[dma_count++].size = size;
	return 0;
}

static int dma_unmap(struct vfio_ioas *s, iova_t iova, uint64_t size, uint64_t *ret)
{
	for (unsigned i = 0; i < dma_count; i++) {
		if (dma[i].iova != iova.v || dma[i].size != size)
			continue;
		dma[i] = dma[--dma_count];
		*ret = size;
		return 0;
	}
	*ret = 0;
	return 0;
}

static void dma_close(struct vfio_ioas *s)
{
}

static const struct vfio_ioas_ops dma_ops = {
	.name = "fuzz", .map = dma_map, .unmap = dma_unmap, .close = dma_close};

static struct vfio_model *model_of(unsigned n)
{
	return n ? &rig.second : &rig.model;
}

/* Puts device @n into a slot; one that cannot be learned stays outside. Return: 0, -errno. */
static int insert(unsigned n, struct pass_dev *d)
{
	struct err e;

	int r = pass_dev_learn(d, &e);
	if (r >= 0)
		r = pci_plug(&rig.vm, &d->func, d->name, &e);
	if (r < 0) {
		pass_dev_unlearn(d);
		vfio_dev_close(&d->vfio);
		worker_fini(&d->worker);
		pass_dev_free(d);
		return r;
	}
	d->group = (int)n;
	pass_domain_link(rig.vm.pass, d);
	devices[n] = d;
	return 0;
}

static struct pass_dev *make(unsigned n)
{
	struct err e;
	struct pass_dev *d = pass_func_new(&rig.vm, (struct pci_address){.bus = (uint8_t)(n + 1)});

	ck_assert_ptr_nonnull(d);
	d->worker.in_caller = rig_single_thread;
	ck_assert_int_eq(vfio_dev_from_model(&vfio_model_ops, model_of(n), &d->vfio, &e), 0);
	return d;
}

static void arrange_machine(bool peers)
{
	const struct pci_window ecam = {.base = ECAM, .size = MIB(64)};
	const struct memory_range r = {.gpa = GPA(0), .size = sizeof(ram), .host = ram};
	const struct vfio_ioas ioas = {.ops = &dma_ops, .fd = -1};
	const struct vfio_iommu iommu = {0};
	struct pass_domain *g;
	struct err e;

	dma_count = 0;
	ck_assert_int_eq(memory_add(&rig.vm.memory, &r, &e), 0);
	ck_assert_int_eq(pci_init(&rig.vm, &ecam, &e), 0);
	ck_assert_int_eq(pass_domain_start(&rig.vm, &ioas, &iommu, &g, &e), 0);
	if (peers)
		pass_domain_peers(g);
}

static uint32_t root_read(void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
	return pci_config_read_at(ctx, bus, devfn, off, size);
}

static void root_write(
	void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size, uint32_t value)
{
	pci_config_write_at(ctx, bus, devfn, off, size, value);
}

/* As machine_init() does it; one slot stays empty. */
static void finish_machine(void)
{
	const struct firmware_access access = {root_read, root_write, rig.vm.pci};
	const struct pci_windows windows = {.io = {0x1000, 0xf000},
		.mem32 = {0xc0000000, 0x28000000},
		.mem64 = {GIB(16), GIB(64)}};
	struct firmware_result result;

	ck_assert_int_eq(pci_add_port(&rig.vm, NULL), 0);
	pci_seal(&rig.vm);
	(void)firmware_place(&access, &windows, &result, NULL);
}

static void end_machine(void)
{
	rig.map_error = 0;
	/* When the last device of a container leaves, the kernel forgets what was mapped. */
	bool deserted = rig.vm.pass->deserted;
	pci_fini(&rig.vm);
	rig.dev = NULL;
	ck_assert_uint_eq(rig.vm.memory.count, 1);
	(void)memory_remove(&rig.vm.memory, GPA(0));
	ck_assert(deserted || !dma_count);
	pass_fini(&rig.vm);
	vfio_model_free(&rig.second);
	rig_end();
}

/* The guest writes to, and reads from, the configuration space of any function on any bus. */
static void access_config(const uint8_t *s, unsigned size, unsigned off, uint32_t value)
{
	unsigned bus = s[1] >> 4 & 3;
	uint64_t at = ECAM + ((uint64_t)bus << 20);

	size = size > 4 ? 4 : size;
	if (!bus)
		at += (uint64_t)(off >> 13 & 3) << 15;
	at += (s[0] & 16 ? off % 256 : off % 4096) & ~(size - 1);
	bus_write(&rig.vm.mmio, at, size, value);
	(void)bus_read(&rig.vm.mmio, at, size);
}

static void put_config(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	lock_take(d->func.lock);
	d->func.ops->config_write(&d->func, off, size, value);
	lock_drop(d->func.lock);
}

/* A BAR or ROM of @d to a place that others like as well. */
static void move_bar(struct pass_dev *d, unsigned off, uint32_t value)
{
	static const uint64_t places[] = {0, 0xc0000000, 0xc0001000, 0xc0100000, ECAM - 0x1000,
		ECAM, 0x1000, 0x100000, 0xfffff000, 0xc0004000};
	unsigned reg = off % 7 == 6 ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * (off % 6);
	uint64_t place = places[value % COUNT(places)];

	if (value & 0x100)
		place |= (uint64_t)(value >> 9 & 7) << 32;
	if (value & 0x2000)
		place += (uint64_t)(value >> 14 & 255) * 0x1000;
	put_config(d, reg, 4, (uint32_t)place | (reg == PCI_ROM_ADDRESS));
	if (value & 0x1000 && reg < PCI_BASE_ADDRESS_5)
		put_config(d, reg + 4, 4, (uint32_t)(place >> 32));
}

static void access_range(struct bus *b, unsigned size, unsigned off, uint32_t value)
{
	if (!b->count)
		return;
	const struct bus_range *r = b->ranges[value % b->count];
	uint64_t at = r->base + off % r->size;

	bus_write(b, at, size, value);
	(void)bus_read(b, at, size);
}

/* An access that comes late: its page is mapped by now. */
static void access_late(unsigned size, unsigned off, uint32_t value)
{
	const struct memory_range r = rig.vm.memory.ranges[value % rig.vm.memory.count];

	bus_write(&rig.vm.mmio, r.gpa.v + off % r.size, size, value);
	(void)bus_read(&rig.vm.mmio, r.gpa.v + r.size - size, size);
}

/* The host's kernel signals @v. */
static void fire(struct pass_event *v)
{
	if (v->source.fd < 0)
		return;
	(void)eventfd_write(v->source.fd, 1);
	v->source.ready(&v->source, 0);
	rig_serve();
}

/* The guest's time to release @d is over. */
static void pass_deadline(struct pass_dev *d)
{
	const struct itimerspec soon = {.it_value = {.tv_nsec = 1}};
	struct loop_source *s = &d->events.deadline.source;
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	if (s->fd < 0)
		return;
	ck_assert_int_eq(timerfd_settime(s->fd, 0, &soon, NULL), 0);
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	rig_serve();
}

static void change_host(struct vfio_model *m, unsigned off, uint32_t value)
{
	rig.refuse_attach = value & 1;
	rig.map_error = (value & 6) == 6 ? -ENOSPC : 0;
	m->dead = (value & 0x18) == 0x18;
	m->vectors_max = off % 8;
	m->reset_error = value & 0x20 ? -EIO : 0;
	m->bus_count = value & 0x40 ? 1 : 0;
	m->bus_devfn[0] = 0;
}

/* Takes card @n out, or puts one into a slot that the guest has left. */
static void move_card(unsigned n, uint32_t value)
{
	if (!pass_dev_is_dropped(devices[n])) {
		if (value & 1)
			pci_unplug(&devices[n]->func);
		else
			pci_request_unplug(&devices[n]->func);
		return;
	}
	rig_settle();
	if (rig.vm.pass->deserted)
		return; /* as pass_domain_join() does */
	vfio_model_free(model_of(n));
	vfio_model_load(model_of(n), FIXTURES, fixtures[n]);
	struct pass_dev *d = make(n);
	if (insert(n, d) < 0)
		return;
	if (!n)
		rig.dev = d;
	pci_announce(&d->func);
}

static void step(const uint8_t *s)
{
	unsigned n = s[1] >> 2 & 1, size = 1U << (s[1] & 3), off = le16_get(s + 2);
	uint32_t value = le32_get(s + 4);
	struct pass_dev *d = devices[n];
	struct vfio_model *m = model_of(n);

	switch (s[0] & 15) {
	case 0:
	case 1:
	case 2:
		access_config(s, size, off, value);
		break;
	case 3:
		move_bar(d, off, value);
		break;
	case 4:
	case 5:
		access_range(s[0] & 16 ? &rig.vm.ports : &rig.vm.mmio, size, off, value);
		break;
	case 6:
		access_late(size, off, value);
		break;
	case 7:
		if (m->fds[off % MODEL_VECTORS] >= 0)
			(void)eventfd_write(m->fds[off % MODEL_VECTORS], 1);
		break;
	case 8:
		change_host(m, off, value);
		break;
	case 9:
		(void)vm_cure(&rig.vm, vm_cures(&rig.vm) - !(value & 1));
		break;
	case 10:
		fire(&d->events.request);
		break;
	case 11:
		if (!(value & 15))
			fire(&d->events.error);
		break;
	case 12:
		pass_deadline(d);
		break;
	case 13:
		if (!(value & 3))
			pci_reset(&rig.vm);
		break;
	case 14:
		if (!(value & 7))
			move_card(n, value >> 3);
		break;
	default:
		put_config(d, PCI_COMMAND, 2, value & 7);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	if (size < 3)
		return 0;
	fixtures[0] = names[data[0] % COUNT(names)];
	fixtures[1] = names[data[0] / COUNT(names) % COUNT(names)];
	rig_prepare(FIXTURES, fixtures[0]);
	vfio_model_load(&rig.second, FIXTURES, fixtures[1]);
	arrange_machine(data[1] & FLAG_PEERS);
	unsigned patches = data[2];
	for (data += 3; patches && end - data >= 4; patches--, data += 4)
		model_of(data[0] & 1)->config[le16_get(data + 1) % 4096] = data[3];
	if (insert(0, rig.dev) == 0 && insert(1, make(1)) == 0) {
		finish_machine();
		for (; end - data >= 8; data += 8) {
			step(data);
			rig_forget(); /* and checks */
		}
	}
	end_machine();
	return 0;
}
