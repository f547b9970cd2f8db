/* SPDX-License-Identifier: MIT */
#ifndef CLI_USER_H
#define CLI_USER_H

#include "bind/bind.h"

/*
 * Users and groups by name or number, for who may open what. Names are those of /etc/passwd and
 * /etc/group: other directories may ask the network, which a boot does not have yet, and a number
 * does as well. Return: 0, -ENOENT.
 */

/* --user: its owner, and its own group with it where it is known. */
int user_find(const char *text, struct bind_access *ret);

/* --user-group: nodes are open to the group then, too. Goes after --user, whose group it replaces. */
int user_find_group(const char *text, struct bind_access *ret);

#endif
