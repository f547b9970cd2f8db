/* SPDX-License-Identifier: MIT */
#include "bind/module.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/signals.h"
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/*
 * The program that the kernel itself loads modules with. Not libkmod: that would bring four
 * compression and crypto libraries into a program that needs them once a boot, if at all.
 */
static void find_modprobe(char *buf, size_t size)
{
	if (file_read("/proc/sys/kernel/modprobe", buf, size) <= 0 || access(buf, X_OK) < 0)
		(void)snprintf(buf, size, "/sbin/modprobe");
}

/* Its standard error is @out. Return: the process, -errno. */
static pid_t spawn_modprobe(const char *program, const char *module, int out)
{
	char *argv[] = {strdupa(program), strdupa("--"), strdupa(module), NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	pid_t pid = 0;

	/* Neither of the two init functions fails in glibc: they allocate nothing. */
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	signals_of_writes(&defaults);
	/* Nor do these two: the values are good. */
	(void)posix_spawnattr_setsigdefault(&attributes, &defaults);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	int r = posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	if (r == 0)
		r = posix_spawn(&pid, program, &actions, &attributes, argv, environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r ? -r : pid;
}

/* What the program says until it ends. */
struct modprobe {
	pid_t pid;
	int out; /* its standard error; does not wait */
	size_t len;
	char text[256]; /* room for the first line is enough */
};

static void complaint_read(struct modprobe *m)
{
	char rest[256] = "";
	ssize_t n;

	do {
		size_t room = sizeof(m->text) - 1 - m->len;
		n = read(m->out, room ? m->text + m->len : rest, room ? room : sizeof(rest));
		m->len += room && n > 0 ? (size_t)n : 0;
	} while (n > 0);
}

/*
 * Its end counts, not that of its output: what an `install` line of modprobe.d starts may hold that
 * for ever. Return: 0, -ETIMEDOUT, -errno.
 */
static int modprobe_wait(struct modprobe *m, int timeout_ms)
{
	const int64_t end = clock_ms() + timeout_ms;
	cleanup_fd int pidfd = fd_pidfd_open(m->pid);
	struct pollfd fds[] = {
		{.fd = pidfd, .events = POLLIN},
		{.fd = m->out, .events = POLLIN},
	};

	if (pidfd < 0)
		return pidfd;
	for (;;) {
		int64_t left = end - clock_ms();
		int n = poll(fds, 2, left > 0 ? (int)left : 0);
		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		complaint_read(m);
		if (n > 0 && fds[0].revents)
			return 0;
		if (n > 0 && fds[1].revents & POLLHUP)
			fds[1].fd = -1;
	}
}

/* The first line that it wrote, without the program's name in front. */
static void complaint_copy(struct modprobe *m, char *buf, size_t size)
{
	m->text[m->len] = '\0';
	m->text[strcspn(m->text, "\n")] = '\0';
	const char *from = strncmp(m->text, "modprobe: ", 10) == 0 ? m->text + 10 : m->text;
	file_escape(buf, size, *from ? from : "it does not say why");
}

/* A signal does not reach it while the module's init function waits: it is left behind then. */
static int modprobe_give_up(
	const struct modprobe *m, const char *module, int timeout_ms, struct err *e)
{
	(void)kill(m->pid, SIGKILL);
	(void)waitpid(m->pid, NULL, WNOHANG);
	err_say(e, -ETIMEDOUT, "module %s: load: modprobe (process %d) has not ended after %d s",
		module, (int)m->pid, timeout_ms / 1000);
	err_hint(e, "what does dmesg say? --timeout waits longer");
	return -ETIMEDOUT;
}

static int modprobe_judge(struct modprobe *m, const char *module, int timeout_ms, struct err *e)
{
	char why[300] = "";
	int status = 0;

	int r = modprobe_wait(m, timeout_ms);
	if (r == -ETIMEDOUT)
		return modprobe_give_up(m, module, timeout_ms, e);
	if (r < 0)
		return err_set(e, r, "module %s: wait for modprobe", module);
	while (waitpid(m->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	complaint_copy(m, why, sizeof(why));
	err_say(e, -ENOENT, "module %s: load: %s", module, why);
	err_hint(e, "is the module tree of the running kernel installed? what does dmesg say?");
	return -ENOENT;
}

int bind_module_load_by(const char *program, const char *module, int timeout_ms, struct err *e)
{
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(e, -errno, "module %s: load", module);
	signals_keep_status();
	struct modprobe m = {.pid = spawn_modprobe(program, module, pipe_fds[1])};
	(void)close(pipe_fds[1]);
	cleanup_fd int out = pipe_fds[0];
	if (m.pid < 0) {
		err_set(e, m.pid, "module %s: start %s", module, program);
		err_hint(e, "load it by other means, then try again");
		return m.pid;
	}
	m.out = out;
	if (fcntl(out, F_SETFL, O_NONBLOCK) < 0)
		return err_set(e, -errno, "module %s: load", module);
	return modprobe_judge(&m, module, timeout_ms, e);
}

int bind_module_load(const char *module, int timeout_ms, struct err *e)
{
	char program[FILE_PATH_MAX];

	find_modprobe(program, sizeof(program));
	return bind_module_load_by(program, module, timeout_ms, e);
}

bool bind_driver_present(struct host *h, const char *driver)
{
	char path[FILE_PATH_MAX], target[2];

	/* readlink() of what is there and no link says EINVAL: one call, nothing opened. */
	return file_path(path, sizeof(path), "/sys/bus/pci/drivers/%s", driver) == 0 &&
	       h->ops->link(h, path, target, sizeof(target)) == -EINVAL;
}

struct driver_name {
	char *buf;
	size_t size;
};

static int take_pci_driver(void *arg, const char *name)
{
	const struct driver_name *d = arg;

	if (strncmp(name, "pci:", 4) != 0)
		return 0;
	return (size_t)snprintf(d->buf, d->size, "%s", name + 4) < d->size ? 1 : -ENAMETOOLONG;
}

int bind_module_driver(struct host *h, const char *module, char *ret, size_t size)
{
	char path[FILE_PATH_MAX];
	struct driver_name d = {ret, size};

	int r = file_path(path, sizeof(path), "/sys/module/%s/drivers", module);
	if (r == 0)
		r = h->ops->list(h, path, take_pci_driver, &d);
	return r == 1 ? 0 : r < 0 ? r : -ENOENT;
}
