/* SPDX-License-Identifier: MIT */
#include "vmm/memory.h"

#include "base/err.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * How it works
 *
 * The invariant: a range is in the table if and only if every listener has it mapped.
 *
 * A change is applied step by step, and each step is announced to all listeners before the next one
 * is applied: additions in the order of the listeners, removals in the opposite order. KVM is the
 * first listener, so what the guest can reach last is gone from the IOMMU first. Then each listener
 * commits. One that refuses, at either point, has everything reversed: each applied step by its
 * opposite, the last one first, and then undo() in all.
 *
 * To map again what a change had removed can fail, because the kernel needs memory for it. Then the
 * whole of the change's ranges leaves the table, and -ENOTRECOVERABLE says so: the invariant holds,
 * and the caller knows where it stands.
 *
 * blocks[] repeats the RAM in the table for vmm/copy.c, which reads without a lock. It is written
 * only when a change is accepted.
 */
struct change {
	struct memory *m;
	const struct memory_step *steps;
	size_t done; /* steps that all listeners have taken */
	struct {
		struct memory_range range;
		size_t index;
	} removed[MEMORY_STEPS_MAX]; /* by step */
};

int memory_init(struct memory *m, uint64_t size, enum memory_backing backing, struct err *e)
{
	struct ram ram;

	int r = ram_open(size, backing, &ram, e);
	if (r < 0)
		return r;
	m->ram = ram.host;
	m->ram_size = size;
	m->memfd = ram.fd;
	m->collapse = ram.collapse;
	return 0;
}

static void announce_begin(const struct memory *m)
{
	for (struct memory_listener *l = m->listeners; l; l = l->next)
		if (l->begin)
			l->begin(l);
}

static int announce_commit(const struct memory *m, struct err *e)
{
	for (struct memory_listener *l = m->listeners; l; l = l->next) {
		int r = l->commit ? l->commit(l, m, e) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static void announce_undo(const struct memory *m)
{
	for (struct memory_listener *l = m->listeners; l; l = l->next)
		if (l->undo)
			l->undo(l, m);
}

/* Unmaps @r in the listeners from @l up to, not including, @end: the last one first. */
static void unmap_range(
	struct memory_listener *l, const struct memory_listener *end, const struct memory_range *r)
{
	if (l == end || !l)
		return;
	unmap_range(l->next, end, r);
	if (l->unmap)
		l->unmap(l, r);
}

static int map_in_listener(const struct memory *m, struct memory_listener *l,
	const struct memory_range *r, struct err *e)
{
	if (!l->map)
		return 0;
	/* Small pages serve as well, if the kernel has no huge ones. */
	if (l->pins && r->fd >= 0 && m->collapse)
		(void)ram_collapse(r->fd, r->fd_off, r->host, r->size);
	return l->map(l, r, e);
}

static int map_range(const struct memory *m, const struct memory_range *r, struct err *e)
{
	for (struct memory_listener *l = m->listeners; l; l = l->next) {
		int ret = map_in_listener(m, l, r, e);
		if (ret < 0) {
			unmap_range(m->listeners, l, r);
			return ret;
		}
	}
	return 0;
}

/* @index: where the table has it; at most the number of ranges. */
static void insert_range(struct memory *m, size_t index, const struct memory_range *r)
{
	memmove(&m->ranges[index + 1], &m->ranges[index],
		(m->count - index) * sizeof(m->ranges[0]));
	m->ranges[index] = *r;
	m->count++;
}

static struct memory_range take_range(struct memory *m, size_t index)
{
	struct memory_range r = m->ranges[index];

	m->count--;
	memmove(&m->ranges[index], &m->ranges[index + 1],
		(m->count - index) * sizeof(m->ranges[0]));
	return r;
}

/* Return: the index of the range that starts at @gpa, the number of ranges when there is none. */
static size_t find_range(const struct memory *m, gpa_t gpa)
{
	size_t i = 0;

	while (i < m->count && m->ranges[i].gpa.v != gpa.v)
		i++;
	return i;
}

static bool ranges_overlap(const struct memory_range *a, const struct memory_range *b)
{
	return a->gpa.v < b->gpa.v + b->size && b->gpa.v < a->gpa.v + a->size;
}

/* Whether the table has room for one more range of the kind of @r. */
static bool has_room(const struct memory *m, const struct memory_range *r)
{
	size_t blocks = 0;

	for (size_t i = 0; i < m->count; i++)
		blocks += m->ranges[i].kind == MEMORY_RAM;
	return m->count < memory_limit(m) && (r->kind != MEMORY_RAM || blocks < MEMORY_BLOCKS_MAX);
}

static int check_range(const struct memory *m, const struct memory_range *r, struct err *e)
{
	uint64_t end;

	if (!r->size || __builtin_add_overflow(r->gpa.v, r->size, &end) ||
		(r->gpa.v | r->size | (uintptr_t)r->host) & (MEMORY_PAGE - 1))
		return err_say(
			e, -EINVAL, "add memory at 0x%" PRIx64 ": not whole pages", r->gpa.v);
	for (size_t i = 0; i < m->count; i++)
		if (ranges_overlap(r, &m->ranges[i]))
			return err_say(e, -EEXIST,
				"add memory at 0x%" PRIx64 ": overlaps that at 0x%" PRIx64,
				r->gpa.v, m->ranges[i].gpa.v);
	if (!has_room(m, r))
		return err_say(e, -ENOSPC, "add memory at 0x%" PRIx64 ": all %zu ranges are in use",
			r->gpa.v, memory_limit(m));
	return 0;
}

/* The file that another process can map to share @r, if there is one. */
static void set_file(const struct memory *m, struct memory_range *r)
{
	uint64_t off = (uintptr_t)r->host - (uintptr_t)m->ram;
	bool shared = m->memfd >= 0 && r->kind == MEMORY_RAM && range_ok(off, r->size, m->ram_size);

	r->fd = shared ? m->memfd : -1;
	r->fd_off = shared ? off : 0;
}

static int apply_add(struct change *c, const struct memory_range *wanted, struct err *e)
{
	struct memory_range range = *wanted;
	int r = check_range(c->m, &range, e);

	if (r < 0)
		return r;
	set_file(c->m, &range);
	r = map_range(c->m, &range, e);
	if (r < 0)
		return r;
	insert_range(c->m, c->m->count, &range);
	return 0;
}

static int apply_remove(struct change *c, gpa_t gpa, struct err *e)
{
	size_t index = find_range(c->m, gpa);

	if (index == c->m->count)
		return err_say(
			e, -ENOENT, "remove memory at 0x%" PRIx64 ": none begins there", gpa.v);
	c->removed[c->done].index = index;
	c->removed[c->done].range = take_range(c->m, index);
	unmap_range(c->m->listeners, NULL, &c->removed[c->done].range);
	return 0;
}

static int apply_steps(struct change *c, size_t count, struct err *e)
{
	bool refusable = false;

	for (; c->done < count; c->done++) {
		const struct memory_step *s = &c->steps[c->done];
		bool adds = s->action == MEMORY_ADD;
		int r = adds ? apply_add(c, &s->range, e) : apply_remove(c, s->range.gpa, e);
		if (r < 0)
			return r;
		refusable |= adds;
	}
	int r = announce_commit(c->m, e);
	return refusable ? r : 0;
}

/* Removes the range at @gpa, if there is one. */
static void drop_range(struct memory *m, gpa_t gpa)
{
	size_t index = find_range(m, gpa);

	if (index == m->count)
		return;
	struct memory_range r = take_range(m, index);
	unmap_range(m->listeners, NULL, &r);
}

/* Reverses the steps that were applied. Return: 0, a listener's -errno. */
static int reverse_steps(struct change *c, struct err *e)
{
	for (size_t i = c->done; i--;) {
		if (c->steps[i].action == MEMORY_ADD) {
			drop_range(c->m, c->steps[i].range.gpa);
			continue;
		}
		int r = map_range(c->m, &c->removed[i].range, e);
		if (r < 0)
			return r;
		insert_range(c->m, c->removed[i].index, &c->removed[i].range);
	}
	return 0;
}

/* @code: why the change is undone; @e has the reason already. Return: @code, -ENOTRECOVERABLE. */
static int undo_change(struct change *c, int code, struct err *e)
{
	struct err why = {0};

	if (reverse_steps(c, &why) < 0) {
		for (size_t i = c->done; i--;)
			drop_range(c->m, c->steps[i].range.gpa);
		code = err_in(e, -ENOTRECOVERABLE, "%s; that came after", why.msg);
	}
	announce_undo(c->m);
	return code;
}

static bool is_same_block(const struct memory_block *a, const struct memory_block *b)
{
	return a->gpa.v == b->gpa.v && a->size == b->size && a->host == b->host &&
	       a->readonly == b->readonly;
}

/* Has vmm/copy.c see the RAM of the table. An added block appears whole: its count comes last. */
static void publish_blocks(struct memory *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++) {
		const struct memory_range *r = &m->ranges[i];
		const struct memory_block b = {r->gpa, r->size, r->host, r->readonly};
		if (r->kind != MEMORY_RAM)
			continue;
		/* Unchanged ones are not written: a device may be reading them. */
		if (count >= m->block_count || !is_same_block(&b, &m->blocks[count]))
			m->blocks[count] = b;
		count++;
	}
	__atomic_store_n(&m->block_count, count, __ATOMIC_RELEASE);
}

int memory_change(struct memory *m, const struct memory_step *steps, size_t count, struct err *e)
{
	struct change c = {.m = m, .steps = steps};

	if (count > MEMORY_STEPS_MAX)
		return err_say(e, -E2BIG, "change %zu ranges of memory at once: at most %d", count,
			MEMORY_STEPS_MAX);
	(void)pthread_mutex_lock(&m->lock);
	announce_begin(m);
	int r = apply_steps(&c, count, e);
	if (r < 0)
		r = undo_change(&c, r, e);
	publish_blocks(m);
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

int memory_add(struct memory *m, const struct memory_range *r, struct err *e)
{
	const struct memory_step step = {.action = MEMORY_ADD, .range = *r};

	return memory_change(m, &step, 1, e);
}

int memory_remove(struct memory *m, gpa_t gpa)
{
	const struct memory_step step = {.action = MEMORY_REMOVE, .range = {.gpa = gpa}};

	return memory_change(m, &step, 1, NULL);
}

static int map_present_ranges(const struct memory *m, struct memory_listener *l, struct err *e)
{
	size_t done = 0;
	int r = 0;

	while (done < m->count && r >= 0) {
		r = map_in_listener(m, l, &m->ranges[done], e);
		done += r >= 0;
	}
	if (r >= 0 && l->commit)
		r = l->commit(l, m, e);
	while (r < 0 && done--)
		if (l->unmap)
			l->unmap(l, &m->ranges[done]);
	return r;
}

static void append_listener(struct memory *m, struct memory_listener *l)
{
	struct memory_listener **tail = &m->listeners;

	while (*tail)
		tail = &(*tail)->next;
	l->next = NULL;
	*tail = l;
}

int memory_listen(struct memory *m, struct memory_listener *l, struct err *e)
{
	static struct memory nothing; /* not const, or its zeroes would be bytes of the program */

	(void)pthread_mutex_lock(&m->lock);
	if (l->begin)
		l->begin(l);
	int r = map_present_ranges(m, l, e);
	if (r >= 0)
		append_listener(m, l);
	else if (l->undo)
		l->undo(l, &nothing);
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

size_t memory_ram_ranges(struct memory *m, struct memory_range *ret)
{
	size_t count = 0;

	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->count; i++)
		if (m->ranges[i].kind == MEMORY_RAM)
			ret[count++] = m->ranges[i];
	(void)pthread_mutex_unlock(&m->lock);
	return count;
}

/* Under the lock. @l has RAM already. */
static int map_device_ranges(struct memory *m, struct memory_listener *l, struct err *e)
{
	size_t done = 0;
	int r = 0;

	for (; done < m->count && r >= 0; done += r >= 0)
		if (m->ranges[done].kind != MEMORY_RAM)
			r = map_in_listener(m, l, &m->ranges[done], e);
	while (r < 0 && done--)
		if (m->ranges[done].kind != MEMORY_RAM)
			l->unmap(l, &m->ranges[done]);
	return r;
}

int memory_listen_live(struct memory *m, struct memory_listener *l, struct err *e)
{
	struct memory_range ram[MEMORY_BLOCKS_MAX];
	size_t count = memory_ram_ranges(m, ram), done = 0;
	int r = 0;

	for (; done < count && r >= 0; done += r >= 0)
		r = map_in_listener(m, l, &ram[done], e);
	if (r >= 0) {
		(void)pthread_mutex_lock(&m->lock);
		r = map_device_ranges(m, l, e);
		if (r >= 0)
			append_listener(m, l);
		(void)pthread_mutex_unlock(&m->lock);
	}
	while (r < 0 && done--)
		l->unmap(l, &ram[done]);
	return r;
}

/* Under the lock. Return: whether @l was a listener; from now on it hears of no change. */
static bool remove_listener(struct memory *m, const struct memory_listener *l)
{
	struct memory_listener **at = &m->listeners;

	while (*at && *at != l)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = l->next;
	return true;
}

void memory_unlisten(struct memory *m, struct memory_listener *l)
{
	struct memory_range ram[MEMORY_BLOCKS_MAX];

	(void)pthread_mutex_lock(&m->lock);
	bool listens = remove_listener(m, l);
	for (size_t i = m->count; listens && i--;)
		if (m->ranges[i].kind != MEMORY_RAM)
			l->unmap(l, &m->ranges[i]);
	(void)pthread_mutex_unlock(&m->lock);
	for (size_t i = listens ? memory_ram_ranges(m, ram) : 0; i--;)
		l->unmap(l, &ram[i]);
}

WALL_CALL(main, munmap);
WALL_CALL(main, close);

void memory_fini(struct memory *m)
{
	(void)pthread_mutex_lock(&m->lock);
	announce_begin(m);
	while (m->count) {
		struct memory_range r = take_range(m, m->count - 1);
		unmap_range(m->listeners, NULL, &r);
	}
	(void)announce_commit(m, NULL);
	(void)pthread_mutex_unlock(&m->lock);
	if (m->ram)
		(void)munmap(m->ram, m->ram_size);
	if (m->memfd >= 0)
		(void)close(m->memfd);
	*m = (struct memory)MEMORY_NONE;
}

void *memory_ram(struct memory *m, gpa_t gpa, uint64_t len)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct memory_range *r = &m->ranges[i];
		if (r->kind == MEMORY_RAM && !r->readonly && gpa.v >= r->gpa.v &&
			range_ok(gpa.v - r->gpa.v, len, r->size))
			return (char *)r->host + (gpa.v - r->gpa.v);
	}
	return NULL;
}
