/* SPDX-License-Identifier: MIT */
#include "cli/account.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>

int account_find(const char *name, uid_t *ret)
{
	const struct passwd *u = getpwnam(name);

	if (!u)
		return -ENOENT;
	*ret = u->pw_uid;
	return 0;
}
