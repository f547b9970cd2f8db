/* SPDX-License-Identifier: MIT */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

/* All verbs and topics. */
void help_print(FILE *to);

/* Tells that there is none of that name, and which one is near. Return: LEAVE_USAGE. */
int help_unknown_verb(const char *name);

#endif
