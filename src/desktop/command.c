/* SPDX-License-Identifier: MIT */
#include "desktop/command.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/signals.h"
#include "desktop/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNIT_MS 120000 /* systemd kills a unit that does not stop after 90 s */
#define PROGRAM_MS 30000
#define KILLED_MS 2000

/* No signal of ours, no descriptor, no variable: the desktop inherits nothing of usher. */
static pid_t program_spawn(const char *const *argv)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = {path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults, none;
	pid_t pid = 0;

	/* None of these fails in glibc but for want of memory, and then posix_spawnp() does. */
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, 0, 1);
	(void)posix_spawn_file_actions_adddup2(&actions, 0, 2);
	(void)sigemptyset(&none);
	signals_of_writes(&defaults);
	(void)posix_spawnattr_setsigdefault(&attributes, &defaults);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	int r = posix_spawnp(
		&pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r ? -r : pid;
}

static bool program_await(int pidfd, int timeout_ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

int desktop_command(const char *const *argv, int timeout_ms)
{
	int status = 0;

	signals_keep_status();
	pid_t pid = program_spawn(argv);
	if (pid < 0)
		return pid;
	cleanup_fd int pidfd = fd_pidfd_open(pid);
	bool has_ended = program_await(pidfd, timeout_ms);
	if (!has_ended) {
		/* rmmod may wait in the kernel for ever, where SIGKILL does not reach it. */
		(void)kill(pid, SIGKILL);
		if (!program_await(pidfd, KILLED_MS))
			return -ETIMEDOUT;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!has_ended)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What a program's end means. @did: "stop gdm.service". */
static int command_judge(int status, int timeout_ms, const char *did, const char *object,
	const char *program, struct err *e)
{
	if (status == 0)
		return 0;
	if (status == -ETIMEDOUT)
		return err_say(e, status, "%s: %s: %s has not ended after %d s", object, did,
			program, timeout_ms / 1000);
	if (status < 0)
		return err_set(e, status, "%s: %s: start %s", object, did, program);
	return err_say(e, -EIO, "%s: %s: %s ended with status %d", object, did, program, status);
}

static int unit_change(struct host *h, const char *unit, const char *what, struct err *e)
{
	char script[FILE_PATH_MAX];
	const char *const systemd[] = {"systemctl", "--no-ask-password", what, "--", unit, NULL};
	const char *const plain[] = {script, what, NULL};
	const char *const *argv = desktop_has_systemd(h) ? systemd : plain;

	int r = file_path(script, sizeof(script), "/etc/init.d/%s", unit);
	if (r < 0)
		return err_set(e, r, "%s: %s", unit, what);
	r = command_judge(desktop_command(argv, UNIT_MS), UNIT_MS, what, unit, argv[0], e);
	if (r < 0 && argv == systemd)
		err_hint(e, "systemctl status %s", unit);
	return r;
}

int desktop_unit_stop(struct host *h, const char *unit, struct err *e)
{
	return unit_change(h, unit, "stop", e);
}

int desktop_unit_start(struct host *h, const char *unit, struct err *e)
{
	return unit_change(h, unit, "start", e);
}

int desktop_session_end(const char *id, struct err *e)
{
	const char *const argv[] = {"loginctl", "terminate-session", id, NULL};

	return command_judge(
		desktop_command(argv, PROGRAM_MS), PROGRAM_MS, "end", "session", argv[0], e);
}

int desktop_module_unload(const char *module, struct err *e)
{
	const char *const argv[] = {"rmmod", module, NULL};

	return command_judge(
		desktop_command(argv, PROGRAM_MS), PROGRAM_MS, "unload", module, argv[0], e);
}

int desktop_module_load(const char *module, struct err *e)
{
	const char *const argv[] = {"modprobe", "--", module, NULL};

	return command_judge(
		desktop_command(argv, PROGRAM_MS), PROGRAM_MS, "load", module, argv[0], e);
}
