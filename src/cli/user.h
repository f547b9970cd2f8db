/* SPDX-License-Identifier: MIT */
#ifndef CLI_USER_H
#define CLI_USER_H

#include "bind/bind.h"

/*
 * Users and groups by name or number. Only names from /etc/passwd and /etc/group: other directories
 * may need the network, which is missing early at boot.
 * Return: 0, -ENOENT.
 */

/* --user: the owner, and that user's group if known. */
int user_find(const char *text, struct bind_access *ret);

/* --user-group: opens nodes to the group. Called after --user, whose group it replaces. */
int user_find_group(const char *text, struct bind_access *ret);

#endif
