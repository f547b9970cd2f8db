/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_UID_H
#define PROGRAM_UID_H

#include <sys/types.h>

struct err;

/*
 * A user for one loan: no other process has it, so none can trace the loan's processes, send them
 * signals or read their files. It has no name and owns no file. A loan reserves it by the lock of
 * the file /run/usher/uid/NUMBER, as long as it lives.
 *
 * The numbers lie above those that distributions, systemd and directory services hand out.
 */
#define UID_FIRST 0x78757300U
#define UID_COUNT 256U

struct uid_lease {
	uid_t uid; /* of the user, and of its group */
	int fd; /* -1: none */
	char path[128];
};

#define UID_LEASE_NONE ((struct uid_lease){.fd = -1})

/* @run_dir: BIND_STATE_DIR. Return: 0; -EUSERS all are in use; -errno. */
int uid_reserve(const char *run_dir, struct uid_lease *ret, struct err *e);

/* When no process of that user is left. */
void uid_release(struct uid_lease *l);

/* Removes the files of keepers that were killed. */
void uid_sweep(const char *run_dir);

#endif
