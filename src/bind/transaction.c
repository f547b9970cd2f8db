/* SPDX-License-Identifier: MIT */
#include "bind/transaction.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "bind/journal.h"
#include "bind/lock.h"
#include "bind/owner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define WRITER_PATIENCE_MS 2000

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void bind_transaction_await(const struct bind_env *env, pid_t writer, uint64_t start)
{
	if (!bind_owner_alive(env->host, writer, start))
		return;
	cleanup_fd int pidfd = fd_pidfd_open(writer);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	if (pidfd >= 0)
		(void)poll(&p, 1, WRITER_PATIENCE_MS);
}

/* The group's lock is ours, so whoever started the writer is gone, or has given it up. */
static void await_writer(const struct bind_env *env, int group)
{
	struct bind_entry n = BIND_ENTRY_NONE;

	if (bind_journal_read(env, group, &n, NULL) == 0)
		bind_transaction_await(env, n.writer, n.writer_start);
	bind_entry_fini(&n);
}

int bind_transaction_begin(struct bind_transaction *w, const struct bind_env *env, int *groups,
	size_t count, struct err *e)
{
	const char *die = getenv("USHER_BIND_DIE");
	uint64_t n = 0;

	*w = (struct bind_transaction){.env = env};
	if (die && num_parse(die, 10, UINT32_MAX, &n) == 0)
		w->die_after = n;
	w->locks = calloc(count ? count : 1, sizeof(*w->locks));
	if (!w->locks)
		return err_set(e, -ENOMEM, "lock groups");
	qsort(groups, count, sizeof(*groups), by_number);
	for (size_t i = 0; i < count; i++) {
		if (i && groups[i] == groups[i - 1])
			continue;
		int fd = bind_lock(env, groups[i], e);
		if (fd < 0)
			return fd;
		w->locks[w->lock_count++] = fd;
		await_writer(env, groups[i]);
	}
	return 0;
}

int bind_transaction_arm(struct bind_transaction *w, struct err *e)
{
	w->env->sys->writer_stop(w->writers[w->lane]);
	w->writers[w->lane] = NULL;
	int r = w->env->sys->writer_start(&w->writers[w->lane]);
	return r < 0 ? err_set(e, r, "start a process for the writes") : 0;
}

void bind_transaction_sign(const struct bind_transaction *w, struct bind_entry *n)
{
	struct bind_writer *writer = w->writers[w->lane];

	n->writer = writer ? w->env->sys->writer_pid(writer) : 0;
	n->writer_start = 0;
	uint64_t start;
	if (n->writer && bind_owner_start(w->env->host, n->writer, &start) == 0)
		n->writer_start = start;
}

void bind_transaction_count(struct bind_transaction *w)
{
	if (++w->changes == w->die_after)
		(void)kill(getpid(), SIGKILL);
}

int bind_transaction_ask(
	struct bind_transaction *w, const char *path, const char *text, struct err *e)
{
	/* A write of no bytes never reaches the attribute: a lone newline clears an override. */
	return w->env->sys->ask(w->writers[w->lane], path, *text ? text : "\n", e);
}

int bind_transaction_answer(struct bind_transaction *w, int timeout_ms, struct err *e)
{
	int r = w->env->sys->answer(w->writers[w->lane], timeout_ms, e);

	bind_transaction_count(w);
	return r;
}

int bind_transaction_write(
	struct bind_transaction *w, const char *path, const char *text, struct err *e)
{
	int r = bind_transaction_ask(w, path, text, e);

	return r < 0 ? r : bind_transaction_answer(w, w->env->timeout_ms, e);
}

int bind_transaction_journal(struct bind_transaction *w, const struct bind_entry *n, struct err *e)
{
	int r = bind_journal_write(w->env, n, e);

	bind_transaction_count(w);
	return r;
}

int bind_transaction_forget(struct bind_transaction *w, int group, struct err *e)
{
	int r = w->env->sys->rule(group, NULL);

	if (r < 0)
		return err_set(e, r, "group %d: remove udev's rule for its nodes", group);
	bind_transaction_count(w);
	r = bind_journal_remove(w->env, group, e);

	bind_transaction_count(w);
	return r;
}

void bind_transaction_end(struct bind_transaction *w)
{
	for (size_t i = 0; w->env && i < COUNT(w->writers); i++)
		w->env->sys->writer_stop(w->writers[i]);
	for (size_t i = 0; i < w->lock_count; i++)
		fd_close(&w->locks[i]);
	free(w->locks);
	*w = BIND_WORK_NONE;
}
