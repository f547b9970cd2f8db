/* SPDX-License-Identifier: MIT */
#include "image/grub.h"

#include "base/clean.h"
#include "base/num.h"
#include "image/script.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works
 *
 * The script is run as GRUB would, in one pass: it sets variables, and a condition that we can
 * judge decides which branch is taken. Of the commands that a condition may name, we know the test
 * of texts; all others are false, as `keystatus` and `cmostest` are when nobody sits there. Bodies
 * of functions are skipped.
 *
 * The menu is a list of items in the order of the script; each knows its parent. Bodies of entries
 * run later in GRUB, so their conditions are not judged: of several kernels in an entry we take the
 * first one that has an initial RAM disk. (Ubuntu tries one without, and counts the failure.)
 */
#define ITEMS_MAX 256
#define DEPTH_MAX 16 /* of blocks and of conditions */
#define NO_PARENT SIZE_MAX

struct item {
	size_t parent;
	bool is_menu;
	char id[ENTRY_TITLE_MAX];
	struct boot_entry entry;
};

enum block { BLOCK_MENU, BLOCK_ENTRY, BLOCK_OTHER };

struct condition {
	bool taken; /* the present branch runs */
	bool done; /* a branch has run */
};

struct menu {
	struct variables *variables;
	size_t count;
	struct item *items[ITEMS_MAX];
	struct item top; /* outside of all of them */
	size_t block_count;
	enum block blocks[DEPTH_MAX];
	size_t open[DEPTH_MAX]; /* item of that block */
	size_t condition_count;
	struct condition conditions[DEPTH_MAX];
	bool bls;
};

static bool branch_runs(const struct menu *m)
{
	for (size_t i = 0; i < m->condition_count; i++)
		if (!m->conditions[i].taken)
			return false;
	return true;
}

/* True in a block of that kind, whatever is around it. */
static bool is_in_block(const struct menu *m, enum block kind)
{
	for (size_t i = 0; i < m->block_count; i++)
		if (m->blocks[i] == kind)
			return true;
	return false;
}

static size_t item_parent(const struct menu *m)
{
	for (size_t i = m->block_count; i-- > 0;)
		if (m->blocks[i] == BLOCK_MENU)
			return m->open[i];
	return NO_PARENT;
}

/* The innermost entry whose body this is. */
static struct item *entry_open(const struct menu *m)
{
	for (size_t i = m->block_count; i-- > 0;)
		if (m->blocks[i] == BLOCK_ENTRY && m->open[i] < m->count)
			return m->items[m->open[i]];
	return NULL;
}

static void block_open(struct menu *m, enum block kind, size_t item)
{
	if (m->block_count == DEPTH_MAX)
		return;
	m->blocks[m->block_count] = kind;
	m->open[m->block_count++] = item;
}

/* menuentry 'TITLE' [--class NAME…] [--id ID | $menuentry_id_option ID] { */
static const char *item_id(const struct script *s)
{
	for (size_t i = 2; i + 1 < s->count; i++)
		if (strcmp(s->words[i], "--id") == 0)
			return s->words[i + 1];
	return "";
}

static void item_add(struct menu *m, const struct script *s, bool is_menu)
{
	size_t at = m->count, parent = item_parent(m);
	/* The menu around it may be one that was not added. */
	bool shows = branch_runs(m) && (parent == NO_PARENT || parent < m->count);

	if (shows && at < ITEMS_MAX && (m->items[at] = calloc(1, sizeof(*m->items[at])))) {
		struct item *item = m->items[m->count++];
		item->parent = parent;
		item->is_menu = is_menu;
		(void)entry_copy(item->id, sizeof(item->id), item_id(s));
		(void)entry_copy(item->entry.title, sizeof(item->entry.title),
			s->count > 1 ? s->words[1] : "");
	} else {
		at = ITEMS_MAX;
	}
	block_open(m, is_menu ? BLOCK_MENU : BLOCK_ENTRY, at);
}

/* [ WORD ], [ A = B ], [ A != B ], [ -n WORD ], [ -z WORD ], [ -s FILE ] */
static bool test_judge(const char *const *words, size_t count)
{
	if (count == 1)
		return words[0][0] != '\0';
	if (count == 2 && strcmp(words[0], "-s") == 0)
		return strstr(words[1], "grubenv") != NULL;
	if (count == 2 && strcmp(words[0], "-n") == 0)
		return words[1][0] != '\0';
	if (count == 2 && strcmp(words[0], "-z") == 0)
		return words[1][0] == '\0';
	if (count == 3 && (strcmp(words[1], "=") == 0 || strcmp(words[1], "==") == 0))
		return strcmp(words[0], words[2]) == 0;
	return count == 3 && strcmp(words[1], "!=") == 0 && strcmp(words[0], words[2]) != 0;
}

/* Behind `if` or `elif`. */
static bool condition_judge(const struct script *s)
{
	size_t count = s->count;

	if (count && strcmp(s->words[count - 1], "then") == 0)
		count--;
	if (count > 2 && strcmp(s->words[1], "[") == 0 && strcmp(s->words[count - 1], "]") == 0)
		return test_judge(s->words + 2, count - 3);
	return count > 1 && strcmp(s->words[1], "test") == 0 && test_judge(s->words + 2, count - 2);
}

static void branch_take(struct menu *m, bool is_true)
{
	if (!m->condition_count)
		return;
	struct condition *c = &m->conditions[m->condition_count - 1];
	c->taken = !c->done && is_true;
	c->done |= is_true;
}

/* Return: true if the command is a part of a condition, of the script's top level. */
static bool condition_run(struct menu *m, const struct script *s)
{
	const char *name = s->words[0];

	if (strcmp(name, "if") == 0) {
		if (m->condition_count < DEPTH_MAX)
			m->conditions[m->condition_count++] = (struct condition){0};
		branch_take(m, condition_judge(s));
	} else if (strcmp(name, "elif") == 0) {
		branch_take(m, condition_judge(s));
	} else if (strcmp(name, "else") == 0) {
		branch_take(m, true);
	} else if (strcmp(name, "fi") == 0) {
		m->condition_count -= m->condition_count > 0;
	} else {
		return false;
	}
	return true;
}

static bool is_kernel_command(const char *name)
{
	static const char *const names[] = {"linux", "linux16", "linuxefi"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* A second kernel of an entry counts only if the first one has no initial RAM disk. */
static void kernel_set(struct boot_entry *b, const struct script *s)
{
	if (s->count < 2 || (b->kernel[0] && b->initrd_count))
		return;
	b->options[0] = '\0';
	if (!entry_set_path(b->kernel, s->words[1]))
		b->kernel[0] = '\0';
	for (size_t i = 2; i < s->count; i++)
		(void)entry_append(b->options, sizeof(b->options), s->words[i]);
}

static void body_run(struct item *item, const struct script *s)
{
	const char *name = s->words[0];

	if (is_kernel_command(name)) {
		kernel_set(&item->entry, s);
	} else if (strncmp(name, "initrd", 6) == 0 && item->entry.kernel[0] &&
		   !item->entry.initrd_count) {
		for (size_t i = 1; i < s->count; i++)
			entry_add_initrd(&item->entry, s->words[i]);
	}
}

static void assign_run(struct menu *m, const struct script *s)
{
	bool is_set = strcmp(s->words[0], "set") == 0;

	if (s->count > (size_t)is_set)
		(void)variable_assign(m->variables, s->words[is_set]);
}

/* `linux` on the script's top level, as a person may write it, is started without a menu. */
static void top_run(struct menu *m, const struct script *s)
{
	if (!branch_runs(m))
		return;
	if (strcmp(s->words[0], "blscfg") == 0)
		m->bls = true;
	body_run(&m->top, s);
	assign_run(m, s);
}

static void command_run(struct menu *m, const struct script *s)
{
	const char *name = s->words[0], *last = s->words[s->count - 1];
	bool opens = strcmp(last, "{") == 0;
	struct item *item = entry_open(m);

	if (strcmp(name, "}") == 0) {
		m->block_count -= m->block_count > 0;
	} else if (!item && opens && strcmp(name, "menuentry") == 0) {
		item_add(m, s, false);
	} else if (!item && opens && strcmp(name, "submenu") == 0) {
		item_add(m, s, true);
	} else if (opens) {
		block_open(m, BLOCK_OTHER, ITEMS_MAX);
	} else if (item) {
		body_run(item, s);
	} else if (!is_in_block(m, BLOCK_OTHER) && !is_in_block(m, BLOCK_ENTRY) &&
		   !condition_run(m, s)) {
		top_run(m, s);
	}
}

/* `then` and `else` may share a line with a command behind them. */
static void words_run(struct menu *m, struct script *s)
{
	if (strcmp(s->words[0], "else") == 0 && s->count > 1 && !entry_open(m))
		branch_take(m, true);
	if (s->count > 1 &&
		(strcmp(s->words[0], "then") == 0 || strcmp(s->words[0], "else") == 0)) {
		s->count--;
		memmove(s->words, s->words + 1, s->count * sizeof(s->words[0]));
	}
	command_run(m, s);
}

static bool item_matches(const struct item *item, size_t ordinal, const char *name, size_t len)
{
	char *end;

	if (len && isdigit((unsigned char)name[0]) && strtoul(name, &end, 10) == ordinal &&
		end == name + len)
		return true;
	return (strlen(item->id) == len && len && strncmp(item->id, name, len) == 0) ||
	       (strlen(item->entry.title) == len && len &&
		       strncmp(item->entry.title, name, len) == 0);
}

/* A child of @parent by number, title or id. Return: its index; count if there is none. */
static size_t item_find(const struct menu *m, size_t parent, const char *name, size_t len)
{
	size_t ordinal = 0;

	for (size_t i = 0; i < m->count; i++) {
		if (m->items[i]->parent != parent)
			continue;
		if (item_matches(m->items[i], ordinal++, name, len))
			return i;
	}
	return m->count;
}

/* "TITLE>ID>NUMBER": one level each. */
static size_t default_find(const struct menu *m)
{
	const char *path = variable_get(m->variables, "default", 7);
	size_t at = NO_PARENT;

	if (!path[0])
		path = "0";
	for (;;) {
		size_t len = strcspn(path, ">");
		size_t next = item_find(m, at, path, len);
		if (next == m->count)
			return at;
		at = next;
		if (!path[len])
			return at;
		path += len + 1;
	}
}

static bool is_below(const struct menu *m, size_t at, size_t parent)
{
	while (at != NO_PARENT && at != parent)
		at = m->items[at]->parent;
	return at == parent;
}

/* The first entry with a kernel below @parent, or @parent itself. */
static const struct boot_entry *kernel_find(const struct menu *m, size_t parent)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i]->entry.kernel[0] && is_below(m, i, parent))
			return &m->items[i]->entry;
	return NULL;
}

static void menu_read(struct menu *m, const char *text, struct script *s)
{
	s->at = text;
	s->variables = m->variables;
	while (script_next(s))
		if (s->count)
			words_run(m, s);
}

int grub_choose(const char *text, struct variables *v, struct boot_entry *ret, bool *ret_bls)
{
	cleanup_free struct script *script = malloc(sizeof(*script));
	struct menu m = {.variables = v};

	if (!script)
		return -ENOMEM;
	/* GRUB 2 has entries with ids; the script of grub-mkconfig asks. */
	variable_set(v, "feature_menuentry_id", 20, "y");
	menu_read(&m, text, script);
	const struct boot_entry *chosen =
		m.top.entry.kernel[0] ? &m.top.entry : kernel_find(&m, default_find(&m));
	if (!chosen)
		chosen = kernel_find(&m, NO_PARENT);
	if (chosen)
		*ret = *chosen;
	*ret_bls = m.bls;
	for (size_t i = 0; i < m.count; i++)
		free(m.items[i]);
	return chosen ? 0 : -ENOENT;
}
