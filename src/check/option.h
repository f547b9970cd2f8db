/* SPDX-License-Identifier: MIT */
#ifndef CHECK_OPTION_H
#define CHECK_OPTION_H

#include <stdbool.h>
#include <stddef.h>

struct check_case;

/* True if check_cmdline() would advise against @word, an option of the kernel's command line. */
bool option_is_unwanted(struct check_case *c, const char *word);

/*
 * Writes how a person sets @option ("NAME=VALUE") of @module: modprobe reads its configuration only
 * for a module that it loads; what is built into the kernel needs the kernel's command line.
 */
void option_how_to_set(
	struct check_case *c, const char *module, const char *option, char *buf, size_t size);

#endif
