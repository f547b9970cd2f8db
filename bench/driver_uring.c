/* SPDX-License-Identifier: MIT */
/*
 * driver_uring DEVICE DEPTH SECONDS [poll]: random reads of 4 KiB through the kernel, with as
 * little around them as io_uring allows: one thread, a registered file, registered buffers, one
 * system call for all that is to be sent and waited for.
 */
#include "clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READ_SIZE 4096u
#define DEPTH_MAX 64

static struct io_uring ring;
static uint8_t *mem;
static uint64_t pages;

static uint64_t place(void)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % pages * READ_SIZE;
}

static void send_one(uint64_t tag)
{
	struct io_uring_sqe *s = io_uring_get_sqe(&ring);

	io_uring_prep_read_fixed(s, 0, mem + tag * READ_SIZE, READ_SIZE, place(), 0);
	s->flags |= IOSQE_FIXED_FILE;
	s->user_data = tag;
}

static int set_up(const char *path, int poll)
{
	struct iovec v = {.iov_len = DEPTH_MAX * READ_SIZE};
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return -1;
	pages = (uint64_t)lseek(fd, 0, SEEK_END) / READ_SIZE;
	mem = mmap(NULL, v.iov_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	v.iov_base = mem;
	if (mem == MAP_FAILED ||
		io_uring_queue_init(DEPTH_MAX, &ring, poll ? IORING_SETUP_IOPOLL : 0) < 0)
		return -1;
	if (io_uring_register_files(&ring, &fd, 1) < 0)
		return -1;
	return io_uring_register_buffers(&ring, &v, 1);
}

static int64_t loop(unsigned depth, double end)
{
	struct io_uring_cqe *done[DEPTH_MAX];
	int64_t total = 0, looked = 0;

	for (unsigned i = 0; i < depth; i++)
		send_one(i);
	for (;;) {
		if (io_uring_submit_and_wait(&ring, 1) < 0)
			return -1;
		unsigned n = io_uring_peek_batch_cqe(&ring, done, depth);
		for (unsigned i = 0; i < n; i++) {
			if (done[i]->res != (int)READ_SIZE)
				return -1;
			send_one(done[i]->user_data);
		}
		io_uring_cq_advance(&ring, n);
		total += n;
		if (total - looked < 64)
			continue;
		looked = total;
		if (clock_now() > end)
			return total;
	}
}

int main(int argc, char **argv)
{
	unsigned depth = argc > 2 ? (unsigned)atoi(argv[2]) : 1;

	if (argc < 4 || !depth || depth > DEPTH_MAX || set_up(argv[1], argc > 4) < 0) {
		(void)fputs("driver_uring: no ring\n", stderr);
		return 1;
	}
	double begun = clock_now();
	int64_t n = loop(depth, begun + atof(argv[3]));
	(void)printf("iops %.0f of %" PRId64 " reads\n", (double)n / (clock_now() - begun), n);
	return n < 0;
}
