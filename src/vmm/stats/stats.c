/* SPDX-License-Identifier: MIT */
#include "vmm/stats/stats.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/cpu.h"
#include "vmm/machine.h"
#include "vmm/pass/count.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/stats/figures.h"
#include "vmm/stats/kvmstat.h"
#include "vmm/virtio/pci.h"
#include "vmm/wall.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct pass_dev *first_device(const struct vm *vm)
{
	return vm->pass ? vm->pass->devices : NULL;
}

static void counts_take(struct machine *m, int interrupts_fd)
{
	for (struct pass_dev *d = first_device(&m->vm); d; d = d->next)
		pass_count_take(d, interrupts_fd);
}

void stats_take(struct machine *m)
{
	counts_take(m, m->vm.interrupts_fd);
	/* Interrupts from here on belong to the end of the machine. Workers read it. */
	__atomic_store_n(&m->vm.interrupts_fd, -1, __ATOMIC_RELAXED);
}

static void put_exits(const struct vm *vm, struct figures *f)
{
	uint64_t total = 0;

	figures_open(f, "exits");
	for (unsigned reason = 0; reason < CPU_EXITS; reason++) {
		uint64_t n = cpus_exits(vm, reason);
		if (n)
			figures_number(f, cpu_exit_name(reason), n);
		total += n;
	}
	figures_number(f, "total", total);
	figures_number(f, "coalesced", vm->coalesce.taken);
	figures_number(f, "faults", vm->faults);
	figures_close(f);
}

/* Ranges of emulated devices. Those of a passed-through device are reported with the device. */
static void put_bus(struct bus *b, struct figures *f)
{
	figures_open(f, b->name);
	(void)pthread_rwlock_rdlock(&b->guard);
	for (size_t i = 0; i < b->count; i++) {
		const struct bus_range *r = b->ranges[i];
		if (!func_is_piece(r) && r->reads + r->writes)
			figures_number(f, r->name, r->reads + r->writes);
	}
	(void)pthread_rwlock_unlock(&b->guard);
	figures_number(f, "nobody", b->missed);
	figures_close(f);
}

static void put_guest_memory(const struct balloon_stats *s, struct figures *f)
{
	figures_open(f, "guest");
	for (unsigned i = 0; i < BALLOON_STATS; i++)
		if (s->known & 1U << i)
			figures_number(f, balloon_stats_name(i), s->values[i]);
	figures_close(f);
}

static void put_balloon(struct vm *vm, struct figures *f)
{
	const struct virtio_balloon_figures b = virtio_balloon_look(vm);

	if (!(b.wanted | b.held | b.returned | b.guest.known))
		return;
	figures_open(f, "balloon");
	figures_number(f, "wanted", b.wanted);
	figures_number(f, "held", b.held);
	figures_number(f, "returned", b.returned);
	if (b.guest.known)
		put_guest_memory(&b.guest, f);
	figures_close(f);
}

static void put_memory(struct machine *m, struct figures *f)
{
	struct memory *mem = &m->vm.memory;
	uint64_t dma = 0;

	(void)pthread_mutex_lock(&mem->lock);
	for (size_t i = 0; i < mem->count; i++)
		if (mem->ranges[i].kind == MEMORY_RAM)
			dma += mem->ranges[i].size;
	(void)pthread_mutex_unlock(&mem->lock);
	figures_open(f, "memory");
	figures_number(f, "ram", mem->ram_size);
	figures_number(f, "for_dma", m->vm.pass ? dma : 0);
	figures_number(f, "peers", m->vm.pass ? m->vm.pass->peer_bytes : 0);
	put_balloon(&m->vm, f);
	figures_close(f);
}

static void put_vectors(
	const struct func_vector *v, unsigned count, const char *kind, struct figures *f)
{
	char names[16];

	figures_open(f, kind);
	for (unsigned n = 0; n < count; n++) {
		if (v[n].eventfd < 0 && !v[n].signals)
			continue;
		(void)snprintf(names, sizeof(names), "%u", n);
		figures_number(f, names, v[n].signals);
	}
	figures_close(f);
}

/* Exits by BAR: its trapped pieces are summed up, since the guest does not see pieces. */
static void put_bar(const struct func_bar *b, struct figures *f)
{
	uint64_t exits = 0, mapped = 0;

	for (unsigned i = 0; i < b->piece_count; i++) {
		exits += b->pieces[i].range.reads + b->pieces[i].range.writes;
		mapped += b->pieces[i].host ? b->pieces[i].range.size : 0;
	}
	figures_open(f, b->pieces[0].range.name);
	figures_number(f, "exits", exits);
	figures_number(f, "mapped", mapped);
	figures_number(f, "size", b->size);
	figures_close(f);
}

static void put_device(struct pass_dev *d, struct figures *f)
{
	figures_open(f, d->name);
	lock_take(&d->lock);
	figures_number(f, "resets", d->resets);
	figures_number(f, "bus_resets", d->bus_resets);
	figures_number(f, "config_reads", d->config_reads);
	figures_number(f, "config_writes", d->config_writes);
	for (unsigned i = 0; i < FUNC_BARS; i++)
		if (d->bars.bar[i].piece_count)
			put_bar(&d->bars.bar[i], f);
	if (d->intx.signals)
		figures_number(f, "intx", d->intx.signals);
	put_vectors(d->msi.vectors, d->msi.count, "msi", f);
	put_vectors(d->msix.guest.vectors, d->msix.guest.count, "msix", f);
	lock_drop(&d->lock);
	figures_close(f);
}

/* 1: the wall stands. */
static void put_walls(struct figures *f)
{
	figures_open(f, "walls");
	for (enum wall_part p = 0; p < WALL_PARTS; p++)
		figures_number(f, wall_name(p), wall_stands(p));
	figures_close(f);
}

static uint64_t endpoint_exits(const struct endpoint *p)
{
	uint64_t exits = 0;

	for (unsigned i = 0; i < FUNC_BARS; i++)
		for (unsigned k = 0; k < p->bars.bar[i].piece_count; k++)
			exits += p->bars.bar[i].pieces[k].range.reads +
				 p->bars.bar[i].pieces[k].range.writes;
	return exits;
}

/* Doorbells are not counted: KVM takes them without usher-vmm. */
static void put_virtio(struct virtio_pci *p, unsigned number, struct figures *f)
{
	const struct virtio_device *d = p->device;
	char name[32], queue[16];

	(void)snprintf(name, sizeof(name), "%s-%u", d->ops->name, number);
	figures_open(f, name);
	lock_take(&p->endpoint.lock);
	figures_number(f, "exits", endpoint_exits(&p->endpoint));
	for (unsigned i = 0; i < d->queue_count; i++) {
		(void)snprintf(queue, sizeof(queue), "queue%u", i);
		figures_open(f, queue);
		figures_number(f, "chains", d->counts[i].chains);
		figures_number(f, "interrupts", d->counts[i].interrupts);
		figures_close(f);
	}
	lock_drop(&p->endpoint.lock);
	figures_close(f);
}

/* Each is numbered among its kind, in the order in which the guest finds them. */
static void put_virtios(const struct vm *vm, struct figures *f)
{
	figures_open(f, "virtio");
	for (struct virtio_pci *p = vm->virtio; p; p = p->next) {
		unsigned number = 0;
		for (const struct virtio_pci *q = vm->virtio; q != p; q = q->next)
			number += q->device->ops == p->device->ops;
		put_virtio(p, number, f);
	}
	figures_close(f);
}

/* @ended: KVM's own figures are there: while a processor runs, KVM would wait for it. */
static void put_machine(struct machine *m, bool ended, struct figures *f)
{
	figures_number(f, "reboots", m->reboots.count);
	put_walls(f);
	put_exits(&m->vm, f);
	if (ended)
		kvmstat_put(&m->vm, f);
	put_bus(&m->vm.ports, f);
	put_bus(&m->vm.mmio, f);
	put_memory(m, f);
	figures_open(f, "devices");
	for (struct pass_dev *d = first_device(&m->vm); d; d = d->next)
		put_device(d, f);
	figures_close(f);
	put_virtios(&m->vm, f);
}

static void put_figures(struct machine *m, struct figures *f)
{
	figures_number(f, "version", 2); /* of all documents: JSON_VERSION in view/json.h */
	figures_text(f, "guest", m->vm.name);
	figures_text(f, "end", m->vm.why);
	put_machine(m, true, f);
}

int stats_tell(struct machine *m, int interrupts_fd, char *ret, size_t size, uint32_t *ret_len)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct figures f;

	if (!out)
		return -ENOMEM;
	counts_take(m, interrupts_fd);
	figures_begin(&f, out, true);
	put_machine(m, false, &f);
	figures_end(&f);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (len > size)
		return -E2BIG;
	memcpy(ret, text, len);
	*ret_len = (uint32_t)len;
	return 0;
}

void stats_print(struct machine *m)
{
	cleanup_free char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct figures f;

	if (!out)
		return;
	figures_begin(&f, out, false);
	put_figures(m, &f);
	figures_end(&f);
	if (fclose(out) == 0)
		log_text(text, len);
}

WALL_CALL(main, dup);
WALL_CALL(main, newfstatat);
WALL_CALL(main, fstat); /* of glibc 2.39 and later */
WALL_CALL(main, close);
WALL_CALL(main, fcntl, F_GETFL);
WALL_CALL(main, lseek);

int stats_write_json(struct machine *m, int fd, struct err *e)
{
	struct figures f;
	int own = dup(fd);
	cleanup_file FILE *out = own < 0 ? NULL : fdopen(own, "w");

	if (!out)
		return err_set(e, -errno, "write the statistics");
	figures_begin(&f, out, true);
	put_figures(m, &f);
	figures_end(&f);
	return fflush(out) ? err_set(e, -errno, "write the statistics") : 0;
}
