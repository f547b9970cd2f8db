/* SPDX-License-Identifier: MIT */
#include "base/clone.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t clone_process(uint64_t namespaces, int cgroup, bool *ret_inside)
{
	struct clone_args a = {
		.flags = namespaces | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup,
	};

	*ret_inside = cgroup >= 0;
	long pid = cgroup >= 0 ? syscall(SYS_clone3, &a, sizeof(a)) : -1;
	if (pid >= 0)
		return (pid_t)pid;
	*ret_inside = false;
	return (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0);
}
