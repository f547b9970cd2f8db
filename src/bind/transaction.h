/* SPDX-License-Identifier: MIT */
#ifndef BIND_TRANSACTION_H
#define BIND_TRANSACTION_H

#include "bind/journal.h"
#include "bind/kernel_ops.h"

struct bind_transaction;

/* One process that does writes of a transaction, one after the other. */
struct bind_worker {
	struct bind_transaction *transaction;
	struct bind_writer *writer; /* NULL until bind_worker_arm() */
};

/*
 * One transaction: the locks of its groups, its workers, and a count of changes. Every change of
 * the machine goes through here, so that a test can stop it anywhere: USHER_BIND_DIE=N in the
 * environment kills the process right after the Nth change, and USHER_BIND_STOP=N stops it there.
 * The shipped program has it, because a crash is worth testing only there; it can do nothing that
 * kill(1) cannot, and costs two getenv().
 */
struct bind_transaction {
	const struct bind_env *env;
	struct bind_worker workers[BIND_WRITERS_MAX]; /* most transactions need the first only */
	int *locks;
	size_t lock_count;
	unsigned long changes;
	unsigned long die_after; /* 0: never */
	unsigned long stop_after;
};

#define BIND_TRANSACTION_NONE ((struct bind_transaction){0})

/*
 * Locks the groups, in order of their numbers so that two transactions cannot wait for each
 * other; @groups is sorted in place, and may hold a number twice.
 * Return: 0, -EBUSY, -ENOMEM, -errno; bind_transaction_end() either way.
 */
int bind_transaction_begin(struct bind_transaction *w, const struct bind_env *env, int *groups,
	size_t count, struct err *e);

/*
 * Waits up to two seconds for a writer that still runs. A writer ends shortly after its usher; its
 * last write must be done before the next usher reads. A writer that hangs outlasts this wait, and
 * the caller reports it later.
 */
void bind_transaction_await(const struct bind_env *env, pid_t writer, uint64_t start);

/*
 * Starts the worker's process, or another one where the first is lost; and names it in @n, which is
 * to be written next. Return: 0, -errno.
 */
int bind_worker_arm(struct bind_worker *w, struct err *e);
void bind_worker_sign(const struct bind_worker *w, struct bind_entry *n);

/*
 * One write to sysfs, begun and not waited for, and what became of it. @timeout_ms: 0 when it is
 * known to be there, or has had its time. Return: 0, -ETIMEDOUT, -errno.
 */
int bind_worker_ask(struct bind_worker *w, const char *path, const char *text, struct err *e);
int bind_worker_answer(struct bind_worker *w, int timeout_ms, struct err *e);

/* One write to sysfs. After -ETIMEDOUT the process is lost: arm again to go on elsewhere. */
int bind_worker_write(struct bind_worker *w, const char *path, const char *text, struct err *e);

/* The same for two bytes of a configuration space. */
int bind_worker_write_register(
	struct bind_worker *w, const char *path, uint16_t offset, uint16_t value, struct err *e);

int bind_transaction_journal(struct bind_transaction *w, const struct bind_entry *n, struct err *e);

/* Writes or removes an entry of another kind, as vfs/entry.h has. One change. Return: 0, -errno. */
int bind_transaction_file(
	struct bind_transaction *w, const char *path, const char *text, struct err *e);
int bind_transaction_file_remove(struct bind_transaction *w, const char *path, struct err *e);
int bind_transaction_forget(struct bind_transaction *w, int group, struct err *e);
/* Counts one change that was made elsewhere; the one of USHER_BIND_DIE kills the process. */
void bind_transaction_count(struct bind_transaction *w);
void bind_transaction_end(struct bind_transaction *w);

#endif
