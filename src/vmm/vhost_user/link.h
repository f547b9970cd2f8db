/* SPDX-License-Identifier: MIT */
#ifndef VMM_VHOST_USER_LINK_H
#define VMM_VHOST_USER_LINK_H

#include "vmm/gpa.h"
#include "vmm/vhost_user/message.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct memory;

/*
 * The conversation with one vhost-user back end: a program that serves the queues of a virtio
 * device in shared guest memory, so that no request passes this process.
 *
 * How it works. What both sides can is settled once. Between start and stop the rings are the back
 * end's: it maps guest memory by the descriptors of the table, waits for the doorbells' eventfds,
 * and signals the eventfds of the interrupts. The table is given anew at each start, because RAM
 * does not change while a device runs (vmm/memory.h). Rings are given by guest-physical addresses:
 * the back end learns no address of this process.
 *
 * Each call waits for the back end, vhost_user_patience at most, however many questions it asks.
 * What both sides can is settled within one such time: by the first call, and those that read the
 * configuration. Context: one thread at a time, which is no vCPU's. A call that fails, but for
 * -EOPNOTSUPP, ends the conversation.
 */
struct vhost_user_link {
	int fd; /* -1: none */
	int64_t end_ms; /* of the call's patience, by clock_ms() */
	uint64_t features; /* of rings and device, that the back end offers */
	uint64_t protocol; /* features of the conversation, that both sides have */
	bool settles; /* it knows such features */
	unsigned queues; /* that it serves at most */
	int inflight_fd; /* where it notes the requests in work; -1: it does not */
	struct vhost_user_inflight inflight;
};

#define VHOST_USER_LINK_NONE ((struct vhost_user_link){.fd = -1, .inflight_fd = -1})

/* A queue, as the driver has set it up. */
struct vhost_user_ring {
	bool enabled; /* else the rest does not count */
	uint16_t size; /* entries */
	uint16_t base; /* index of the next chain that the back end takes */
	gpa_t desc, avail, used;
	int kick; /* eventfd: doorbell */
	int call; /* eventfd: interrupt */
};

/*
 * Takes over @fd, a connected stream socket. @name: of the device, for messages. Return: 0, -errno;
 * then @l is VHOST_USER_LINK_NONE.
 */
int vhost_user_link_init(struct vhost_user_link *l, int fd, const char *name, struct err *e);
/* Waits for a second at most (vmm/vhost_user/bound.h): without a lock. */
void vhost_user_link_fini(struct vhost_user_link *l);

/* Reads the device's configuration: @size bytes. Return: 0; -EOPNOTSUPP it has none; -errno. */
int vhost_user_link_config(struct vhost_user_link *l, void *to, uint32_t size);

/*
 * A back end that has ended, and noted what it had in work, is back. The first call agrees with it
 * over @fd, which is @next's from now on, and may be shut down meanwhile; it has to be done at
 * @end_ms, by clock_ms(), and so has vhost_user_link_config() after it. The second one has @next
 * go on for @l, and leaves in it the connection that @l had. It does not wait, so a lock may be
 * held.
 * Return: 0; -EOPNOTSUPP the back end no longer has what was agreed on; -errno; @l is as it was.
 */
int vhost_user_link_ask(struct vhost_user_link *next, int fd, int64_t end_ms);
int vhost_user_link_renew(struct vhost_user_link *l, struct vhost_user_link *next);

/*
 * Hands it the rings. @accepted: features of the driver. @resumes: a back end that has ended had
 * them; else what was noted counts no more. Return: 0; -EFAULT a ring is not in RAM;
 * -EOPNOTSUPP guest memory cannot be shared; -errno.
 */
int vhost_user_link_start(struct vhost_user_link *l, struct memory *m, uint64_t accepted,
	const struct vhost_user_ring *rings, unsigned count, bool resumes);

/* When it returns 0, the back end no longer touches guest memory. */
int vhost_user_link_stop(
	struct vhost_user_link *l, const struct vhost_user_ring *rings, unsigned count);

/* From now on @eventfd is the interrupt of queue @n. */
int vhost_user_link_set_call(struct vhost_user_link *l, unsigned n, int eventfd);

/* Whether a program that starts again may answer so, to connect(2) or to the first question. */
bool vhost_user_link_is_not_yet(int r);

/* Why a call returned @r, for a message: what "its back end" does or is not able to. */
const char *vhost_user_link_loss(int r);

#endif
