/* SPDX-License-Identifier: MIT */
#include "vmm/keeper.h"

#include "base/fd.h"
#include "vmm/walls/mark.h"
#include "wire/call.h"

#include <errno.h>

/*
 * Receives the answer to the last call. The keeper may have answered an earlier one twice: in place
 * of a process of its own that was killed just after its answer.
 */
static int answer_receive(struct keeper *k, struct wire_call *ret, struct wire_fds *fds)
{
	for (;;) {
		int r = wire_receive(k->fd, ret, sizeof(*ret), fds);
		if (r < 0 || ret->header.kind != WIRE_ANSWER || !ret->header.id ||
			ret->header.id >= k->id)
			return r;
		wire_close(fds);
	}
}

WALL_CALL(main | worker, sendmsg);
WALL_CALL(main | worker, recvmsg);
WALL_CALL(main | worker, close);

/* Calls come one after the other: the next answer is that of the last call. */
static int call_over_socket(struct keeper *k, struct wire_call *call, int *ret_fd)
{
	struct wire_call answer;
	struct wire_fds fds;

	if (k->fd < 0)
		return -ENOTCONN;
	call->header.id = ++k->id;
	int r = wire_send(k->fd, call, sizeof(*call), NULL);
	if (r < 0)
		return r;
	r = answer_receive(k, &answer, &fds);
	if (r < 0)
		return r;
	if (answer.header.kind != WIRE_ANSWER || answer.header.id != k->id || fds.count > 1 ||
		answer.result > 0) {
		wire_close(&fds);
		return -EPROTO;
	}
	*ret_fd = fds.count ? fds.fds[0] : -1;
	return answer.result;
}

static const struct keeper_ops socket_ops = {.call = call_over_socket};

void keeper_init(struct keeper *k, int fd)
{
	*k = (struct keeper){.ops = &socket_ops, .fd = fd};
	(void)pthread_mutex_init(&k->lock, NULL);
}

void keeper_fini(struct keeper *k)
{
	fd_close(&k->fd);
	(void)pthread_mutex_destroy(&k->lock);
}

static int keeper_call(struct keeper *k, struct wire_call *call, int *ret_fd)
{
	if (!k)
		return -ENOTCONN;
	*ret_fd = -1;
	(void)pthread_mutex_lock(&k->lock);
	int r = k->ops->call(k, call, ret_fd);
	(void)pthread_mutex_unlock(&k->lock);
	return r;
}

int keeper_reset_bus(struct keeper *k, struct pci_address device)
{
	struct wire_call call = {.header.kind = WIRE_RESET_BUS, .device = wire_address_of(device)};
	int fd = -1;

	int r = keeper_call(k, &call, &fd);
	fd_close(&fd);
	return r;
}

/* Return: the descriptor of the answer, -errno. */
static int keeper_lend(struct keeper *k, enum wire_kind kind, int what)
{
	struct wire_call call = {.header.kind = kind, .group = what};
	int fd = -1;

	int r = keeper_call(k, &call, &fd);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	return fd < 0 ? -EPROTO : fd;
}

int keeper_lend_group(struct keeper *k, int group)
{
	return keeper_lend(k, WIRE_LEND_GROUP, group);
}

int keeper_lend_backend(struct keeper *k, unsigned number)
{
	return keeper_lend(k, WIRE_LEND_BACKEND, (int)number);
}

int keeper_lend_socket(struct keeper *k, uint32_t port)
{
	return keeper_lend(k, WIRE_LEND_SOCKET, (int)port);
}

int keeper_leave_group(struct keeper *k, int group)
{
	struct wire_call call = {.header.kind = WIRE_LEAVE_GROUP, .group = group};
	int fd = -1;

	int r = keeper_call(k, &call, &fd);
	fd_close(&fd);
	return r;
}
