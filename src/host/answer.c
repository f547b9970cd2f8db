/* SPDX-License-Identifier: MIT */
#include "host/answer.h"

#include "base/num.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

static int answer_order(const void *a, const void *b)
{
	return manifest_compare(((const struct answer *)a)->path, ((const struct answer *)b)->path);
}

struct answer *answer_find(const struct answers *a, const char *path)
{
	const struct answer key = {.path = (char *)(uintptr_t)path};
	void *x = tfind(&key, &a->tree, answer_order);

	return x ? *(struct answer **)x : NULL;
}

static void answer_free(void *p)
{
	struct answer *x = p;

	free(x->path);
	free(x->data);
	free(x);
}

void answers_fini(struct answers *a)
{
	tdestroy(a->tree, answer_free);
	*a = (struct answers){0};
}

struct answer *answer_note(struct answers *a, const char *path)
{
	struct answer *x = answer_find(a, path);

	if (x)
		return x;
	x = calloc(1, sizeof(*x));
	if (x)
		x->path = strdup(path);
	if (!x || !x->path || !tsearch(x, &a->tree, answer_order)) {
		if (x)
			answer_free(x);
		a->failed = true;
		return NULL;
	}
	return x;
}

void answer_know(
	struct answers *a, const char *path, enum manifest_kind kind, const void *data, size_t len)
{
	struct answer *x = answer_note(a, path);
	char *copy = malloc(len + 1);

	if (!x || !copy) {
		a->failed = true;
		free(copy);
		return;
	}
	if (data)
		memcpy(copy, data, len);
	copy[len] = '\0';
	free(x->data);
	x->is_known = true;
	x->kind = kind;
	x->data = copy;
	x->len = len;
	x->error = 0;
}

int answer_fail(struct answers *a, const char *path, int error)
{
	if (error == -ENOENT || error == -ENOMEM || !manifest_error_name(error))
		return error;
	answer_know(a, path, MANIFEST_FAIL, NULL, 0);
	struct answer *x = answer_find(a, path);
	if (x)
		x->error = error;
	return error;
}

struct collecting {
	struct answers *answers;
	struct host *host;
	struct manifest *m;
};

static int any_name(void *arg, const char *name)
{
	return 1;
}

/* The recorder asked only whether it exists: it is a folder, or else a file that was not read. */
static void settle_kind(struct collecting *t, struct answer *x)
{
	if (x->is_known)
		return;
	int r = t->host->ops->list(t->host, x->path, any_name, NULL);
	x->is_known = true;
	x->kind = r == -ENOTDIR ? MANIFEST_FILE : MANIFEST_DIR;
	x->data = calloc(1, 1);
}

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && path[len] == '/';
}

static int add_entry(struct manifest *m, const struct answer *x)
{
	if (m->entry_count == 0 || is_pow2(m->entry_count)) {
		size_t room = m->entry_count ? 2 * m->entry_count : 1;
		void *list = reallocarray(m->entries, room, sizeof(*m->entries));
		if (!list)
			return -ENOMEM;
		m->entries = list;
	}
	struct manifest_entry entry = {
		strdup(x->path), malloc(x->len + 1), x->len, x->kind, x->error};
	if (!entry.path || !entry.data || !x->data) {
		free(entry.path);
		free(entry.data);
		return -ENOMEM;
	}
	memcpy(entry.data, x->data, x->len + 1);
	m->entries[m->entry_count++] = entry;
	return 0;
}

/* twalk_r() visits in order: what is below a folder comes right after it. */
static void collect_answer(const void *node, VISIT visit, void *arg)
{
	struct collecting *t = arg;
	struct answer *x = *(struct answer *const *)node;
	struct manifest *m = t->m;

	if (visit != postorder && visit != leaf)
		return;
	/* An entry below a folder implies the folder, so drop the folder's own entry. */
	if (m->entry_count && is_below(x->path, m->entries[m->entry_count - 1].path)) {
		struct manifest_entry *folder = &m->entries[--m->entry_count];
		free(folder->path);
		free(folder->data);
	}
	settle_kind(t, x);
	if (add_entry(m, x) < 0)
		t->answers->failed = true;
}

int answers_take(struct answers *a, struct host *host, struct manifest *m)
{
	struct collecting t = {a, host, m};

	twalk_r(a->tree, collect_answer, &t);
	return a->failed ? -ENOMEM : 0;
}
