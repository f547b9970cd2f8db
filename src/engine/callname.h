/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CALLNAME_H
#define ENGINE_CALLNAME_H

#include <stdint.h>

/* Return: the name of a system call of x86-64, as in unistd_64.h; NULL: this build knows none. */
const char *callname_find(uint32_t number);

#endif
