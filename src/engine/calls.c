/* SPDX-License-Identifier: MIT */
#include "engine/calls.h"

#include "base/err.h"
#include "base/num.h"
#include "engine/backend.h"
#include "engine/devices.h"
#include "engine/discard.h"
#include "engine/lend.h"
#include "engine/wipe.h"
#include "wire/call.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned calls_dial_seconds = 10;

/* An answer that does not fit into the socket is lost: it has room for far more than one call. */
static void call_answer(const struct calls *c, const struct wire_call *call, int result, int fd)
{
	struct wire_call answer = {
		.header = {.kind = WIRE_ANSWER, .id = call->header.id}, .result = result};
	const struct wire_fds fds = {.count = fd >= 0, .fds = {fd}};

	(void)wire_send(c->fd, &answer, sizeof(answer), &fds);
}

void calls_reap(struct calls *c)
{
	struct wire_call call = {0};
	size_t left = 0;

	for (size_t i = 0; i < c->helper_count; i++) {
		const struct helper h = c->helpers[i];
		int status = 0;

		pid_t pid = waitpid(h.pid, &status, WNOHANG);
		if (pid == 0)
			c->helpers[left++] = h;
		call.header.id = h.id;
		if (pid == h.pid && status && c->fd >= 0)
			call_answer(c, &call, -EIO, -1);
	}
	c->helper_count = left;
}

/* What another process has to do first is waited for so long; calls_reap() answers afterwards. */
static void helper_bound(unsigned seconds)
{
	sigset_t set;

	(void)signal(SIGALRM, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)alarm(seconds);
}

/* Ends with the keeper: devices that it holds would stay in use. */
static void helper_begin(pid_t keeper)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(1);
}

/* Has a process of its own answer the call by @answer. */
static void call_delegate(struct calls *c, const struct wire_call *call, struct open_devices *d,
	void (*answer)(const struct calls *c, const struct wire_call *call, struct open_devices *d))
{
	calls_reap(c);
	if (c->helper_count == COUNT(c->helpers)) {
		call_answer(c, call, -EBUSY, -1);
		return;
	}
	const pid_t keeper = getpid();
	pid_t pid = fork();
	if (pid < 0) {
		call_answer(c, call, -errno, -1);
	} else if (pid == 0) {
		helper_begin(keeper);
		answer(c, call, d);
		_exit(0);
	} else {
		c->helpers[c->helper_count++] = (struct helper){.pid = pid, .id = call->header.id};
	}
}

static void answer_reset(
	const struct calls *c, const struct wire_call *call, struct open_devices *d)
{
	struct pci_address a;
	struct err e = {0};

	(void)wire_address_parse(&call->device, &a);
	call_answer(c, call, devices_reset_bus(d, a, &e), -1);
}

static int group_lend(struct open_devices *d, int group)
{
	if (!vfio_ioas_owns(&d->ioas, group))
		return -EPERM;
	for (unsigned i = 0; i < d->device_count; i++)
		if (d->devices[i].group == group)
			return lend_group(d, i);
	return -EPERM;
}

static void answer_lend(const struct calls *c, const struct wire_call *call, struct open_devices *d)
{
	int fd = group_lend(d, call->group);

	call_answer(c, call, fd < 0 ? fd : 0, fd);
}

/* A file system may hang, where the path leads. */
static void answer_backend(
	const struct calls *c, const struct wire_call *call, struct open_devices *d)
{
	helper_bound(calls_dial_seconds);
	int fd = backends_reconnect(c->backends, (unsigned)call->group);

	call_answer(c, call, fd < 0 ? fd : 0, fd);
}

/* Likewise. */
static void answer_socket(
	const struct calls *c, const struct wire_call *call, struct open_devices *d)
{
	helper_bound(calls_dial_seconds);
	int fd = vsock_dial(&c->sockets, (uint32_t)call->group);

	call_answer(c, call, fd < 0 ? fd : 0, fd);
}

void calls_serve(struct calls *c, struct open_devices *d)
{
	struct wire_call call = {0}; /* the answer to a message that is too short has its id, too */

	int r = wire_receive(c->fd, &call, sizeof(call), NULL);
	if (r == 0)
		r = wire_call_check(&call);
	if (r == -EPROTO) {
		call_answer(c, &call, r, -1);
		return;
	}
	if (r < 0) {
		discard_socket(&c->fd);
		return;
	}
	if (call.header.kind == WIRE_LEND_BACKEND)
		call_delegate(c, &call, d, answer_backend);
	else if (call.header.kind == WIRE_LEND_SOCKET)
		call_delegate(c, &call, d, answer_socket);
	else if (!d)
		call_answer(c, &call, -EPERM, -1);
	else if (call.header.kind == WIRE_RESET_BUS)
		call_delegate(c, &call, d, answer_reset);
	else if (call.header.kind == WIRE_LEND_GROUP)
		call_delegate(c, &call, d, answer_lend);
	else
		call_answer(c, &call, vfio_ioas_unbind(&d->ioas, call.group, NULL), -1);
}

void calls_close(struct calls *c)
{
	discard_socket(&c->fd);
	vsock_ports_close(&c->sockets);
	calls_reap(c);
}
