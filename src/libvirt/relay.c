/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * All runs in libvirt's event loop, and nothing here waits. What the guest writes goes into a
 * buffer, and from there to standard output when that takes more; while the buffer is full, the
 * socket is not read, and so the guest waits. Viewers get the history, and then what they take at
 * once. Keys go the other way through a small buffer: while that is full, nothing is read from
 * standard input.
 *
 * It is QEMU's socket, not a stream of libvirt: that one needs a pseudoterminal, which drops what
 * QEMU has written last, and it ends with libvirt's daemon.
 */
#include "libvirt/relay.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KEY_ESCAPE 0x01 /* Ctrl-A */
#define WRITE_MAX 512 /* [bytes] a pipe or terminal that is ready takes them without a wait */

static int socket_events(const struct relay *r)
{
	int events = 0;

	if (r->out_len < sizeof(r->out))
		events |= VIR_EVENT_HANDLE_READABLE;
	if (r->in_len)
		events |= VIR_EVENT_HANDLE_WRITABLE;
	return events;
}

/* Which events each side waits for, after any change of the buffers. */
static void relay_watch(struct relay *r)
{
	bool has_room = r->in_len < sizeof(r->in) / 2;

	if (r->watch >= 0)
		vir.virEventUpdateHandle(r->watch, socket_events(r));
	if (r->output_watch >= 0)
		vir.virEventUpdateHandle(
			r->output_watch, r->out_len ? VIR_EVENT_HANDLE_WRITABLE : 0);
	if (r->input_watch >= 0)
		vir.virEventUpdateHandle(r->input_watch, has_room ? VIR_EVENT_HANDLE_READABLE : 0);
	for (size_t i = 0; i < r->viewer_count; i++)
		if (r->viewers[i].fd >= 0)
			vir.virEventUpdateHandle(
				r->viewers[i].watch, has_room ? VIR_EVENT_HANDLE_READABLE : 0);
}

static void handle_remove(int *watch)
{
	if (*watch >= 0)
		(void)vir.virEventRemoveHandle(*watch);
	*watch = -1;
}

static void socket_close(struct relay *r)
{
	handle_remove(&r->watch);
	fd_close(&r->fd);
}

static void history_add(struct relay *r, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		r->history[r->end++ % RELAY_HISTORY] = text[i];
}

/* The socket has room for all of it. */
static void history_send(const struct relay *r, int fd)
{
	size_t from = r->end > RELAY_HISTORY ? r->end % RELAY_HISTORY : 0;
	size_t newest = r->end % RELAY_HISTORY;

	if (from)
		(void)send(
			fd, r->history + from, RELAY_HISTORY - from, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)send(fd, r->history, r->end && !newest ? RELAY_HISTORY : newest,
		MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void viewers_put(struct relay *r, const char *text, size_t len)
{
	history_add(r, text, len);
	for (size_t i = 0; i < r->viewer_count; i++)
		if (r->viewers[i].fd >= 0)
			(void)send(r->viewers[i].fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void socket_read(struct relay *r)
{
	char *at = r->out + r->out_len;
	ssize_t n = recv(r->fd, at, sizeof(r->out) - r->out_len, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		socket_close(r);
	if (n <= 0)
		return;
	viewers_put(r, at, (size_t)n);
	if (r->output_watch >= 0)
		r->out_len += (size_t)n;
}

static void socket_write(struct relay *r)
{
	ssize_t n = send(r->fd, r->in, r->in_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n <= 0)
		return;
	r->in_len -= (size_t)n;
	memmove(r->in, r->in + n, r->in_len);
}

static void on_socket(int watch, int fd, int events, void *arg)
{
	struct relay *r = arg;

	if (events & VIR_EVENT_HANDLE_WRITABLE && r->in_len)
		socket_write(r);
	if (events & ~VIR_EVENT_HANDLE_WRITABLE && r->out_len < sizeof(r->out))
		socket_read(r);
	relay_watch(r);
}

static void on_output(int watch, int fd, int events, void *arg)
{
	struct relay *r = arg;

	ssize_t n = write(fd, r->out, min_u64(r->out_len, WRITE_MAX));
	if (n < 0 && errno != EINTR && errno != EAGAIN) {
		handle_remove(&r->output_watch); /* nobody reads any more: the guest runs on */
		n = (ssize_t)r->out_len;
	}
	if (n > 0) {
		r->out_len -= (size_t)n;
		memmove(r->out, r->out + n, r->out_len);
	}
	relay_watch(r);
}

static void key_put(struct relay *r, char key)
{
	if (r->in_len < sizeof(r->in))
		r->in[r->in_len++] = key;
}

/* At a terminal Ctrl-A is usher's. */
static void key_take(struct relay *r, char key)
{
	if (r->terminal.known && r->escape) {
		r->escape = false;
		if (key == 'x')
			r->stop(r->arg);
		else if (key == 'a')
			key_put(r, KEY_ESCAPE);
		return;
	}
	r->escape = r->terminal.known && key == KEY_ESCAPE;
	if (!r->escape)
		key_put(r, key);
}

static void on_input(int watch, int fd, int events, void *arg)
{
	struct relay *r = arg;
	char keys[sizeof(r->in) / 2];

	ssize_t n = read(fd, keys, sizeof(keys));
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		handle_remove(&r->input_watch);
	for (ssize_t i = 0; i < n; i++)
		key_take(r, keys[i]);
	relay_watch(r);
}

void relay_init(struct relay *r, bool uses_stdio, void (*stop)(void *arg), void *arg)
{
	*r = RELAY_NONE;
	r->stop = stop;
	r->arg = arg;
	if (!uses_stdio)
		return;
	r->output_watch = vir.virEventAddHandle(STDOUT_FILENO, 0, on_output, r, NULL);
	if (terminal_read(STDIN_FILENO, &r->terminal) &&
		(!terminal_is_ours(STDIN_FILENO) || !terminal_make_raw(&r->terminal))) {
		r->terminal = TERMINAL_NONE; /* the background: the kernel would refuse to read */
		return;
	}
	r->input_watch =
		vir.virEventAddHandle(STDIN_FILENO, VIR_EVENT_HANDLE_READABLE, on_input, r, NULL);
}

int relay_open(struct relay *r, const char *path, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->fd < 0 || connect(r->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;
		fd_close(&r->fd);
		return err_set(e, error, "connect to the console at %s", path);
	}
	r->watch = vir.virEventAddHandle(r->fd, socket_events(r), on_socket, r, NULL);
	return r->watch < 0 ? err_say(e, -ENOMEM, "watch the console") : 0;
}

static void viewer_drop(struct relay_viewer *v)
{
	struct relay *r = v->relay;

	handle_remove(&v->watch);
	fd_close(&v->fd);
	/* Its place is free: the callback's argument of another one never moves. */
	for (size_t i = r->viewer_count; i > 0 && r->viewers[i - 1].fd < 0; i--)
		r->viewer_count--;
}

static void on_viewer(int watch, int fd, int events, void *arg)
{
	struct relay_viewer *v = arg;
	struct relay *r = v->relay;
	char keys[sizeof(r->in) / 2];

	ssize_t n = recv(fd, keys, sizeof(keys), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		viewer_drop(v);
	for (ssize_t i = 0; i < n && !v->read_only; i++)
		key_put(r, keys[i]);
	relay_watch(r);
}

int relay_show(struct relay *r, int fd, bool read_only)
{
	size_t i = 0;

	while (i < r->viewer_count && r->viewers[i].fd >= 0)
		i++;
	if (i == RELAY_VIEWERS_MAX) {
		fd_close(&fd);
		return -EUSERS;
	}
	struct relay_viewer *v = &r->viewers[i];
	*v = (struct relay_viewer){.relay = r, .fd = fd, .read_only = read_only};
	v->watch = vir.virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_viewer, v, NULL);
	if (v->watch < 0) {
		fd_close(&v->fd);
		return -ENOMEM;
	}
	r->viewer_count += i == r->viewer_count;
	history_send(r, fd);
	return 0;
}

bool relay_is_drained(const struct relay *r)
{
	return r->fd < 0 && !r->out_len;
}

void relay_fini(struct relay *r)
{
	socket_close(r);
	while (r->viewer_count)
		viewer_drop(&r->viewers[r->viewer_count - 1]);
	terminal_restore(&r->terminal);
}
