/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_INHERITED_H
#define ENGINE_INHERITED_H

struct engine_run;

/*
 * The program inherits @fd, which engine_finish() closes. One too many stays open here: the start
 * is refused, for a program has no more places than @given. Return: @fd.
 */
int inherited_add(struct engine_run *run, int fd);

#endif
