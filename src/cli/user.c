/* SPDX-License-Identifier: MIT */
#include "cli/user.h"

#include "base/clean.h"
#include "base/num.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define MODE_GROUP 0660 /* the kernel creates nodes with mode 0600, without access for a group */

int user_find(const char *text, struct bind_access *ret)
{
	cleanup_file FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *p = f ? fgetpwent(f) : NULL;
	uint64_t n = 0;

	bool is_number = num_parse(text, 10, INT32_MAX, &n) == 0;
	while (p && (is_number ? p->pw_uid != (uid_t)n : strcmp(p->pw_name, text) != 0))
		p = fgetpwent(f);
	if (!p && !is_number)
		return -ENOENT;
	ret->uid = p ? p->pw_uid : (uid_t)n;
	if (p)
		ret->gid = p->pw_gid;
	return 0;
}

int user_find_group(const char *text, struct bind_access *ret)
{
	cleanup_file FILE *f = fopen("/etc/group", "re");
	const struct group *g = f ? fgetgrent(f) : NULL;
	uint64_t n = 0;

	bool is_number = num_parse(text, 10, INT32_MAX, &n) == 0;
	while (g && !is_number && strcmp(g->gr_name, text) != 0)
		g = fgetgrent(f);
	if (!g && !is_number)
		return -ENOENT;
	ret->gid = is_number ? (gid_t)n : g->gr_gid;
	ret->mode = MODE_GROUP;
	return 0;
}
