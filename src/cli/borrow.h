/* SPDX-License-Identifier: MIT */
#ifndef CLI_BORROW_H
#define CLI_BORROW_H

#include "lease/borrow.h"
#include "lease/lease.h"

struct err;
struct keeper_news;

/* The processes around a lease: its keeper, in a session of its own, and the borrower's command. */
struct borrow {
	struct lease lease;
	char *const *command; /* NULL-terminated; NULL: the lease outlives this process */
	/* Called here, for what the keeper tells. */
	void (*tell)(void *arg, const struct keeper_news *n);
	void *arg;
};

/*
 * Starts a keeper, and waits until the lease is there; with a command, runs that as the borrower
 * until the devices are back.
 * Return: 0, or the command's exit status; LOAN_OURS, LEAVE_REFUSED; -EBUSY there is a lease of
 * that name, which was told as KEEPER_FAILED.
 */
int borrow_run(struct borrow *b);

/*
 * A terminal sends its signals to the command as well, and this process has to see its end; what is
 * sent to this process alone goes on to @pid.
 */
void borrow_forward_signals(pid_t pid);

/* Becomes the command, which inherits the descriptors. Return: -errno; on failure only. */
int borrow_exec(const struct borrowed *b, char *const *command, struct err *e);

/*
 * Becomes the command, with the descriptors of a lease that is there. Return: an exit status, after
 * a report.
 */
int borrow_become(const char *run_dir, const char *name, char *const *command);

#endif
