/* SPDX-License-Identifier: MIT */
#ifndef BASE_CLONE_H
#define BASE_CLONE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Like fork(). The child gets new @namespaces (CLONE_NEW…; 0: none) and begins in @cgroup, a
 * descriptor of the folder of a cgroup of version 2 (-1: none). To move a process that runs already
 * the kernel waits for an RCU grace period: 10 ms and more on a host that is idle.
 * *@ret_inside, in both: whether the child began there; before Linux 5.7 it does not.
 * Context: one thread.
 */
pid_t clone_process(uint64_t namespaces, int cgroup, bool *ret_inside);

#endif
