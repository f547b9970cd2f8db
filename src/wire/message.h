/* SPDX-License-Identifier: MIT */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * How it works
 *
 * The keeper and usher-vmm talk over sockets of type SOCK_SEQPACKET. A message is one struct of
 * fixed size without pointers, and at most WIRE_FDS_MAX descriptors (SCM_RIGHTS); fields refer to
 * a descriptor by its index. Each struct starts with a wire_header, and each kind of message has
 * one size. The receiver checks a message as a whole before it reads any of it: the other side may
 * be a VMM that its guest has taken over.
 *
 * Both sides come from one build; the version only catches a mixture of two installations.
 */
#define WIRE_VERSION 1
#define WIRE_FDS_MAX 128 /* the kernel's limit is 253 (SCM_MAX_FD) */
#define WIRE_FD_NONE UINT32_MAX /* in place of an index: no descriptor */

enum wire_kind {
	WIRE_MACHINE = 1, /* keeper to usher-vmm: struct wire_machine, the guest to run */
	WIRE_DEVICES, /* keeper to usher-vmm: struct wire_machine, its lent devices, and run it */
	WIRE_ATTACH, /* keeper to usher-vmm: struct wire_machine, devices for a running guest */
	WIRE_RESET_BUS, /* usher-vmm to keeper: struct wire_call, and so are all below */
	WIRE_LEND_GROUP,
	WIRE_LEAVE_GROUP,
	WIRE_LEND_BACKEND,
	WIRE_LEND_SOCKET,
	WIRE_ANSWER, /* keeper to usher-vmm */
	WIRE_EVENT, /* keeper to client: struct wire_event */
	WIRE_COMMAND, /* client to keeper: struct wire_command */
	WIRE_ATTACHED, /* usher-vmm to keeper: struct wire_attached */
	WIRE_ORDER, /* keeper to usher-vmm: struct wire_order */
	WIRE_DONE, /* usher-vmm to keeper: struct wire_done */
	WIRE_IMAGE, /* usher-image to keeper: struct wire_image */
	WIRE_MADE, /* a program with a root of its own: a header, with the file that it fills */
};

struct wire_header {
	uint32_t version;
	uint32_t kind; /* enum wire_kind */
	uint32_t size; /* [bytes] of the message, with this header */
	uint32_t id; /* an answer has its call's */
};

struct wire_fds {
	size_t count;
	int fds[WIRE_FDS_MAX];
};

/* Two connected ends, closed on exec. Return: 0, -errno. */
int wire_pair(int ret[2]);

/*
 * Sends @message, which starts with a header: the call fills in version and size. Never waits.
 * Return: 0; -EAGAIN the other side does not read; -EPIPE; -errno.
 */
int wire_send(int fd, void *message, size_t size, const struct wire_fds *fds);

/*
 * Waits for one message, of exactly @size bytes. The descriptors, closed on exec, become the
 * caller's: wire_close(). @fds NULL: the message has none.
 * Return: 0; -EPIPE the other end is closed; -EPROTO the message has another size or version, or
 * its list of descriptors is cut short; -EBADMSG it has descriptors that are not wanted, and stays
 * in the socket, because to close them may take long; -errno. No descriptor is left open on
 * failure.
 */
int wire_receive(int fd, void *message, size_t size, struct wire_fds *fds);

/* Adds @fd, which stays the caller's. Return: its index; -E2BIG. */
int wire_add(struct wire_fds *fds, int fd);
void wire_close(struct wire_fds *fds);

#endif
