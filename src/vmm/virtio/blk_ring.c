/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/blk_ring.h"

#include "base/num.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

WALL_CALL(main, io_uring_register, IORING_REGISTER_FILES, IORING_REGISTER_RESTRICTIONS);
WALL_CALL(disk, io_uring_register, IORING_REGISTER_ENABLE_RINGS);

static int ring_register(const struct blk_ring *r, unsigned op, const void *arg, unsigned count)
{
	return syscall(SYS_io_uring_register, r->fd, op, arg, count) < 0 ? -errno : 0;
}

static int ring_map(struct blk_ring *r, const struct io_uring_params *p)
{
	const size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	const size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	r->map_size = (size_t)max_u64(sq, cq);
	r->map = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		IORING_OFF_SQ_RING);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return -errno;
	}
	r->sqes = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	if (r->sqes == MAP_FAILED) {
		(void)munmap(r->map, r->map_size);
		r->map = NULL;
		return -errno;
	}
	char *at = r->map;
	r->array = (unsigned *)(void *)(at + p->sq_off.array);
	r->sq_tail = (unsigned *)(void *)(at + p->sq_off.tail);
	r->sq_flags = (unsigned *)(void *)(at + p->sq_off.flags);
	r->sq_mask = *(unsigned *)(void *)(at + p->sq_off.ring_mask);
	r->cq_head = (unsigned *)(void *)(at + p->cq_off.head);
	r->cq_tail = (unsigned *)(void *)(at + p->cq_off.tail);
	r->cq_mask = *(unsigned *)(void *)(at + p->cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(void *)(at + p->cq_off.cqes);
	return 0;
}

/* Return: the ring's descriptor; -errno. */
static int ring_make(struct io_uring_params *p)
{
	/* Without the last one the thread would have to ask the kernel in vain while it polls. */
	static const uint32_t wishes[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0};
	long fd = -1;

	for (unsigned i = 0; fd < 0 && i < COUNT(wishes); i++) {
		*p = (struct io_uring_params){.flags = IORING_SETUP_R_DISABLED | wishes[i]};
		fd = syscall(SYS_io_uring_setup, BLK_RING_ENTRIES + BLK_RING_SIGNALS, p);
		if (fd < 0 && errno != EINVAL)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int blk_ring_open(struct blk_ring *r)
{
	struct io_uring_params p;

	*r = (struct blk_ring){.fd = -1};
	r->fd = ring_make(&p);
	if (r->fd < 0)
		return r->fd;
	/* Older than the restrictions, without which a ring is not used. */
	r->can_signal = p.features & IORING_FEAT_CQE_SKIP;
	int x = (p.features & IORING_FEAT_SINGLE_MMAP) && (p.features & IORING_FEAT_NODROP)
			? ring_map(r, &p)
			: -ENOSYS;
	if (x < 0)
		(void)close(r->fd);
	return x;
}

int blk_ring_restrict(const struct blk_ring *r, const int *files, unsigned count)
{
	static const struct io_uring_restriction allowed[] = {
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_POLL_ADD},
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
			.sqe_flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS},
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE},
	};

	int x = ring_register(r, IORING_REGISTER_FILES, files, count);
	return x < 0 ? x : ring_register(r, IORING_REGISTER_RESTRICTIONS, allowed, COUNT(allowed));
}

int blk_ring_enable(const struct blk_ring *r)
{
	return ring_register(r, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

void blk_ring_close(struct blk_ring *r)
{
	if (!r->map)
		return;
	(void)munmap(r->sqes, (r->sq_mask + 1) * sizeof(struct io_uring_sqe));
	(void)munmap(r->map, r->map_size);
	(void)close(r->fd);
	*r = (struct blk_ring){.fd = -1};
}

struct io_uring_sqe *blk_ring_next(struct blk_ring *r, uint8_t op, unsigned file, uint64_t user)
{
	const unsigned index = r->tail++ & r->sq_mask;
	struct io_uring_sqe *s = &r->sqes[index];

	memset(s, 0, sizeof(*s));
	s->opcode = op;
	s->flags = IOSQE_FIXED_FILE;
	s->fd = (int32_t)file;
	s->user_data = user;
	r->array[index] = index;
	r->pending++;
	return s;
}

bool blk_ring_signal(struct blk_ring *r, unsigned file)
{
	static const uint64_t one = 1;

	if (!r->can_signal || r->pending >= BLK_RING_SIGNALS)
		return false;
	struct io_uring_sqe *s = blk_ring_next(r, IORING_OP_WRITE, file, BLK_RING_SIGNAL);
	s->addr = (uint64_t)(uintptr_t)&one;
	s->len = sizeof(one);
	s->flags |= IOSQE_CQE_SKIP_SUCCESS;
	return true;
}

/*
 * A poll that stays spares the kernel a request for each signal. The count is never read: it grows
 * by one, which 2^64 signals may do. IORING_POLL_ADD_MULTI is older than IORING_FEAT_CQE_SKIP.
 */
void blk_ring_watch(struct blk_ring *r, unsigned file, uint64_t user)
{
	struct io_uring_sqe *s =
		blk_ring_next(r, r->can_signal ? IORING_OP_POLL_ADD : IORING_OP_READ, file, user);

	if (r->can_signal) {
		s->len = IORING_POLL_ADD_MULTI;
		s->poll32_events = POLLIN;
		return;
	}
	s->addr = (uint64_t)(uintptr_t)&r->count;
	s->len = sizeof(r->count);
}

WALL_CALL(disk, io_uring_enter);

/* The kernel may take a part of the entries, or none when it has no memory for them. */
static int ring_enter(struct blk_ring *r, unsigned wanted, unsigned flags)
{
	__atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
	long taken = syscall(SYS_io_uring_enter, r->fd, r->pending, wanted, flags, NULL, 0);
	if (taken < 0)
		return -errno;
	r->pending -= (unsigned)taken;
	return 0;
}

int blk_ring_wait(struct blk_ring *r)
{
	return ring_enter(r, 1, IORING_ENTER_GETEVENTS);
}

int blk_ring_submit(struct blk_ring *r)
{
	const unsigned flags = __atomic_load_n(r->sq_flags, __ATOMIC_ACQUIRE);

	return r->pending || flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)
		       ? ring_enter(r, 0, IORING_ENTER_GETEVENTS)
		       : 0;
}

bool blk_ring_reap(struct blk_ring *r, struct blk_ring_done *ret)
{
	const unsigned head = *r->cq_head;

	if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	const struct io_uring_cqe *c = &r->cqes[head & r->cq_mask];
	*ret = (struct blk_ring_done){c->user_data, c->res, c->flags & IORING_CQE_F_MORE};
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}
