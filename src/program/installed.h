/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_INSTALLED_H
#define PROGRAM_INSTALLED_H

#include <stddef.h>

struct err;

/*
 * Finds a program of ours that usher starts: the one that the environment variable @variable names;
 * else the one beside usher, as in the build tree, where its folder is src/@folder; else the
 * installed one. Return: 0, -ENOENT with a sentence, -ENAMETOOLONG.
 */
int installed_find(const char *name, const char *folder, const char *variable, char *buf,
	size_t size, struct err *e);

#endif
