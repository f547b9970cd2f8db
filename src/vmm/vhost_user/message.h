/* SPDX-License-Identifier: MIT */
#ifndef VMM_VHOST_USER_MESSAGE_H
#define VMM_VHOST_USER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One question to a vhost-user back end, and its answer.
 *
 * How it works. Messages go over a stream socket: a header of 12 bytes, a payload, and descriptors
 * with the first byte. The back end is another program, which may be hostile or hang. So
 * questions have a deadline, an answer has to be of the length that the question asks for, and
 * descriptors that no question asks for are never taken: without room for them, the kernel closes
 * them. After any failure the place in the stream is unknown, so the conversation is over.
 *
 * Ref: QEMU, docs/interop/vhost-user.rst. Numbers are in the host's byte order.
 */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
};

#define VHOST_USER_REGIONS_MAX 8 /* of memory, each with a descriptor, in one message */
#define VHOST_USER_CONFIG_MAX 256 /* [bytes] */

/*
 * [ms] A back end that takes longer to answer what belongs together hangs. For tests alone it is a
 * variable.
 */
extern unsigned vhost_user_patience;

struct vhost_user_region {
	uint64_t gpa;
	uint64_t size; /* [bytes] */
	uint64_t address; /* of its start, in the addresses that rings are given by */
	uint64_t offset; /* of its start in the file [bytes] */
};

struct vhost_user_inflight {
	uint64_t size; /* [bytes] of the file */
	uint64_t offset;
	uint16_t queue_count;
	uint16_t queue_size;
	uint32_t pad;
};

struct vhost_user_message {
	uint32_t request; /* enum vhost_user_request */
	uint32_t size; /* [bytes] of the payload */
	unsigned fd_count; /* that go with it, and stay the caller's */
	int fds[VHOST_USER_REGIONS_MAX];
	union {
		uint64_t number;
		struct {
			uint32_t queue;
			uint32_t value;
		} ring;
		struct {
			uint32_t queue;
			uint32_t flags;
			uint64_t desc, used, avail, log;
		} rings;
		struct {
			uint32_t count;
			uint32_t pad;
			struct vhost_user_region regions[VHOST_USER_REGIONS_MAX];
		} table;
		struct {
			uint32_t offset, size, flags;
			uint8_t bytes[VHOST_USER_CONFIG_MAX];
		} config;
		struct vhost_user_inflight inflight;
	} payload;
};

/*
 * Sends @m over @fd, a stream socket. @acknowledge: the back end is to say that it did it. @end_ms:
 * by clock_ms(). Return: 0; -ETIMEDOUT it does not read; -EPIPE it is gone; -errno.
 */
int vhost_user_send(int fd, const struct vhost_user_message *m, bool acknowledge, int64_t end_ms);

/*
 * Waits for the answer to @m, which takes its place, and has a payload of @size bytes. @ret_fd: one
 * descriptor that comes with it, or -1; NULL: none may come. @end_ms: likewise.
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTO it is no such answer; -errno.
 */
int vhost_user_receive(
	int fd, struct vhost_user_message *m, uint32_t size, int *ret_fd, int64_t end_ms);

#endif
