/* SPDX-License-Identifier: MIT */
#include "program/namespaces.h"

#include "base/file.h"
#include "base/num.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *path, *forbids, *permits;
} known[] = {
	{"kernel/apparmor_restrict_unprivileged_userns", "1",
		"kernel.apparmor_restrict_unprivileged_userns=0"}, /* Ubuntu */
	{"kernel/unprivileged_userns_clone", "0",
		"kernel.unprivileged_userns_clone=1"}, /* Debian, Arch */
	{"user/max_user_namespaces", "0", "user.max_user_namespaces=15000"},
};

const char *namespaces_setting(const char *settings)
{
	char path[FILE_PATH_MAX], value[16];

	for (size_t i = 0; i < COUNT(known); i++)
		if (file_path(path, sizeof(path), "%s/%s", settings, known[i].path) == 0 &&
			file_read(path, value, sizeof(value)) >= 0 &&
			strcmp(value, known[i].forbids) == 0)
			return known[i].permits;
	return NULL;
}

const char *namespaces_missing(const char *own, uint64_t wanted)
{
	static const struct {
		uint64_t flag;
		const char *file, *name;
	} kinds[] = {
		{CLONE_NEWUSER, "user", "user"},
		{CLONE_NEWPID, "pid", "PID"},
		{CLONE_NEWNET, "net", "network"},
		{CLONE_NEWIPC, "ipc", "IPC"},
	};
	char path[FILE_PATH_MAX];

	if (access(own, F_OK) < 0)
		return NULL;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if ((wanted & kinds[i].flag) &&
			file_path(path, sizeof(path), "%s/%s", own, kinds[i].file) == 0 &&
			access(path, F_OK) < 0)
			return kinds[i].name;
	return NULL;
}
