/* SPDX-License-Identifier: MIT */
#ifndef BASE_SECCOMP_H
#define BASE_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

/*
 * System calls that this process and all that come from it never make again. The list is of what is
 * refused: programs of the user's may make every other call.
 */
enum refusal_kind {
	REFUSE_ALWAYS,
	REFUSE_WITH, /* if one of @bits is set in the call's first argument */
	REFUSE_WITHOUT, /* if none of @bits is */
	REFUSE_SECOND, /* if the second argument is @bits */
};

struct refusal {
	int number; /* SYS_… */
	int number_32; /* the same call's for programs of 32 bits; -1: it has none */
	enum refusal_kind kind;
	uint32_t bits;
	int error; /* errno for the caller */
};

/*
 * No user namespace: a process would have all capabilities in its own, and with them parts of the
 * kernel that nobody else reaches. clone3(2) has its flags in memory, where a filter cannot look;
 * the C library asks clone(2) instead when clone3 answers ENOSYS.
 */
#define REFUSE_USER_NAMESPACES                                         \
	{SYS_clone, 120, REFUSE_WITH, CLONE_NEWUSER, EPERM},           \
		{SYS_unshare, 310, REFUSE_WITH, CLONE_NEWUSER, EPERM}, \
	{                                                              \
		SYS_clone3, 435, REFUSE_ALWAYS, 0, ENOSYS              \
	}

/*
 * Refuses the @count calls of @list. The process has PR_SET_NO_NEW_PRIVS, or CAP_SYS_ADMIN.
 * Return: 0; -EOPNOTSUPP on a processor other than x86-64; -errno.
 */
int seccomp_refuse(const struct refusal *list, size_t count);

/* A system call that is permitted. */
struct permission {
	int number; /* SYS_… */
	uint32_t request; /* its second argument, of ioctl and fcntl; 0: any */
	uint32_t flags; /* one of these bits is set in its fourth argument, of mmap; 0: any */
};

/*
 * Permits the @count calls of @list alone: all others fail with EPERM, and so do those of 32 bits.
 * The process has PR_SET_NO_NEW_PRIVS, or CAP_SYS_ADMIN. Return: as seccomp_refuse().
 */
int seccomp_permit(const struct permission *list, size_t count);

#endif
