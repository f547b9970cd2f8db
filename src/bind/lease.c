/* SPDX-License-Identifier: MIT */
#include "bind/lease.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/gate.h"
#include "bind/journal.h"
#include "bind/owner.h"
#include "bind/problem.h"
#include "bind/stuck_writer.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum bind_lease_state bind_lease_judge(const struct bind_env *env, const struct bind_entry *n,
	const char *boot, char *text, size_t size)
{
	char owner[128];

	bind_owner_format(&n->owner, owner, sizeof(owner));
	if (strcmp(n->boot, boot) != 0) {
		(void)snprintf(text, size, "an entry of an earlier boot, without meaning now");
		return BIND_LEASE_VOID;
	}
	if (bind_owner_alive(env->host, n->writer, n->writer_start)) {
		bind_stuck_writer_format(env->host, n->writer, "it", text, size);
		return BIND_LEASE_BUSY;
	}
	if (n->state != BIND_STATE_TAKEN) {
		(void)snprintf(text, size, "%s it was interrupted",
			n->state == BIND_STATE_TAKING ? "taking" : "returning");
		return BIND_LEASE_BROKEN;
	}
	if (!n->owner.pid) {
		(void)snprintf(text, size, "bound manually, until it is released");
		return BIND_LEASE_MANUAL;
	}
	enum bind_owner_life life = bind_owner_look(env->host, &n->owner);
	(void)snprintf(text, size, "%s %s%s", life == BIND_OWNER_GONE ? "was lent to" : "lent to",
		owner,
		life == BIND_OWNER_GONE    ? ", gone"
		: life == BIND_OWNER_ALIVE ? ""
					   : ", in another PID namespace");
	return life == BIND_OWNER_GONE ? BIND_LEASE_DEAD : BIND_LEASE_LIVE;
}

int bind_gate_lease(struct bind_case *c, int group)
{
	static const struct problem_kind live = {
		"lease", PROBLEM_REFUSES, "wait until it ends, or stop it"};
	static const struct problem_kind corrupt = {"journal", PROBLEM_REFUSES, "usher restore"};
	static const struct problem_kind stale = {
		"lease", PROBLEM_WARNS, "usher takes over the entry, with the first state in it"};
	struct bind_entry n = BIND_ENTRY_NONE;
	struct err why = {0};
	char boot[BIND_BOOT_MAX], object[32], text[160], hint[128];

	(void)snprintf(object, sizeof(object), "group %d", group);
	int r = bind_journal_read(c->env, group, &n, &why);
	if (r == -ENOENT)
		return 0;
	if (r == -EBADMSG)
		return bind_problem_add(c->plan, c->q, &corrupt, object, "%.250s", why.msg);
	if (r < 0)
		return err_say(c->e, r, "%s", why.msg);
	r = bind_boot_id(c->env->host, boot, c->e);
	if (r < 0) {
		bind_entry_fini(&n);
		return r;
	}
	enum bind_lease_state s = bind_lease_judge(c->env, &n, boot, text, sizeof(text));
	const struct problem_kind busy = {
		"lease", PROBLEM_REFUSES, bind_stuck_writer_hint(n.writer, hint, sizeof(hint))};
	if (s == BIND_LEASE_BUSY)
		r = bind_problem_add(c->plan, c->q, &busy, object, "%s", text);
	else if (s == BIND_LEASE_LIVE && !bind_owner_equal(&n.owner, &c->q->owner))
		r = bind_problem_add(c->plan, c->q, &live, object, "%s", text);
	else if (s == BIND_LEASE_BROKEN || s == BIND_LEASE_DEAD)
		r = bind_problem_add(c->plan, c->q, &stale, object, "%s", text);
	bind_entry_fini(&n);
	return r;
}

struct walk {
	const struct bind_env *env;
	const struct bind_lease_folder *folder;
	struct bind_lease *list;
	size_t count;
	char boot[BIND_BOOT_MAX]; /* read at the first entry: a snapshot without one lacks it */
};

/* Fills @l from its entry or leftover. Return: 1, 0 there is no entry. */
static int lease_judge(const struct walk *w, bool leftover, struct bind_lease *l)
{
	struct err why = {0};

	int r = w->folder->read(w->env, w->boot, l, &why);
	/* Released meanwhile; or a leftover beside its entry, whose removal removes both. */
	if (leftover ? r != -ENOENT : r == -ENOENT)
		return 0;
	if (leftover) {
		l->state = BIND_LEASE_VOID;
		(void)snprintf(l->text, sizeof(l->text), "a temporary file that a crash left");
	} else if (r < 0) {
		l->state = BIND_LEASE_CORRUPT;
		(void)snprintf(l->text, sizeof(l->text), "%.159s", why.msg);
	}
	return 1;
}

static int walk_name(void *arg, const char *name)
{
	struct walk *w = arg;
	struct bind_lease found = {0};
	char entry[32] = "";

	bool leftover = file_is_leftover(name, entry, sizeof(entry));
	if (!w->folder->name(entry, &found))
		return 0;
	int r = w->boot[0] ? 0 : bind_boot_id(w->env->host, w->boot, NULL);
	if (r < 0)
		return r;
	if (lease_judge(w, leftover, &found) == 0)
		return 0;
	struct bind_lease *list = reallocarray(w->list, w->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	w->list = list;
	w->list[w->count++] = found;
	return 0;
}

static int lease_order(const void *a, const void *b)
{
	const struct bind_lease *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return pci_address_compare(x->address, y->address);
}

int bind_lease_walk(const struct bind_env *env, const struct bind_lease_folder *folder,
	struct bind_lease **ret, size_t *ret_count, struct err *e)
{
	struct walk w = {.env = env, .folder = folder};
	char path[FILE_PATH_MAX];

	int r = file_path(path, sizeof(path), "%s/%s", env->state, folder->path);
	if (r == 0)
		r = env->host->ops->list(env->host, path, walk_name, &w);
	if (r < 0 && r != -ENOENT) {
		free(w.list);
		return err_set(e, r, "list %s", path);
	}
	if (w.count)
		qsort(w.list, w.count, sizeof(*w.list), lease_order);
	*ret = w.list;
	*ret_count = w.count;
	return 0;
}

static bool group_name(const char *name, struct bind_lease *l)
{
	uint64_t group;

	if (num_parse(name, 10, INT32_MAX, &group) < 0)
		return false;
	l->group = (int)group;
	return true;
}

static int group_read(
	const struct bind_env *env, const char *boot, struct bind_lease *l, struct err *e)
{
	struct bind_entry n = BIND_ENTRY_NONE;

	int r = bind_journal_read(env, l->group, &n, e);
	if (r == 0) {
		l->owner = n.owner;
		l->state = bind_lease_judge(env, &n, boot, l->text, sizeof(l->text));
	}
	bind_entry_fini(&n);
	return r;
}

int bind_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e)
{
	static const struct bind_lease_folder folder = {"journal", group_name, group_read};

	return bind_lease_walk(env, &folder, ret, ret_count, e);
}

int bind_lease_group_of(const struct bind_env *env, struct pci_address a)
{
	struct bind_lease *leases = NULL;
	size_t count = 0;
	int group = PCI_GROUP_NONE;

	if (bind_leases(env, &leases, &count, NULL) < 0)
		return group;
	for (size_t i = 0; group == PCI_GROUP_NONE && i < count; i++) {
		struct bind_entry n = BIND_ENTRY_NONE;
		if (leases[i].state == BIND_LEASE_VOID ||
			bind_journal_read(env, leases[i].group, &n, NULL) < 0)
			continue;
		if (bind_entry_find(&n, a))
			group = n.group;
		bind_entry_fini(&n);
	}
	free(leases);
	return group;
}
