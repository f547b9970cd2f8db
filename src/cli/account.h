/* SPDX-License-Identifier: MIT */
#ifndef CLI_ACCOUNT_H
#define CLI_ACCOUNT_H

#include <sys/types.h>

/*
 * The user of that name, wherever the host keeps its users. The small program (cli/front.c) knows
 * none. Return: 0, -ENOENT.
 */
int account_find(const char *name, uid_t *ret);

#endif
