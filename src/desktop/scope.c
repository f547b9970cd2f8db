/* SPDX-License-Identifier: MIT */
#include "desktop/scope.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "desktop/change.h"
#include "desktop/command.h"
#include "desktop/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUS_MS 30000
#define MOVE_MS 10000
#define EMPTY_MS 2000
#define CGROUPS "/sys/fs/cgroup"
#define CGROUP_OF CGROUPS "/usher-desktop-%s"
#define MYSELF "0" /* Ref: cgroup-v2.rst, cgroup.procs */

static bool is_inside(const char *name)
{
	char text[4096];

	return file_read("/proc/self/cgroup", text, sizeof(text)) > 0 && strstr(text, name);
}

/* systemd makes the unit as a job of its own, behind its answer. */
static int scope_await(const char *unit, struct err *e)
{
	for (const int64_t end = clock_ms() + MOVE_MS; !is_inside(unit);) {
		if (clock_ms() >= end)
			return err_say(e, -ETIMEDOUT,
				"%s: systemd has not moved usher into it after %d s", unit,
				MOVE_MS / 1000);
		desktop_pause(DESKTOP_POLL_MS);
	}
	return 0;
}

static int enter_unit(const char *name, struct err *e)
{
	char unit[128], pid[16];
	const char *const argv[] = {"busctl", "call", "org.freedesktop.systemd1",
		"/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", "4", "PIDs", "au", "1", pid,
		"Slice", "s", "system.slice", "Description", "s",
		"a guest of usher that has this host's display", "CollectMode", "s",
		"inactive-or-failed", "0", NULL};

	(void)snprintf(unit, sizeof(unit), "usher-desktop-%s.scope", name);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	int r = desktop_command(argv, BUS_MS);
	if (r == 0)
		return scope_await(unit, e);
	err_say(e, r < 0 ? r : -EIO, "%s: systemd does not make it: busctl %s", unit,
		r < 0 ? strerror(-r) : "failed");
	err_hint(e, "systemctl status %s", unit);
	return r < 0 ? r : -EIO;
}

static int enter_cgroup(const char *name)
{
	char path[FILE_PATH_MAX];

	if (access(CGROUPS "/cgroup.procs", W_OK) < 0 ||
		file_path(path, sizeof(path), CGROUP_OF, name) < 0)
		return 0;
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return 0;
	(void)file_path(path, sizeof(path), CGROUP_OF "/cgroup.procs", name);
	(void)file_write(path, MYSELF);
	return 0;
}

void desktop_scope_leave(struct host *h)
{
	if (!desktop_has_systemd(h) && is_inside("/usher-desktop-"))
		(void)file_write(CGROUPS "/cgroup.procs", MYSELF);
}

void desktop_scope_remove(struct host *h, const char *name)
{
	const int64_t end = clock_ms() + EMPTY_MS;
	char path[FILE_PATH_MAX];

	if (desktop_has_systemd(h) || file_path(path, sizeof(path), CGROUP_OF, name) < 0)
		return;
	/* The kernel may take a process out of its cgroup after its parent has waited for it. */
	while (rmdir(path) < 0 && errno == EBUSY && clock_ms() < end)
		desktop_pause(DESKTOP_POLL_MS);
}

int desktop_scope_enter(struct host *h, const char *name, struct err *e)
{
	return desktop_has_systemd(h) ? enter_unit(name, e) : enter_cgroup(name);
}
