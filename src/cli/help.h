/* SPDX-License-Identifier: MIT */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

/* All verbs and topics. */
void help_print(FILE *to);

/* Reports an unknown verb, with the most similar one as a hint. Return: LEAVE_USAGE. */
int help_unknown_verb(const char *name);

#endif
