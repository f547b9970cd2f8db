/* SPDX-License-Identifier: MIT */
#include "bind/transaction.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/journal.h"
#include "bind/lock.h"
#include "bind/owner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
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

/* This process has the group's lock, so the usher that started the writer has ended. */
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
	const char *die = getenv("USHER_BIND_DIE"), *stop = getenv("USHER_BIND_STOP");
	uint64_t n = 0;

	*w = (struct bind_transaction){.env = env};
	for (size_t i = 0; i < COUNT(w->workers); i++)
		w->workers[i].transaction = w;
	if (die && num_parse(die, 10, UINT32_MAX, &n) == 0)
		w->die_after = n;
	if (stop && num_parse(stop, 10, UINT32_MAX, &n) == 0)
		w->stop_after = n;
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

int bind_worker_arm(struct bind_worker *w, struct err *e)
{
	const struct bind_kernel_ops *kernel = w->transaction->env->kernel;

	kernel->writer_stop(w->writer);
	w->writer = NULL;
	int r = kernel->writer_start(&w->writer);
	return r < 0 ? err_set(e, r, "start a process for the writes") : 0;
}

void bind_worker_sign(const struct bind_worker *w, struct bind_entry *n)
{
	const struct bind_env *env = w->transaction->env;
	uint64_t start;

	n->writer = w->writer ? env->kernel->writer_pid(w->writer) : 0;
	n->writer_start = 0;
	if (n->writer && bind_owner_start(env->host, n->writer, &start) == 0)
		n->writer_start = start;
}

void bind_transaction_count(struct bind_transaction *w)
{
	if (++w->changes == w->die_after)
		(void)kill(getpid(), SIGKILL);
	if (w->changes == w->stop_after)
		(void)kill(getpid(), SIGSTOP);
}

int bind_worker_ask(struct bind_worker *w, const char *path, const char *text, struct err *e)
{
	/* A write of no bytes never reaches the attribute: a lone newline clears an override. */
	return w->transaction->env->kernel->ask(w->writer, path, *text ? text : "\n", e);
}

int bind_worker_answer(struct bind_worker *w, int timeout_ms, struct err *e)
{
	int r = w->transaction->env->kernel->answer(w->writer, timeout_ms, e);

	bind_transaction_count(w->transaction);
	return r;
}

int bind_worker_write(struct bind_worker *w, const char *path, const char *text, struct err *e)
{
	int r = bind_worker_ask(w, path, text, e);

	return r < 0 ? r : bind_worker_answer(w, w->transaction->env->timeout_ms, e);
}

int bind_worker_write_register(
	struct bind_worker *w, const char *path, uint16_t offset, uint16_t value, struct err *e)
{
	const struct bind_env *env = w->transaction->env;
	int r = env->kernel->ask_register(w->writer, path, offset, value, e);

	return r < 0 ? r : bind_worker_answer(w, env->timeout_ms, e);
}

int bind_transaction_journal(struct bind_transaction *w, const struct bind_entry *n, struct err *e)
{
	int r = bind_journal_write(w->env, n, e);

	bind_transaction_count(w);
	return r;
}

int bind_transaction_file(
	struct bind_transaction *w, const char *path, const char *text, struct err *e)
{
	int r = file_replace_deep(path, text, strlen(text), 0644);

	bind_transaction_count(w);
	return r < 0 ? err_set(e, r, "write %s", path) : 0;
}

int bind_transaction_file_remove(struct bind_transaction *w, const char *path, struct err *e)
{
	int r = file_remove(path);

	if (r < 0)
		return err_set(e, r, "remove %s", path);
	bind_transaction_count(w);
	return 0;
}

int bind_transaction_forget(struct bind_transaction *w, int group, struct err *e)
{
	int r = w->env->kernel->rule(group, NULL);

	if (r < 0)
		return err_set(e, r, "group %d: remove udev's rule for its nodes", group);
	bind_transaction_count(w);
	r = bind_journal_remove(w->env, group, e);

	bind_transaction_count(w);
	return r;
}

void bind_transaction_end(struct bind_transaction *w)
{
	for (size_t i = 0; w->env && i < COUNT(w->workers); i++)
		w->env->kernel->writer_stop(w->workers[i].writer);
	for (size_t i = 0; i < w->lock_count; i++)
		fd_close(&w->locks[i]);
	free(w->locks);
	*w = BIND_TRANSACTION_NONE;
}
