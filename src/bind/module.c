/* SPDX-License-Identifier: MIT */
#include "bind/module.h"

#include "base/err.h"
#include "base/file.h"
#include "base/signals.h"
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
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

/* The first line that it wrote, without the program's name in front. */
static void read_complaint(int fd, char *buf, size_t size)
{
	char text[256];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	const char *from = strncmp(text, "modprobe: ", 10) == 0 ? text + 10 : text;
	file_escape(buf, size, *from ? from : "it does not say why");
}

int bind_module_load(const char *module, struct err *e)
{
	char program[FILE_PATH_MAX], why[300] = "";
	int pipe_fds[2], status = 0;

	find_modprobe(program, sizeof(program));
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(e, -errno, "module %s: load", module);
	pid_t pid = spawn_modprobe(program, module, pipe_fds[1]);
	(void)close(pipe_fds[1]);
	if (pid > 0) {
		read_complaint(pipe_fds[0], why, sizeof(why));
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	(void)close(pipe_fds[0]);
	if (pid < 0) {
		err_set(e, pid, "module %s: start %s", module, program);
		err_hint(e, "load it by other means, then try again");
		return pid;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	err_say(e, -ENOENT, "module %s: load: %s", module, why);
	err_hint(e, "is the module tree of the running kernel installed? what does dmesg say?");
	return -ENOENT;
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
