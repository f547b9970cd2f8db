/* SPDX-License-Identifier: MIT */
#include "vmm/memory.h"

#include "base/clean.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * An address range of @size bytes, of @fd or (-1) of private memory, aligned to MEMORY_HUGE so
 * that huge pages fit it.
 */
static void *map_aligned(int fd, uint64_t size)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	const int flags = MAP_FIXED | MAP_NORESERVE | (fd < 0 ? anonymous : MAP_SHARED);
	/* cppcheck-suppress invalidFunctionArg; -1 is what anonymous memory is mapped from */
	char *wide = mmap(NULL, size + MEMORY_HUGE, PROT_NONE, anonymous | MAP_NORESERVE, -1, 0);

	if (wide == MAP_FAILED)
		return MAP_FAILED;
	uint64_t pad = align_up((uintptr_t)wide, MEMORY_HUGE) - (uintptr_t)wide;
	void *at = mmap(wide + pad, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (at == MAP_FAILED) {
		int saved = errno;
		(void)munmap(wide, size + MEMORY_HUGE);
		errno = saved;
		return at;
	}
	if (pad)
		(void)munmap(wide, pad);
	(void)munmap(wide + pad + size, MEMORY_HUGE - pad);
	return at;
}

/* Return: descriptor, -errno. */
static int open_memfd(uint64_t size, enum memory_backing backing, struct err *e)
{
	unsigned flags = MFD_CLOEXEC | (backing == MEMORY_POOL ? MFD_HUGETLB : 0U);
	cleanup_fd int fd = memfd_create("guest-ram", flags);

	if (fd < 0)
		return err_set(e, -errno, "create guest memory");
	if (ftruncate(fd, (off_t)size) < 0)
		return err_set(
			e, -errno, "size guest memory to %llu bytes", (unsigned long long)size);
	return TAKE_FD(fd);
}

int memory_init(struct memory *m, uint64_t size, enum memory_backing backing, struct err *e)
{
	cleanup_fd int fd = -1;

	if (backing != MEMORY_PRIVATE) {
		fd = open_memfd(size, backing, e);
		if (fd < 0)
			return fd;
	}
	void *ram = map_aligned(fd, size);
	if (ram == MAP_FAILED)
		return err_set(
			e, -errno, "map %llu bytes of guest memory", (unsigned long long)size);
	/* A core dump of the VMM must not be a dump of the guest; a child has no use for it. */
	(void)madvise(ram, size, MADV_DONTDUMP);
	(void)madvise(ram, size, MADV_DONTFORK);
	/* A wish: on a host without huge pages the small ones do. */
	(void)madvise(ram, size, MADV_HUGEPAGE);
	m->memfd = TAKE_FD(fd);
	m->ram_size = size;
	m->ram = ram;
	return 0;
}

void memory_fini(struct memory *m)
{
	while (m->count)
		(void)memory_remove(m, m->ranges[m->count - 1].gpa);
	if (m->ram)
		(void)munmap(m->ram, m->ram_size);
	if (m->memfd >= 0)
		(void)close(m->memfd);
	*m = (struct memory)MEMORY_NONE;
}

/* Tells listeners from @l up to, not including, @end that @r goes: last first. */
static void unmap_before(
	struct memory_listener *l, const struct memory_listener *end, const struct memory_range *r)
{
	if (l == end || !l)
		return;
	unmap_before(l->next, end, r);
	l->unmap(l, r);
}

int memory_listen(struct memory *m, struct memory_listener *l, struct err *e)
{
	struct memory_listener **tail = &m->listeners;

	for (size_t i = 0; i < m->count; i++) {
		int r = l->map(l, &m->ranges[i], e);
		if (r < 0) {
			while (i--)
				l->unmap(l, &m->ranges[i]);
			return r;
		}
	}
	while (*tail)
		tail = &(*tail)->next;
	l->next = NULL;
	*tail = l;
	return 0;
}

static bool overlaps(const struct memory_range *a, const struct memory_range *b)
{
	return a->gpa.v < b->gpa.v + b->size && b->gpa.v < a->gpa.v + a->size;
}

static int check_range(const struct memory *m, const struct memory_range *r, struct err *e)
{
	uint64_t end;

	if (!r->size || __builtin_add_overflow(r->gpa.v, r->size, &end) ||
		(r->gpa.v | r->size | (uintptr_t)r->host) & (MEMORY_PAGE - 1))
		return err_say(e, -EINVAL, "add memory at 0x%llx: not whole pages",
			(unsigned long long)r->gpa.v);
	for (size_t i = 0; i < m->count; i++)
		if (overlaps(r, &m->ranges[i]))
			return err_say(e, -EEXIST, "add memory at 0x%llx: overlaps that at 0x%llx",
				(unsigned long long)r->gpa.v,
				(unsigned long long)m->ranges[i].gpa.v);
	if (m->count == MEMORY_RANGES_MAX)
		return err_say(e, -ENOSPC, "add memory at 0x%llx: all %d ranges are in use",
			(unsigned long long)r->gpa.v, MEMORY_RANGES_MAX);
	return 0;
}

int memory_add(struct memory *m, const struct memory_range *r, struct err *e)
{
	int ret = check_range(m, r, e);

	if (ret < 0)
		return ret;
	for (struct memory_listener *l = m->listeners; l; l = l->next) {
		ret = l->map(l, r, e);
		if (ret < 0) {
			unmap_before(m->listeners, l, r);
			return ret;
		}
	}
	m->ranges[m->count++] = *r;
	return 0;
}

int memory_remove(struct memory *m, gpa_t gpa)
{
	for (size_t i = 0; i < m->count; i++) {
		struct memory_range r = m->ranges[i];
		if (r.gpa.v != gpa.v)
			continue;
		m->count--;
		memmove(&m->ranges[i], &m->ranges[i + 1], (m->count - i) * sizeof(m->ranges[0]));
		unmap_before(m->listeners, NULL, &r);
		return 0;
	}
	return -ENOENT;
}

void *memory_ram(struct memory *m, gpa_t gpa, uint64_t len)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct memory_range *r = &m->ranges[i];
		if (r->kind == MEMORY_RAM && gpa.v >= r->gpa.v &&
			range_ok(gpa.v - r->gpa.v, len, r->size))
			return (char *)r->host + (gpa.v - r->gpa.v);
	}
	return NULL;
}
