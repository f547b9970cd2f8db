/* SPDX-License-Identifier: MIT */
#ifndef BASE_PIDSPACE_H
#define BASE_PIDSPACE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Like fork(). The child is the first process of a PID namespace, if the host permits that: it sees
 * no other process, and the kernel drops signals that it neither blocks nor handles. An ordinary
 * user stays who it is, and may make further namespaces. @cgroup, *@ret_inside: as
 * clone_process(). Context: one thread.
 */
pid_t pidspace_fork(int cgroup, bool *ret_inside);

/* Whether this is the first process of a PID namespace. */
bool pidspace_is_first(void);

#endif
