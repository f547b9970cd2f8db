/* SPDX-License-Identifier: MIT */
#include "program/confine.h"

#include "base/err.h"
#include "base/num.h"
#include "base/seccomp.h"
#include "program/process.h"
#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_STARTED UINT64_MAX

/* Return: the namespaces that the program is confined without. */
static uint64_t lacks_begin(void)
{
	struct confine confine = CONFINE_NONE;
	struct program p = {.confine = &confine};
	struct process started;

	confine.own_users = geteuid() != 0;
	confine.uid = geteuid();
	confine.gid = getegid();
	confine.no_network = true;
	program_word(&p, "true");
	if (process_begin(&p, &started, NULL) < 0)
		return NOT_STARTED;
	process_discard(&started);
	return started.lacks;
}

/* Plays a kernel that answers @error where one of the namespaces @refused is asked for. */
static void namespaces_refuse(uint32_t refused, int error)
{
	const struct refusal list[] = {
		{SYS_clone, -1, REFUSE_WITH, refused, error},
		{SYS_clone3, -1, REFUSE_ALWAYS, 0, ENOSYS},
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_refuse(list, COUNT(list)) < 0)
		_exit(2);
}

/* The kernel refuses all of them for one. */
START_TEST(a_missing_namespace_costs_no_other)
{
	static const struct {
		uint32_t refused;
		int error;
		uint64_t lacks;
	} cases[] = {
		{CLONE_NEWIPC, EINVAL, CLONE_NEWIPC},
		{CLONE_NEWIPC, ENOSPC, CLONE_NEWIPC},
		{CLONE_NEWNET, ENOSPC, CLONE_NEWNET},
		{CLONE_NEWIPC | CLONE_NEWNET, EINVAL, CLONE_NEWIPC | CLONE_NEWNET},
		{CLONE_NEWNET, EPERM, NOT_STARTED},
		{CLONE_NEWPID, EINVAL, NOT_STARTED},
		{CLONE_NEWNS, ENOSPC, NOT_STARTED},
	};

	/* A host that gives us none at all shows nothing here. */
	if (lacks_begin() == NOT_STARTED)
		return;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int status = -1;
		pid_t child = fork(); /* a filter stays */
		ck_assert_int_ge(child, 0);
		if (child == 0) {
			namespaces_refuse(cases[i].refused, cases[i].error);
			_exit(lacks_begin() == cases[i].lacks ? 0 : 1);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_msg(status == 0, "case %zu: status %d", i, status);
	}
}
END_TEST

SUITE("program_confine", a_missing_namespace_costs_no_other)
