/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_TPM_H
#define ENGINE_TPM_H

#include "program/confine.h"
#include "program/process.h"
#include "program/uid.h"

struct err;
struct guest_spec;

/*
 * A TPM 2.0 for one guest: swtpm, which runs as a user of its own, confined as a program of usher
 * exec is. Its state, the keys of the guest, is in the guest's folder (engine/belongings.h). It
 * ends when the guest's program closes the socket, and is killed with the keeper.
 */
#define TPM_PROGRAM "swtpm"
#define TPM_SETUP "swtpm_setup" /* makes a state with certificates; libvirt runs it */

struct tpm {
	struct process process; /* pid 0: none */
	struct uid_lease uid;
	struct confine confine;
	int lifeline; /* closed at the end of the keeper: swtpm is killed */
};

#define TPM_NONE                                \
	((struct tpm){.process = {.pidfd = -1}, \
		.uid = UID_LEASE_NONE,          \
		.confine = CONFINE_NONE,        \
		.lifeline = -1})

/* Whether this host has the program. Return: 0, -ENOENT with a sentence. */
int tpm_check(struct err *e);

/*
 * Whether QEMU starts the kernel of @s, which is open as @fd, beside a TPM. -1: it has none.
 * Return: 0, -EINVAL.
 */
int tpm_check_kernel(const struct guest_spec *s, int fd, struct err *e);

/*
 * Starts it for guest @name. @run_dir: BIND_STATE_DIR.
 * Return: the other end of its control channel, -errno; tpm_stop() in any case.
 */
int tpm_start(struct tpm *t, const char *name, const char *run_dir, struct err *e);

/* When the guest's program has ended: gives swtpm a moment to write its state. */
void tpm_stop(struct tpm *t);

#endif
