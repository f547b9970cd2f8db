/* SPDX-License-Identifier: MIT */
#include "engine/qemu/console.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/rights.h"
#include "base/terminal.h"
#include "engine/engine.h"
#include "engine/qemu/onlookers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS_MAX 1024
#define KEY_ESCAPE 0x01 /* Ctrl-A, as of usher-vmm */
#define LAST_MS 1000 /* for a reader of standard output, after the guest's end */
#define STOP_MS 2000
#define ORDER_MS 2000

enum { GUEST, INPUT, OUTPUT, ORDERS, ONLOOKERS };

struct console {
	int guest, input, output, orders; /* -1: at its end */
	bool output_is_socket;
	bool at_terminal; /* its keys have a way out */
	bool escape; /* the last key was Ctrl-A */
	uint64_t written; /* of the guest's bytes, to standard output */
	size_t key_count; /* typed, and not with the guest yet */
	char keys[KEYS_MAX];
	struct onlookers onlookers;
};

/*
 * A terminal or a pipe without a reader would hold up onlookers. A new description of it, which is
 * this process's alone, does not block.
 */
static int output_open(bool *ret_is_socket)
{
	struct stat st;

	*ret_is_socket = false;
	if (!fd_takes_output(STDOUT_FILENO) || fstat(STDOUT_FILENO, &st) < 0)
		return -1;
	*ret_is_socket = S_ISSOCK(st.st_mode);
	int fd = S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)
			 ? open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
			 : -1;
	return fd >= 0 ? fd : STDOUT_FILENO;
}

/* In the background, the terminal's keys are another program's. */
static int input_open(struct terminal *t)
{
	if (!terminal_read(STDIN_FILENO, t))
		return STDIN_FILENO;
	if (!terminal_is_ours(STDIN_FILENO)) {
		*t = TERMINAL_NONE;
		return -1;
	}
	(void)terminal_make_raw(t);
	return STDIN_FILENO;
}

static size_t output_left(const struct console *c)
{
	return c->output < 0 ? 0 : c->onlookers.end - c->written;
}

/* Return: whether there may be more. */
static bool output_write(struct console *c)
{
	const char *piece;
	size_t len = onlookers_piece(&c->onlookers, c->written, &piece);

	/* poll(2) promises room for that much in a pipe. */
	len = len < 4096 ? len : 4096;
	ssize_t n = c->output_is_socket ? send(c->output, piece, len, MSG_DONTWAIT | MSG_NOSIGNAL)
					: write(c->output, piece, len);
	if (n > 0)
		c->written += (uint64_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		c->output = -1;
	return n > 0;
}

static void guest_read(struct console *c)
{
	char bytes[4096];
	ssize_t n = recv(c->guest, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0)
		onlookers_put(&c->onlookers, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->guest = -1;
}

static void keys_send(struct console *c)
{
	ssize_t n = send(c->guest, c->keys, c->key_count, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n <= 0)
		return;
	c->key_count -= (size_t)n;
	for (size_t i = 0; i < c->key_count; i++)
		c->keys[i] = c->keys[(size_t)n + i];
}

/* The translator has QEMU end. */
static void stop_ask(const struct console *c)
{
	struct wire_order o = {.header.kind = WIRE_ORDER, .order = WIRE_ORDER_BUTTON};

	(void)wire_send(c->orders, &o, sizeof(o), NULL);
}

/* Ctrl-A x stops the guest; after another Ctrl-A, or an a, it gets one. Return: what is left. */
static size_t escapes_take(struct console *c, char *keys, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		bool escaped = c->escape;
		c->escape = !escaped && keys[i] == KEY_ESCAPE;
		if (c->escape)
			continue;
		if (escaped && (keys[i] == 'x' || keys[i] == 'X'))
			stop_ask(c);
		else
			keys[kept++] = escaped && (keys[i] == 'a' || keys[i] == 'A') ? KEY_ESCAPE
										     : keys[i];
	}
	return kept;
}

static void input_read(struct console *c)
{
	char *keys = c->keys + c->key_count;
	ssize_t n = read(c->input, keys, KEYS_MAX - c->key_count);

	if (n > 0)
		c->key_count += c->at_terminal ? escapes_take(c, keys, (size_t)n) : (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->input = -1;
}

static void order_serve(struct console *c)
{
	static struct wire_done done;
	struct wire_order o;
	struct wire_fds fds = {0};

	int r = wire_receive(c->orders, &o, sizeof(o), &fds);
	if (r < 0 && r != -EPROTO) {
		c->orders = -1;
		return;
	}
	r = r < 0 ? r : wire_order_check(&o, fds.count);
	if (r == 0 && o.order == WIRE_ORDER_CONSOLE) {
		r = onlookers_add(&c->onlookers, fds.fds[0], o.flags & WIRE_ORDER_READ_ONLY);
		fds.count = 0;
	}
	wire_close(&fds);
	/* All of the history is in the socket when the client hears of it. */
	onlookers_show(&c->onlookers);
	done = (struct wire_done){.header = {.kind = WIRE_DONE, .id = o.header.id}, .result = r};
	(void)wire_send(c->orders, &done, sizeof(done), NULL);
}

static size_t console_poll(const struct console *c, struct pollfd *ret)
{
	const bool room = c->key_count < KEYS_MAX;
	const bool behind = output_left(c) > ONLOOKERS_HISTORY - 4096;

	ret[GUEST] = (struct pollfd){.fd = c->guest,
		.events = (short)((behind ? 0 : POLLIN) | (c->key_count ? POLLOUT : 0))};
	ret[INPUT] = (struct pollfd){.fd = room ? c->input : -1, .events = POLLIN};
	ret[OUTPUT] = (struct pollfd){.fd = output_left(c) ? c->output : -1, .events = POLLOUT};
	ret[ORDERS] = (struct pollfd){.fd = c->orders, .events = POLLIN};
	return ONLOOKERS + onlookers_poll(&c->onlookers, ret + ONLOOKERS, room);
}

static void console_turn(struct console *c, const struct pollfd *fds, size_t count)
{
	if (fds[GUEST].revents & POLLOUT)
		keys_send(c);
	if (fds[GUEST].revents & (POLLIN | POLLHUP | POLLERR))
		guest_read(c);
	if (fds[INPUT].revents)
		input_read(c);
	c->key_count += onlookers_serve(&c->onlookers, fds + ONLOOKERS, count - ONLOOKERS,
		c->keys + c->key_count, KEYS_MAX - c->key_count);
	onlookers_show(&c->onlookers);
	if (output_left(c))
		(void)output_write(c);
	if (fds[ORDERS].revents)
		order_serve(c);
}

/* Until the guest is gone, and what it has said is written, or nobody reads it. */
static void console_serve(struct console *c)
{
	struct pollfd fds[ONLOOKERS + ONLOOKERS_MAX];
	int64_t end = 0;

	while (c->guest >= 0 || (output_left(c) && clock_ms() < end)) {
		size_t count = console_poll(c, fds);
		if (poll(fds, count, c->guest < 0 ? LAST_MS : -1) >= 0)
			console_turn(c, fds, count);
		if (c->guest < 0 && !end)
			end = clock_ms() + LAST_MS;
	}
	onlookers_show(&c->onlookers);
}

__attribute__((noreturn)) static void console_main(int guest, int orders, uid_t uid, pid_t keeper)
{
	static struct console c;
	struct terminal t = TERMINAL_NONE;

	(void)prctl(PR_SET_NAME, "usher-console");
	c.guest = guest;
	c.orders = orders;
	c.input = input_open(&t);
	c.at_terminal = t.known;
	c.output = output_open(&c.output_is_socket);
	int kept[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, guest, orders, c.output};
	fd_close_others(kept, sizeof(kept) / sizeof(kept[0]));
	/* No terminal stops a process of another session. */
	(void)setsid();
	if (uid && (rights_unbound() < 0 || rights_become(uid, uid) < 0))
		_exit(1);
	if (rights_drop() < 0)
		_exit(1);
	/* After the change of the user, which clears it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == keeper)
		console_serve(&c);
	if (t.known)
		terminal_restore(&t);
	_exit(0);
}

int console_start(struct engine_run *run, int *ret_orders, struct err *e)
{
	const pid_t keeper = getpid();
	int guest[2], orders[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, guest) < 0)
		return err_set(e, -errno, "make a socket for the console");
	cleanup_fd int ours = guest[0];
	cleanup_fd int theirs = guest[1];
	int r = wire_pair(orders);
	if (r < 0)
		return err_set(e, r, "make a socket for the console");
	cleanup_fd int obeys = orders[1];
	*ret_orders = orders[0];
	pid_t pid = fork();
	if (pid == 0)
		console_main(ours, obeys, run->uid.uid, keeper);
	if (pid < 0)
		return err_set(e, -errno, "start a process for the console");
	run->console = pid;
	return TAKE_FD(theirs);
}

void console_stop(pid_t *pid)
{
	if (*pid <= 0)
		return;
	cleanup_fd int pidfd = fd_pidfd_open(*pid);
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	if (pidfd < 0 || poll(&ended, 1, STOP_MS) <= 0)
		(void)kill(*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

int console_order(int orders, const struct wire_order *o, int fd)
{
	static struct wire_done done;
	const int64_t end = clock_ms() + ORDER_MS;
	const struct wire_fds fds = {.count = 1, .fds = {fd}};
	struct pollfd answered = {.fd = orders, .events = POLLIN};
	struct wire_order copy = *o;

	int r = wire_send(orders, &copy, sizeof(copy), &fds);
	while (r == 0) {
		int64_t left = end - clock_ms();
		if (left <= 0 || poll(&answered, 1, (int)left) <= 0)
			return -ETIMEDOUT;
		r = wire_receive(orders, &done, sizeof(done), NULL);
		if (r == 0)
			r = wire_done_check(&done);
		if (r == 0 && done.header.id == o->header.id)
			return done.result;
	}
	return r;
}
