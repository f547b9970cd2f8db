/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_PLUG_PLUG_H
#define ENGINE_PLUG_PLUG_H

#include "base/err.h"
#include "bind/bind.h"
#include "pci/address.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How it works
 *
 * Lent devices come to a guest of QEMU that runs, and leave it. A child of the keeper, the job,
 * does what may take long: the binds, QEMU's part, and the wait for the guest. The keeper only
 * starts it and reads its result. There is one job at a time.
 *
 *	keeper ── result ── job ── orders ── translator ── QMP ── QEMU
 *
 * The keeper is the owner of each group in the journal from the job's first write. So nothing is
 * lost wherever one of them is killed: the keeper returns all that the journal has for it at the
 * guest's end, and `usher restore` does if the keeper is gone. The job ends with its keeper.
 */
#define PLUG_DEVICES_MAX 16 /* in one request */
#define PLUG_MEMBERS_MAX 64 /* with their groups */
#define PLUG_ALLOW_MAX 8

/* Where devices come to and leave. */
struct plug_place {
	struct bind_env env;
	struct bind_owner owner; /* the keeper */
	const char *name; /* of the guest */
	enum bind_return how;
	int line_fd; /* orders about devices go there; -1: this engine takes none */
	pid_t pid; /* the program that runs the guest */
	uid_t uid; /* for which nodes are made; 0: it finds those of the host */
};

struct plug_wish {
	bool away; /* detach */
	size_t count;
	struct pci_address devices[PLUG_DEVICES_MAX];
	const char *allow[PLUG_ALLOW_MAX];
	size_t allow_count;
	int timeout_ms; /* for the guest to let a device go */
};

struct plug_result {
	struct err why; /* code 0: it is done */
	size_t count; /* of members that have come or left */
	struct pci_address members[PLUG_MEMBERS_MAX];
};

struct plug {
	struct plug_place place;
	pid_t job; /* 0: none */
	int result_fd; /* readable: plug_finish(); -1: no job */
};

#define PLUG_NONE ((struct plug){.place.line_fd = -1, .result_fd = -1})

/* Starts the job. Return: 0; -EBUSY one runs; -ESRCH the guest has ended; -errno. */
int plug_begin(struct plug *p, const struct plug_wish *w, struct err *e);

/* Waits for the job, which has written its result or has been killed. */
void plug_finish(struct plug *p, struct plug_result *ret);

/* The guest has ended: ends the job. What it has taken is in the journal. */
void plug_abort(struct plug *p);

#endif
