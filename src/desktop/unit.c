/* SPDX-License-Identifier: MIT */
#include "desktop/unit.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

#define UNIT_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"
#define ALIAS "/etc/systemd/system/display-manager.service"

static bool path_exists(struct host *h, const char *path)
{
	struct host_number n;

	return h->ops->number(h, path, &n) == 0;
}

bool desktop_has_systemd(struct host *h)
{
	return path_exists(h, "/run/systemd/system");
}

bool desktop_unit_ok(const char *name)
{
	size_t len = strlen(name);

	return len && len < DESKTOP_UNIT_MAX && strspn(name, UNIT_CHARACTERS) == len &&
	       name[0] != '-' && name[0] != '.';
}

static bool script_exists(struct host *h, const char *name)
{
	char path[FILE_PATH_MAX];

	return desktop_unit_ok(name) &&
	       file_path(path, sizeof(path), "/etc/init.d/%s", name) == 0 && path_exists(h, path);
}

static bool find_script(struct host *h, char ret[DESKTOP_UNIT_MAX])
{
	static const char *const names[] = {
		"display-manager", "gdm3", "gdm", "sddm", "lightdm", "lxdm", "xdm", "slim"};
	char text[128];

	/* Debian's: "/usr/sbin/lightdm". */
	if (host_read_text(h, "/etc/X11/default-display-manager", text, sizeof(text)) > 0 &&
		script_exists(h, file_base(text))) {
		(void)snprintf(ret, DESKTOP_UNIT_MAX, "%.95s", file_base(text));
		return true;
	}
	for (size_t i = 0; i < COUNT(names); i++) {
		if (!script_exists(h, names[i]))
			continue;
		(void)snprintf(ret, DESKTOP_UNIT_MAX, "%s", names[i]);
		return true;
	}
	return false;
}

bool desktop_unit_find(struct host *h, char ret[DESKTOP_UNIT_MAX])
{
	char target[FILE_PATH_MAX];

	if (!desktop_has_systemd(h))
		return find_script(h, ret);
	if (h->ops->link(h, ALIAS, target, sizeof(target)) > 0 &&
		desktop_unit_ok(file_base(target))) {
		(void)snprintf(ret, DESKTOP_UNIT_MAX, "%.95s", file_base(target));
		return true;
	}
	/* A unit of that name itself, or one of the run time. */
	if (!path_exists(h, ALIAS) &&
		!path_exists(h, "/run/systemd/system/display-manager.service"))
		return false;
	(void)snprintf(ret, DESKTOP_UNIT_MAX, "display-manager.service");
	return true;
}

bool desktop_unit_runs(struct host *h, const char *unit)
{
	/* Version 2 of cgroups; both at once; version 1. */
	static const char *const tops[] = {
		"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"};
	char path[FILE_PATH_MAX];

	if (!desktop_has_systemd(h))
		return script_exists(h, unit);
	for (size_t i = 0; i < COUNT(tops); i++)
		if (file_path(path, sizeof(path), "%s/system.slice/%s", tops[i], unit) == 0 &&
			path_exists(h, path))
			return true;
	return false;
}
