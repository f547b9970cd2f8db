/* SPDX-License-Identifier: MIT */
#include "vmm/ram.h"

#include "base/clean.h"
#include "base/err.h"
#include "vmm/walls/mark.h"
#include "vmm/walls/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * How it works
 *
 * Huge pages make nested paging and the IOMMU's mappings much quicker: one entry for 2 MiB, and one
 * page to pin instead of 512. So RAM starts at an address aligned to 2 MiB.
 *
 * Private memory gets huge pages from the kernel at the first touch. A memfd does not on a host as
 * distributions set it up: shmem_enabled is "never". MADV_COLLAPSE (Linux 6.1) does not ask that,
 * unless it is "deny". It refuses 2 MiB of which nothing is present, so ram_collapse() allocates a
 * page of each first; it takes a fifth longer than pages that are huge from the start. All pages
 * are present after it: only for memory that is pinned anyway.
 *
 * Whoever shares a file may cut it off, and each access behind its end would kill this process. A
 * memfd is sealed against that. A file of a tmpfs with huge=always has huge pages from the first
 * touch, and cannot be sealed; Landlock keeps it whole: a file that is opened without the right to
 * be truncated never is, by whatever process (Linux 6.2). It needs CAP_SYS_ADMIN, so it is made
 * before the walls stand, and tried: where it can be cut off, the memfd serves.
 */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* linux/mman.h, 6.1 */
#endif

WALL_CALL(main, mmap);
WALL_CALL(main, munmap);

static void *map_aligned(int fd, enum memory_backing backing, uint64_t size)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	/* Reserve a pool: if it is too small, the kernel would send SIGBUS at the first touch. */
	const int flags = MAP_FIXED | (fd < 0 ? anonymous : MAP_SHARED) |
			  (backing == MEMORY_POOL ? 0 : MAP_NORESERVE);
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

static int prepared = -1; /* the file of ram_prepare() */

/* Return: descriptor of a tmpfs with huge pages, which is mounted nowhere; -errno. */
static int open_huge_mount(void)
{
	cleanup_fd int context = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "huge", "always", 0) < 0 ||
		fsconfig(context, FSCONFIG_SET_STRING, "size", "0", 0) < 0 || /* no limit */
		fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	int mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	return mount < 0 ? -errno : mount;
}

/* @arg: the mount, and then the file or -1. Landlock is the thread's, which ends with this. */
static void *open_whole_file(void *arg)
{
	int *fd = arg;
	const int mount = *fd;

	*fd = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || namespace_bar_truncation() < 0
		      ? -1
		      : openat(mount, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return NULL;
}

void ram_prepare(uint64_t size)
{
	cleanup_fd int mount = open_huge_mount();
	pthread_t thread;
	int file = mount;

	if (mount < 0 || pthread_create(&thread, NULL, open_whole_file, &file) != 0)
		return;
	(void)pthread_join(thread, NULL);
	cleanup_fd int fd = file;
	/* It has its size by its last page. */
	if (fd < 0 || fallocate(fd, 0, (off_t)(size - MEMORY_PAGE), MEMORY_PAGE) < 0 ||
		ftruncate(fd, (off_t)size) == 0)
		return;
	prepared = TAKE_FD(fd);
}

/* Return: descriptor, -errno. */
static int open_file(enum memory_backing backing, bool *ret_collapse)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("guest-ram", flags | (backing == MEMORY_POOL ? MFD_HUGETLB : 0U));

	*ret_collapse = backing == MEMORY_SHARED;
	return fd < 0 ? -errno : fd;
}

WALL_CALL(main, fcntl, F_ADD_SEALS);

/*
 * Whoever has the file may write to it, and so cut it off: then each access behind its end would
 * kill this process.
 */
static int file_size_set(int fd, uint64_t size)
{
	if (ftruncate(fd, (off_t)size) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

WALL_CALL(main, memfd_create);
WALL_CALL(main, ftruncate);
WALL_CALL(main, madvise, MADV_DONTDUMP, MADV_DONTFORK, MADV_HUGEPAGE);

int ram_open(uint64_t size, enum memory_backing backing, struct ram *ret, struct err *e)
{
	bool collapse = false;
	cleanup_fd int fd = -1;

	if (backing == MEMORY_SHARED && prepared >= 0) {
		fd = prepared;
		prepared = -1;
	} else if (backing != MEMORY_PRIVATE) {
		fd = open_file(backing, &collapse);
		if (fd < 0)
			return err_set(e, fd, "create guest memory");
		int r = file_size_set(fd, size);
		if (r < 0)
			return err_set(e, r, "size guest memory to %" PRIu64 " bytes", size);
	}
	void *host = map_aligned(fd, backing, size);
	if (host == MAP_FAILED)
		return err_set(e, -errno, "map %" PRIu64 " bytes of guest memory", size);
	/* A core dump of the VMM must not be a dump of the guest; a child has no use for it. */
	(void)madvise(host, size, MADV_DONTDUMP);
	(void)madvise(host, size, MADV_DONTFORK);
	/* Advice only: on a host without huge pages, small ones serve. */
	(void)madvise(host, size, MADV_HUGEPAGE);
	*ret = (struct ram){.host = host, .fd = TAKE_FD(fd), .collapse = collapse};
	return 0;
}

WALL_CALL(main | worker, fallocate);
WALL_CALL(main | worker, madvise, MADV_COLLAPSE);

int ram_collapse(int fd, uint64_t fd_off, void *host, uint64_t size)
{
	uintptr_t start = align_up((uintptr_t)host, MEMORY_HUGE);
	uintptr_t end = align_down((uintptr_t)host + size, MEMORY_HUGE);

	for (uintptr_t at = start; at < end; at += MEMORY_HUGE)
		if (fallocate(fd, 0, (off_t)(fd_off + (at - (uintptr_t)host)), MEMORY_PAGE) < 0)
			return -errno;
	if (start >= end || madvise((void *)start, end - start, MADV_COLLAPSE) == 0)
		return 0;
	/* EINVAL: before 6.1, or shmem_enabled is "deny". */
	return errno == EINVAL ? -EOPNOTSUPP : -errno;
}
