/* SPDX-License-Identifier: MIT */
/* Memory for DMA: a memfd that is mapped in this process and in a space. */
#include "base/clean.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/sized.h"
#include "base/usher_err.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <usher/dma.h>

#define BUFFER_LEAST SIZE_UP_TO(struct usher_buffer, access)

static uint64_t page_of(unsigned flags)
{
	if (flags & USHER_BUFFER_HUGE_1G)
		return GIB(1);
	return flags & USHER_BUFFER_HUGE_2M ? MIB(2) : (uint64_t)sysconf(_SC_PAGESIZE);
}

static int make_memory(uint64_t size, unsigned flags)
{
	unsigned how = MFD_CLOEXEC;

	if (flags & USHER_BUFFER_HUGE_1G)
		how |= MFD_HUGETLB | MFD_HUGE_1GB;
	else if (flags & USHER_BUFFER_HUGE_2M)
		how |= MFD_HUGETLB | MFD_HUGE_2MB;
	int fd = memfd_create("usher", how);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0) {
		int code = -errno;
		(void)close(fd);
		return code;
	}
	return fd;
}

static int explain_memory(int code, uint64_t size, unsigned flags, struct usher_err *e)
{
	(void)err_set(err_from_usher(e), code, "get %" PRIu64 " bytes of memory for DMA", size);
	if (flags & (USHER_BUFFER_HUGE_2M | USHER_BUFFER_HUGE_1G))
		err_hint(err_from_usher(e), "huge pages are reserved beforehand: "
					    "/sys/kernel/mm/hugepages/hugepages-*/nr_hugepages");
	return code;
}

/* @fd belongs to the buffer on success. */
static int map_memory(int fd, struct usher_buffer *b, unsigned flags, struct usher_err *e)
{
	void *p = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	/*
	 * mmap() takes huge pages from the reserved ones, so it is what fails when there are none.
	 */
	if (p == MAP_FAILED)
		return explain_memory(-errno, b->size, flags, e);
	int r = usher_space_map(b->space, p, b->size, b->access, &b->iova, e);
	if (r < 0) {
		(void)munmap(p, b->size);
		return r;
	}
	b->host = p;
	b->fd = fd;
	return 0;
}

static int explain_struct(struct usher_err *e)
{
	return err_set(err_from_usher(e), -EINVAL, "answer about a buffer");
}

int usher_buffer_alloc_sized(struct usher_space *s, uint64_t size, unsigned flags,
	struct usher_buffer *ret, size_t struct_size, struct usher_err *e)
{
	struct usher_buffer b = {
		.space = s, .size = align_up(size, page_of(flags)), .access = USHER_DMA_BOTH};

	if (struct_size < BUFFER_LEAST)
		return explain_struct(e);
	if (!size || b.size < size)
		return err_say(err_from_usher(e), -EINVAL, "no buffer has %" PRIu64 " bytes", size);
	const unsigned one_way = flags & (USHER_BUFFER_TO_DEVICE | USHER_BUFFER_FROM_DEVICE);
	if (one_way == USHER_BUFFER_TO_DEVICE)
		b.access = USHER_DMA_READ;
	else if (one_way == USHER_BUFFER_FROM_DEVICE)
		b.access = USHER_DMA_WRITE;
	cleanup_fd int fd = make_memory(b.size, flags);
	if (fd < 0)
		return explain_memory(fd, b.size, flags, e);
	int r = map_memory(fd, &b, flags, e);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	return sized_write(ret, struct_size, BUFFER_LEAST, &b, sizeof(b));
}

int usher_buffer_share_sized(const struct usher_buffer *b, struct usher_space *s,
	struct usher_buffer *ret, size_t struct_size, struct usher_err *e)
{
	struct usher_buffer copy = {.space = s, .size = b->size, .access = b->access};

	if (struct_size < BUFFER_LEAST)
		return explain_struct(e);
	cleanup_fd int fd = fcntl(b->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err_from_usher(e), -errno, "share a buffer");
	int r = map_memory(fd, &copy, 0, e);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	return sized_write(ret, struct_size, BUFFER_LEAST, &copy, sizeof(copy));
}

int usher_buffer_free_sized(struct usher_buffer *b, size_t struct_size)
{
	const struct usher_buffer none = USHER_BUFFER_NONE;

	/* A zeroed buffer is no buffer: its descriptor 0 is not ours. */
	if (b->host) {
		int r = usher_space_unmap(b->space, b->iova, b->size, NULL);
		/* The caller unmapped it: -ENOENT, or -EINVAL if another mapping is there now. */
		if (r < 0 && r != -ENOENT && r != -EINVAL)
			return r;
		(void)munmap(b->host, b->size);
		fd_close(&b->fd);
	}
	return sized_write(b, struct_size, BUFFER_LEAST, &none, sizeof(none));
}
