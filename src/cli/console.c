/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "base/terminal.h"
#include "cli/guest.h"
#include "cli/report.h"
#include "control/line.h"
#include "control/request.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * How it works
 *
 * The keeper hands out a socket to usher-vmm, which sends the last 64 KiB and then what follows. So
 * all of the history is in the socket when the keeper has answered. Keys go the other way. Signals
 * that end this program are let in only while it waits, so that the terminal is always restored.
 */
#define KEY_LEAVE 0x1d /* Ctrl-], as of telnet and virsh: Ctrl-A belongs to the guest's programs */

enum { READ_ONLY = 1, HISTORY };

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
	stop_signal = number;
}

static void signals_take(sigset_t *ret_before)
{
	const struct sigaction action = {.sa_handler = on_signal};
	sigset_t ends, stops;

	signals_that_end(&ends);
	signals_that_stop(&stops);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&ends, number) == 1)
			(void)sigaction(number, &action, NULL);
	(void)sigprocmask(SIG_BLOCK, &stops, ret_before);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
}

/* Return: 1 there may be more, 0 the guest has ended, -EAGAIN, -errno. */
static int output_copy(int console, int flags, struct err *e)
{
	char bytes[4096];
	ssize_t got = recv(console, bytes, sizeof(bytes), flags);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (got <= 0)
		return 0;
	int r = fd_write_full(STDOUT_FILENO, bytes, (size_t)got);
	return r < 0 ? err_set(e, r, "write the console") : 1;
}

/* Return: 1 go on, 0 the way out was typed, -1 no more keys come. */
static int keys_copy(int console, bool raw)
{
	char keys[256];
	ssize_t got = read(STDIN_FILENO, keys, sizeof(keys));

	if (got < 0 && errno == EINTR)
		return 1;
	if (got <= 0)
		return -1;
	const char *leave = raw ? memchr(keys, KEY_LEAVE, (size_t)got) : NULL;
	size_t len = leave ? (size_t)(leave - keys) : (size_t)got;
	if (len && send(console, keys, len, MSG_NOSIGNAL) < 0)
		return -1;
	return leave ? 0 : 1;
}

/* Return: 1 the guest has ended, 0 the person has left, -errno. */
static int console_copy(int console, bool raw, bool types, const sigset_t *waiting, struct err *e)
{
	enum { CONSOLE, KEYS };
	struct pollfd fds[] = {{.fd = console, .events = POLLIN},
		{.fd = types ? STDIN_FILENO : -1, .events = POLLIN}};

	while (!stop_signal) {
		if (ppoll(fds, 2, NULL, waiting) <= 0)
			continue;
		if (fds[CONSOLE].revents) {
			int r = output_copy(console, 0, e);
			if (r <= 0 && r != -EAGAIN)
				return r < 0 ? r : 1;
		}
		int typed = fds[KEYS].revents ? keys_copy(console, raw) : 1;
		if (typed == 0)
			return 0;
		if (typed < 0)
			fds[KEYS].fd = -1;
	}
	return 0;
}

/* A kernel is silent until it has a driver for its console: until then usher says so. */
static int history_copy(const char *name, const char *port, int console, struct err *e)
{
	unsigned pieces = 0;
	int r;

	while ((r = output_copy(console, MSG_DONTWAIT, e)) > 0)
		pieces++;
	if (!pieces && (r == 0 || r == -EAGAIN))
		report_note("guest '%s' has written nothing to %s%s yet", name,
			port[0] ? "port " : "its console", port);
	return r == -EAGAIN ? 0 : r;
}

static int console_attach(
	const char *name, const char *port, int console, bool read_only, struct err *e)
{
	struct terminal terminal = TERMINAL_NONE;
	sigset_t waiting;
	bool raw = !read_only && terminal_read(STDIN_FILENO, &terminal);

	if (raw || isatty(STDIN_FILENO))
		report_note("%s%s of guest '%s': %s leaves it, and the guest goes on",
			port[0] ? "port " : "console", port, name, raw ? "Ctrl-]" : "Ctrl-C");
	signals_take(&waiting);
	raw = raw && terminal_make_raw(&terminal);
	int r = console_copy(console, raw, !read_only, &waiting, e);
	if (raw)
		terminal_restore(&terminal);
	if (isatty(STDIN_FILENO)) {
		(void)fputc('\n', stderr); /* the guest's line may not be complete */
		report_note("%s", r > 0 ? "the guest has ended" : "the guest goes on");
	}
	return r < 0 ? r : 0;
}

/* Return: 0, -E2BIG. */
static int request_write(char *ret, size_t size, const char *port, bool read_only)
{
	struct control_line l;

	control_line_begin(&l, ret, size - 1);
	control_line_text(&l, "command", "console");
	if (read_only)
		control_line_flag(&l, "read_only", true);
	if (port[0])
		control_line_text(&l, "port", port);
	const size_t len = control_line_end(&l);
	ret[len] = '\0';
	return len ? 0 : -E2BIG;
}

/* Return: exit status. */
static int console_open(
	struct control_link *l, const char *name, const char *port, bool read_only, bool history)
{
	char request[CONTROL_LINE_MAX];
	struct err e = {0};

	int r = request_write(request, sizeof(request), port, read_only || history);
	if (r < 0)
		(void)err_say(&e, r, "the name of the port is too long");
	else
		r = control_ask(l, request, NULL, &e);
	if (r == 0 && !l->given_count)
		r = err_say(&e, -EPROTO, "the keeper of guest '%s' has sent no console", name);
	else if (r == 0)
		r = history ? history_copy(name, port, l->given[0], &e)
			    : console_attach(name, port, l->given[0], read_only, &e);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

static int console_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"read-only", no_argument, NULL, READ_ONLY},
		{"history", no_argument, NULL, HISTORY},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	struct control_link link;
	bool read_only = false, history = false;
	const char *name = "", *port = "";
	int c;

	while ((c = option_next(&o)) > 0) {
		read_only |= c == READ_ONLY;
		history |= c == HISTORY;
	}
	if (c != OPTION_END)
		return option_leave(c);
	if (argc - optind > 2)
		return option_wrong(v, "unexpected operand '%s'", argv[optind + 2]);
	if (argc - optind == 2)
		port = argv[--argc];
	int status = guest_connect(v, "console", argc, argv, &name, &link);
	if (status) {
		control_disconnect(&link);
		return status;
	}
	status = console_open(&link, name, port, read_only, history);
	control_disconnect(&link);
	return status;
}

const struct verb verb_console = {
	.name = "console",
	.summary = "look at a guest's console, and type into it",
	.help = "console [OPTION…] NAME [PORT]\n"
		"\n"
		"Shows the last 64 KiB of the guest's console, or of one of its ports ('usher\n"
		"run --port'), and what follows. On a terminal, all keys go to the guest, but\n"
		"Ctrl-] leaves the console; the guest goes on. Up to 8 may look at each at once,\n"
		"also at the console of a guest in the foreground.\n"
		"\n"
		"      --read-only        send no keys\n"
		"      --history          print what is there, and leave\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher console build\n",
	.run = console_run,
};
