/* SPDX-License-Identifier: MIT */
#include "program/namespaces.h"

#include "base/file.h"
#include "base/num.h"

#include <string.h>

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
