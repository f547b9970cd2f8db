/* SPDX-License-Identifier: MIT */
#include "engine/qemu/translator.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/rights.h"
#include "control/value.h"
#include "engine/engine.h"
#include "engine/qemu/console.h"
#include "engine/qemu/monitor.h"
#include "engine/qemu/obey.h"
#include "engine/qemu/parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct translator_ends {
	int orders, plug, qmp;
};

/* QEMU has no part in it. */
static int console_pass_on(const struct monitor *m, const struct wire_order *o, int fd)
{
	const int orders = m->parts->console_orders;

	if (o->port)
		return -EOPNOTSUPP;
	return orders < 0 ? -ENOTCONN : console_order(orders, o, fd);
}

/* An answer that finds the socket full is lost: the keeper does not read then. */
static void answer_order(
	struct monitor *m, int orders, const struct wire_order *o, const struct wire_fds *fds)
{
	static struct wire_done done;

	done.result = wire_order_check(o, fds->count);
	done.length = 0;
	if (done.result == 0 && o->order == WIRE_ORDER_CONSOLE)
		done.result = console_pass_on(m, o, fds->fds[0]);
	else if (done.result == 0)
		monitor_obey(m, o, &done);
	done.header = (struct wire_header){.kind = WIRE_DONE, .id = o->header.id};
	(void)wire_send(orders, &done, sizeof(done), NULL);
}

/* Return: 0; -EPIPE the other end is closed; -errno. */
static int order_serve(struct monitor *m, int orders)
{
	struct wire_order order;
	struct wire_fds fds = {0};

	int r = wire_receive(orders, &order, sizeof(order), &fds);
	if (r == 0)
		answer_order(m, orders, &order, &fds);
	wire_close(&fds);
	return r == -EPROTO ? 0 : r;
}

/* Somebody has typed the way out. Return: 0; -EPIPE no console is there any more. */
static int stop_serve(struct monitor *m, int console)
{
	struct wire_order order;

	int r = wire_receive(console, &order, sizeof(order), NULL);
	if (r == 0 && order.order == WIRE_ORDER_BUTTON)
		(void)monitor_ask(m, "{\"execute\":\"quit\"}", NULL);
	return r == -EPROTO ? 0 : r;
}

/* Two sockets, for two processes that wait for their own answers, and that of the console. */
static void orders_serve(struct monitor *m, int orders, int plug)
{
	int r = 0, console = m->parts->console_orders;

	while (r == 0) {
		struct pollfd fds[] = {{.fd = orders, .events = POLLIN},
			{.fd = plug, .events = POLLIN}, {.fd = console, .events = POLLIN}};
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[2].revents && stop_serve(m, console) < 0)
			console = -1;
		if (fds[0].revents)
			r = order_serve(m, orders);
		if (fds[1].revents && order_serve(m, plug) < 0)
			plug = -1;
	}
}

/*
 * @uid: the user that QEMU has of its own; 0: it has none. json-c is loaded before the rights are
 * gone: it may be where not everyone reads.
 */
static void rights_leave(uid_t uid)
{
	struct control_value *v = NULL;

	if (control_value_parse("{}", 2, &v, NULL) == 0)
		control_value_free(v);
	if (uid && (rights_unbound() < 0 || rights_become(uid, uid) < 0))
		_exit(1);
	if (rights_drop() < 0)
		_exit(1);
}

__attribute__((noreturn)) static void translator_main(const struct guest_spec *s,
	const struct qemu_parts *parts, uid_t uid, const struct translator_ends *ends, pid_t keeper)
{
	static struct monitor m;
	int kept[SPEC_VIRTIO_MAX + 4] = {
		ends->orders, ends->plug, ends->qmp, parts->console_orders};
	size_t count = 4;

	(void)prctl(PR_SET_NAME, "usher-qmp");
	m = (struct monitor){.qmp = ends->qmp, .spec = s, .parts = parts};
	for (size_t i = 0; i < s->virtio_count; i++)
		if (parts->disks[i].fd >= 0)
			kept[count++] = parts->disks[i].fd;
	/* Locks, groups and sockets of the keeper: nothing of it is to live as long as this. */
	fd_close_others(kept, count);
	rights_leave(uid);
	/* After the change of the user, which clears it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(0);
	/*
	 * Signals stay blocked, as the keeper has them: a terminal sends Ctrl-C and Ctrl-Z to this
	 * process as well, and the guest may go on.
	 */
	orders_serve(&m, ends->orders, ends->plug);
	_exit(0);
}

static int sockets_make(struct engine_run *run, int orders[2], int plug[2], int qmp[2])
{
	int r = wire_pair(orders);

	if (r < 0)
		return r;
	run->orders_fd = orders[0];
	r = wire_pair(plug);
	if (r < 0) {
		fd_close(&orders[1]);
		return r;
	}
	run->plug_fd = plug[0];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) == 0)
		return 0;
	r = -errno;
	fd_close(&orders[1]);
	fd_close(&plug[1]);
	return r;
}

int translator_start(struct engine_run *run, const struct guest_spec *s,
	const struct qemu_parts *parts, struct err *e)
{
	const pid_t keeper = getpid();
	int qmp[2], orders[2], plug[2];

	int r = sockets_make(run, orders, plug, qmp);
	if (r < 0)
		return err_set(e, r, "make a socket for QEMU's monitor");
	cleanup_fd int ours = qmp[0];
	cleanup_fd int theirs = qmp[1];
	cleanup_fd int obeys = orders[1];
	cleanup_fd int plugs = plug[1];
	pid_t pid = fork();
	if (pid == 0)
		translator_main(s, parts, run->uid.uid,
			&(struct translator_ends){obeys, plugs, ours}, keeper);
	if (pid < 0)
		return err_set(e, -errno, "start a translator for QEMU's monitor");
	run->translator = pid;
	return TAKE_FD(theirs);
}

void translator_stop(pid_t *pid)
{
	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}
