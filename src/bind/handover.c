/* SPDX-License-Identifier: MIT */
#include "bind/handover.h"

#include "base/err.h"
#include "bind/journal.h"
#include "bind/owner.h"
#include "bind/transaction.h"

#include <errno.h>
#include <string.h>

static int entry_change(struct bind_transaction *w, struct bind_entry *n,
	const struct bind_owner *from, pid_t pid, struct err *e)
{
	char boot[BIND_BOOT_MAX];
	uint64_t start = 0;

	int r = bind_boot_id(w->env->host, boot, e);
	if (r < 0)
		return r;
	if (strcmp(n->boot, boot) != 0 || n->state != BIND_STATE_TAKEN ||
		!bind_owner_equal(&n->owner, from))
		return err_say(e, -EPERM, "group %d: is not lent to this domain", n->group);
	r = bind_owner_start(w->env->host, pid, &start);
	if (r < 0)
		return err_set(e, r, "process %d", (int)pid);
	n->owner.pid = pid;
	n->owner.start = start;
	n->owner.space = bind_owner_space(w->env->host);
	return bind_transaction_journal(w, n, e);
}

static int entry_sign(struct bind_transaction *w, int group, const struct bind_owner *from,
	pid_t pid, struct err *e)
{
	struct bind_entry n = BIND_ENTRY_NONE;

	int r = bind_journal_read(w->env, group, &n, e);
	if (r < 0)
		return r;
	r = entry_change(w, &n, from, pid, e);
	bind_entry_fini(&n);
	return r;
}

int bind_hand_over(const struct bind_env *env, int group, const struct bind_owner *from, pid_t pid,
	struct err *e)
{
	struct bind_transaction w;
	int locked = group;

	int r = bind_transaction_begin(&w, env, &locked, 1, e);
	if (r == 0)
		r = entry_sign(&w, group, from, pid, e);
	bind_transaction_end(&w);
	return r;
}
