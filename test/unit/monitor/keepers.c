/* SPDX-License-Identifier: MIT */
#include "monitor/keepers.h"

#include "base/clock.h"
#include "base/file.h"
#include "monitor/monitor.h"
#include "replay.h"
#include "told.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char run_dir[] = "/tmp/usher-monitor-XXXXXX";

static void run_dir_make(void)
{
	ck_assert_ptr_nonnull(mkdtemp(run_dir));
}

static void run_dir_remove(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r %s", run_dir);
	ck_assert_int_eq(system(command), 0);
}

static void folder_path(const char *name, char *buf)
{
	ck_assert_int_eq(file_path(buf, FILE_PATH_MAX, "%s/%s", run_dir, name), 0);
}

static void folder_make(const char *name)
{
	char path[FILE_PATH_MAX];

	folder_path(name, path);
	ck_assert_int_eq(file_mkdirs(path, 0755), 0);
}

static void name_remove(const char *name)
{
	char path[FILE_PATH_MAX];

	folder_path(name, path);
	ck_assert_int_eq(remove(path), 0);
}

/* The keeper of a guest. Return: its socket, which listens. */
static int socket_make(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[FILE_PATH_MAX];

	folder_path(name, path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const void *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	return fd;
}

static void line_send(int fd, const char *line)
{
	ck_assert_int_eq(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

/* Reads what the monitor asks, a line at a time. */
static void request_expect(int fd, const char *line)
{
	char text[128] = "";

	for (size_t len = 0; !strchr(text, '\n'); len++)
		ck_assert_int_eq(recv(fd, text + len, 1, 0), 1);
	ck_assert_str_eq(text, line);
}

/* As the monitor's loop does, until all is quiet for a while. */
static void keepers_serve(struct keepers *k, const struct monitor_teller *to)
{
	struct pollfd fds[8];

	for (bool more = true; more;) {
		ck_assert_uint_le(keepers_fd_count(k), 8);
		keepers_fill(k, fds);
		more = poll(fds, keepers_fd_count(k), 60) > 0;
		keepers_take(k, fds, to);
		more = keepers_scan(k, to) || more;
	}
}

#define ASK_EVENTS "{\"command\":\"events\"}\n"
#define ASK_STATE "{\"command\":\"state\"}\n"
#define STATE(of)                                                                               \
	"{\"ok\":true,\"name\":\"web\",\"engine\":\"usher\",\"state\":\"" of "\",\"keeper\":7," \
	"\"devices\":[\"0000:01:00.0\"]}\n"

static void keepers_begin(struct keepers *k)
{
	const char *const run_dirs[] = {run_dir, NULL};

	run_dir_make();
	ck_assert_int_eq(keepers_open(run_dirs, k), 0);
}

/* A guest begins after the monitor. Return: the keeper's connection. */
static int guest_begin(struct keepers *k, const struct monitor_teller *to)
{
	folder_make("vm/web");
	int listener = socket_make("vm/web/control");
	keepers_serve(k, to);
	int fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	line_send(fd, "{\"protocol\":1,\"usher\":\"0\",\"guest\":\"web\"}\n");
	keepers_serve(k, to);
	request_expect(fd, ASK_EVENTS);
	line_send(fd, "{\"ok\":true}\n");
	keepers_serve(k, to);
	request_expect(fd, ASK_STATE);
	(void)close(listener);
	return fd;
}

START_TEST(follows_a_guest)
{
	struct keepers k;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	keepers_begin(&k);
	int fd = guest_begin(&k, &to);
	line_send(fd, STATE("starting"));
	keepers_serve(&k, &to);
	told_expect(&t, "guest     web starting, engine usher: 0000:01:00.0\n");
	line_send(fd, "{\"event\":\"started\"}\n");
	keepers_serve(&k, &to);
	request_expect(fd, ASK_STATE);
	line_send(fd, STATE("running"));
	line_send(fd, "{\"event\":\"stuck\",\"message\":\"0000:01:00.0 did not reset\"}\n");
	keepers_serve(&k, &to);
	told_expect(&t, "guest     web running, engine usher: 0000:01:00.0\n"
			"fault     guest 'web': stuck: 0000:01:00.0 did not reset\n");
	name_remove("vm/web/control");
	name_remove("vm/web");
	(void)close(fd);
	keepers_serve(&k, &to);
	told_expect(&t, "guest     web ended, engine usher: 0000:01:00.0\n");
	keepers_close(&k);
	run_dir_remove();
}
END_TEST

START_TEST(names_a_keeper_that_was_killed)
{
	struct keepers k;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	keepers_begin(&k);
	int fd = guest_begin(&k, &to);
	line_send(fd, STATE("running"));
	keepers_serve(&k, &to);
	told_expect(&t, "guest     web running, engine usher: 0000:01:00.0\n");
	(void)close(fd); /* and its folder stays */
	const int64_t limit = clock_ms() + 20000;
	while (!t.text[0] && clock_ms() < limit)
		keepers_serve(&k, &to);
	told_expect(&t, "guest     web dead, engine usher: 0000:01:00.0\n");
	keepers_close(&k);
	run_dir_remove();
}
END_TEST

START_TEST(is_silent_about_what_is_there)
{
	const char *const run_dirs[] = {run_dir, NULL};
	struct keepers k;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	run_dir_make();
	folder_make("lease/old");
	int listener = socket_make("lease/old/control");
	ck_assert_int_eq(keepers_open(run_dirs, &k), 0);
	keepers_serve(&k, &to);
	int fd = accept(listener, NULL, NULL);
	line_send(fd, "{\"state\":\"running\",\"user\":1000}\n");
	keepers_serve(&k, &to);
	told_expect(&t, "");
	line_send(fd, "{\"state\":\"stopping\",\"user\":1000}\n");
	keepers_serve(&k, &to);
	told_expect(&t, "lease     old stopping, user 1000:\n");
	(void)close(fd);
	(void)close(listener);
	keepers_close(&k);
	run_dir_remove();
}
END_TEST

START_TEST(ends_when_asked_or_unread)
{
	struct host *h = replay_lines("dir /sys/bus/pci/devices\n");
	struct told t;
	const char *const run_dirs[] = {"/tmp/usher-monitor-none", NULL};
	int stop[2], out[2];
	struct monitor_spec s = {.host = h, .run_dirs = run_dirs, .kinds = ~0u, .to = told_to(&t)};
	struct err e = {0};

	ck_assert_int_eq(pipe(stop), 0);
	ck_assert_int_eq(pipe(out), 0);
	s.stop_fd = stop[0];
	s.out_fd = out[1];
	(void)close(out[0]);
	ck_assert_int_eq(monitor_run(&s, &e), 0);
	s.out_fd = -1;
	ck_assert_int_eq(write(stop[1], "", 1), 1);
	ck_assert_int_eq(monitor_run(&s, &e), 0);
	(void)close(out[1]);
	(void)close(stop[0]);
	(void)close(stop[1]);
	host_close(h);
}
END_TEST

/* Runs a monitor in a child, which the kernel's log does not wake. Return: its pid. */
static pid_t monitor_start(unsigned rest_ms)
{
	static struct told t;
	const char *const run_dirs[] = {run_dir, NULL};
	struct err e = {0};

	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	const struct monitor_spec s = {.host = replay_lines("dir /sys/bus/pci/devices\n"),
		.run_dirs = run_dirs,
		.rest_ms = rest_ms,
		.kinds = 1u << MONITOR_GUEST,
		.stop_fd = -1,
		.out_fd = -1,
		.to = told_to(&t)};
	_exit(monitor_run(&s, &e) != 0);
}

START_TEST(rests_after_an_event)
{
	enum { REST_MS = 300 };

	run_dir_make();
	folder_make("lease");
	folder_make("vm/old");
	int old = socket_make("vm/old/control");
	pid_t pid = monitor_start(REST_MS);
	int first = accept(old, NULL, NULL); /* it has looked, and waits for events now */
	const int64_t begun = clock_ms();
	folder_make("vm/new");
	int new = socket_make("vm/new/control");
	int second = accept(new, NULL, NULL);
	ck_assert_int_ge(clock_ms() - begun, REST_MS);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	for (size_t i = 0; i < 4; i++)
		(void)close((int[]){old, first, new, second}[i]);
	run_dir_remove();
}
END_TEST

SUITE("keepers", follows_a_guest, names_a_keeper_that_was_killed, is_silent_about_what_is_there,
	ends_when_asked_or_unread, rests_after_an_event)
