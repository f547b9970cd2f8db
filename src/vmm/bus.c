/* SPDX-License-Identifier: MIT */
#include "vmm/bus.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

/*
 * How it works
 *
 * A vCPU looks a range up under `guard`, pins it, lets go of `guard`, and takes the lock of the
 * range's device. In between the device may have removed the range, so the vCPU looks again if the
 * table has changed: under the device's lock it cannot change for this range. A vCPU that waits for
 * a device holds nothing that another vCPU needs to reach another device.
 *
 * Lock order: the device's lock, then `guard`, which is held for a look or one change and under
 * which no other lock is taken.
 */
#define BUS_TRIES 8 /* a range that moves more often during one access does not answer */

/* Index of the first range that starts above @addr. */
static size_t index_above(const struct bus *b, uint64_t addr)
{
	size_t lo = 0, hi = b->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (b->ranges[mid]->base > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

WALL_CALL(main | vcpu | worker, ioctl, KVM_IOEVENTFD);

/* Ref: KVM API, KVM_IOEVENTFD. Return: 0, -errno. */
static int doorbell_ioctl(const struct bus *b, const struct bus_range *r,
	const struct bus_doorbell *d, unsigned flags)
{
	struct kvm_ioeventfd io = {
		.datamatch = d->value,
		.addr = r->base + d->off,
		.len = d->size,
		.fd = d->eventfd,
		.flags = flags,
	};

	if (b->ports)
		io.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (d->matches)
		io.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	return ioctl(*b->vm_fd, KVM_IOEVENTFD, &io) < 0 ? -errno : 0;
}

static void bind_doorbells(const struct bus *b, const struct bus_range *r)
{
	for (struct bus_doorbell *d = r->doorbells; d; d = d->next)
		d->in_kvm = b->vm_fd && doorbell_ioctl(b, r, d, 0) >= 0;
}

static void unbind_doorbells(const struct bus *b, const struct bus_range *r)
{
	for (struct bus_doorbell *d = r->doorbells; d; d = d->next) {
		if (d->in_kvm)
			(void)doorbell_ioctl(b, r, d, KVM_IOEVENTFD_FLAG_DEASSIGN);
		d->in_kvm = false;
	}
}

void bus_renew(struct bus *b)
{
	for (size_t i = 0; i < b->count; i++)
		bind_doorbells(b, b->ranges[i]);
}

int bus_add_doorbell(struct bus_range *r, struct bus_doorbell *d, struct err *e)
{
	if (!is_pow2(d->size) || d->size > 8 || !range_ok(d->off, d->size, r->size))
		return err_say(e, -EINVAL, "add a doorbell of %u bytes at 0x%" PRIx64 " of '%s'",
			d->size, d->off, r->name);
	d->in_kvm = false;
	d->next = r->doorbells;
	r->doorbells = d;
	return 0;
}

/* Return: whether the write is a doorbell's, which has been rung. */
static bool ring_doorbell(const struct bus_range *r, uint64_t off, unsigned size, uint64_t value)
{
	for (const struct bus_doorbell *d = r->doorbells; d; d = d->next)
		if (d->off == off && d->size == size && (!d->matches || d->value == value) &&
			!d->foreign) {
			(void)eventfd_write(d->eventfd, 1);
			return true;
		}
	return false;
}

/* Under `guard`, as all that follows with this name. */
static int table_check(const struct bus *b, const struct bus_range *r, struct err *e)
{
	size_t at = index_above(b, r->base);
	const struct bus_range *prev = at ? b->ranges[at - 1] : NULL;
	const struct bus_range *next = at < b->count ? b->ranges[at] : NULL;

	if (!r->size || r->size - 1 > UINT64_MAX - r->base)
		return err_say(e, -EINVAL, "%s: add '%s': range of no size or past the end",
			b->name, r->name);
	if (prev && r->base - prev->base < prev->size)
		return err_say(e, -EEXIST, "%s: add '%s' at 0x%" PRIx64 ": overlaps '%s'", b->name,
			r->name, r->base, prev->name);
	if (next && next->base - r->base < r->size)
		return err_say(e, -EEXIST, "%s: add '%s' at 0x%" PRIx64 ": overlaps '%s'", b->name,
			r->name, r->base, next->name);
	return 0;
}

static int table_add(struct bus *b, struct bus_range *r, struct err *e)
{
	int code = table_check(b, r, e);

	if (code < 0)
		return code;
	if (b->count == BUS_RANGES_MAX)
		return err_say(e, -ENOSPC, "%s: add '%s': all %d ranges are in use", b->name,
			r->name, BUS_RANGES_MAX);
	size_t at = index_above(b, r->base);
	for (size_t i = b->count++; i > at; i--)
		b->ranges[i] = b->ranges[i - 1];
	b->ranges[at] = r;
	return 0;
}

static void table_remove(struct bus *b, const struct bus_range *r)
{
	size_t at = index_above(b, r->base);

	if (!at || b->ranges[at - 1] != r)
		return;
	b->count--;
	for (size_t i = at - 1; i < b->count; i++)
		b->ranges[i] = b->ranges[i + 1];
}

static void table_changed(struct bus *b)
{
	__atomic_store_n(&b->generation, b->generation + 1, __ATOMIC_RELEASE);
}

int bus_check(struct bus *b, const struct bus_range *r, struct err *e)
{
	(void)pthread_rwlock_rdlock(&b->guard);
	int code = table_check(b, r, e);
	(void)pthread_rwlock_unlock(&b->guard);
	return code;
}

int bus_add(struct bus *b, struct bus_range *r, struct err *e)
{
	(void)pthread_rwlock_wrlock(&b->guard);
	int code = table_add(b, r, e);
	table_changed(b);
	(void)pthread_rwlock_unlock(&b->guard);
	if (code >= 0)
		bind_doorbells(b, r);
	return code;
}

void bus_remove(struct bus *b, struct bus_range *r)
{
	unbind_doorbells(b, r);
	(void)pthread_rwlock_wrlock(&b->guard);
	table_remove(b, r);
	table_changed(b);
	(void)pthread_rwlock_unlock(&b->guard);
}

/*
 * The range that holds all of the access, or NULL: a straddled end gets no answer. Under `guard`.
 */
static struct bus_range *range_find(const struct bus *b, uint64_t addr, unsigned size)
{
	size_t at = index_above(b, addr);
	struct bus_range *r = at ? b->ranges[at - 1] : NULL;

	return r && range_ok(addr - r->base, size, r->size) ? r : NULL;
}

/* The same with a pin, or what came late. @ret: the state of the table that it is from. */
static struct bus_range *range_pin(
	struct bus *b, uint64_t addr, unsigned size, uint64_t *ret_generation)
{
	(void)pthread_rwlock_rdlock(&b->guard);
	struct bus_range *r = range_find(b, addr, size);
	if (r)
		pin_take(&r->pins);
	*ret_generation = b->generation;
	(void)pthread_rwlock_unlock(&b->guard);
	if (r || !b->late)
		return r;
	*ret_generation = UINT64_MAX; /* the table does not say when it goes */
	return b->late(b, addr, size);
}

static void range_leave(struct bus_range *r)
{
	if (r->lock)
		lock_drop(r->lock);
	pin_drop(&r->pins);
}

/* Whether the range that was pinned has the address still. Under the lock of its device. */
static bool range_stays(
	struct bus *b, const struct bus_range *r, uint64_t addr, unsigned size, uint64_t generation)
{
	if (__atomic_load_n(&b->generation, __ATOMIC_ACQUIRE) == generation)
		return true;
	struct bus_range *now = range_pin(b, addr, size, &generation);
	if (now)
		pin_drop(&now->pins);
	return now == r;
}

/*
 * The range of an access, with its device's lock: range_leave() follows. KVM splits what crosses a
 * page into pieces of up to 8 bytes, of any length: lengths that no bus has get no answer.
 */
static struct bus_range *range_enter(struct bus *b, uint64_t addr, unsigned size)
{
	uint64_t generation;

	for (unsigned i = 0; i < BUS_TRIES && is_pow2(size) && size <= 8; i++) {
		struct bus_range *r = range_pin(b, addr, size, &generation);
		if (!r)
			break;
		if (r->lock)
			lock_take(r->lock);
		if (range_stays(b, r, addr, size, generation))
			return r;
		range_leave(r);
	}
	(void)__atomic_fetch_add(&b->missed, 1, __ATOMIC_RELAXED);
	return NULL;
}

uint64_t bus_read(struct bus *b, uint64_t addr, unsigned size)
{
	struct bus_range *r = range_enter(b, addr, size);
	uint64_t value = all_ones(size);

	if (!r)
		return value;
	(void)__atomic_fetch_add(&r->reads, 1, __ATOMIC_RELAXED);
	if (r->read)
		value &= r->read(r, addr - r->base, size);
	range_leave(r);
	return value;
}

void bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t value)
{
	struct bus_range *r = range_enter(b, addr, size);

	if (!r)
		return;
	(void)__atomic_fetch_add(&r->writes, 1, __ATOMIC_RELAXED);
	value &= all_ones(size);
	if (r->write && !ring_doorbell(r, addr - r->base, size, value))
		r->write(r, addr - r->base, size, value);
	range_leave(r);
}

void bus_range_wait(const struct bus_range *r)
{
	pin_wait(&r->pins);
}
