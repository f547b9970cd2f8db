/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "bind/access.h"
#include "bind/bind.h"
#include "bind/framebuffer.h"
#include "bind/journal.h"
#include "bind/module.h"
#include "bind/resize.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
	const struct bind_env *env;
	struct bind_step *steps;
	size_t count;
	int group;
	int error; /* the first; later additions do nothing */
};

static struct bind_step *step_add(struct list *l, enum bind_op op, const char *text)
{
	if (l->error)
		return NULL;
	struct bind_step *list = reallocarray(l->steps, l->count + 1, sizeof(*list));
	if (!list) {
		l->error = -ENOMEM;
		return NULL;
	}
	l->steps = list;
	struct bind_step *s = &list[l->count++];
	*s = (struct bind_step){.op = op, .group = l->group};
	(void)snprintf(s->text, sizeof(s->text), "%s", text);
	return s;
}

static struct bind_step *step_add_path(
	struct list *l, enum bind_op op, const char *path, const char *text)
{
	struct bind_step *s = step_add(l, op, text);

	if (s && file_path(s->path, sizeof(s->path), "%s", path) < 0)
		l->error = -ENAMETOOLONG;
	return s;
}

/* A step on attribute @attr of a device. */
static void step_add_device(
	struct list *l, enum bind_op op, struct pci_address a, const char *attr, const char *text)
{
	struct bind_step *s = step_add(l, op, text);

	if (!s)
		return;
	s->address = a;
	if (pci_device_path(a, attr, s->path, sizeof(s->path)) < 0)
		l->error = -ENAMETOOLONG;
}

static void step_add_driver(
	struct list *l, struct pci_address a, const char *driver, const char *attr)
{
	char address[PCI_ADDRESS_TEXT];
	struct bind_step *s = step_add(l, BIND_OP_WRITE, pci_address_format(a, address));

	if (!s)
		return;
	s->address = a;
	if (file_path(s->path, sizeof(s->path), "/sys/bus/pci/drivers/%s/%s", driver, attr) < 0)
		l->error = -ENAMETOOLONG;
}

static void add_framebuffer(struct list *l, const struct bind_member *m)
{
	char path[FILE_PATH_MAX];
	const char *name;

	if (!m->framebuffer[0])
		return;
	name = bind_framebuffer_path(m->framebuffer, "unbind", path, sizeof(path));
	struct bind_step *s = name ? step_add(l, BIND_OP_WRITE, name) : NULL;
	if (s && file_path(s->path, sizeof(s->path), "%s", path) < 0)
		l->error = -ENAMETOOLONG;
	if (s)
		s->address = m->device.address;
}

static void add_resizes(struct list *l, const struct bind_member *m)
{
	char attr[20], text[4];

	for (unsigned i = 0; i < PCI_BAR_COUNT; i++) {
		if (!m->bar[i])
			continue;
		(void)snprintf(attr, sizeof(attr), "resource%u_resize", i);
		step_add_device(l, BIND_OP_WRITE, m->device.address, attr,
			bind_resize_text(m->bar[i], text));
	}
}

/*
 * The override comes first: with it no other driver can bind between the unbind and the bind.
 * A write to `bind` returns the driver's errno; drivers_probe returns 0 in any case.
 */
static void add_member(struct list *l, const struct bind_member *m)
{
	const struct pci_device *d = &m->device;

	if (m->act != BIND_ACT_TAKE)
		return;
	add_framebuffer(l, m);
	if (strcmp(d->driver_override, m->driver) != 0)
		step_add_device(l, BIND_OP_WRITE, d->address, "driver_override", m->driver);
	if (d->driver[0])
		step_add_driver(l, d->address, d->driver, "unbind");
	add_resizes(l, m);
	step_add_driver(l, d->address, m->driver, "bind");
	step_add_device(l, BIND_OP_VERIFY, d->address, "driver", m->driver);
}

static void access_text(const struct bind_access *a, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%d:%d", (int)a->uid, (int)a->gid);

	if (a->mode)
		(void)snprintf(buf + n, size - (size_t)n, " %04o", (unsigned)a->mode);
}

static void add_group(struct list *l, const struct bind_group *g)
{
	const struct bind_access *a = &g->access;
	char path[FILE_PATH_MAX], text[64];

	l->group = g->number;
	if (bind_access_is(a)) {
		access_text(a, text, sizeof(text));
		if (bind_access_path(g->number, path, sizeof(path)) < 0)
			l->error = -ENAMETOOLONG;
		(void)step_add_path(l, BIND_OP_RULE, path, text);
	}
	for (size_t i = 0; i < g->count; i++)
		add_member(l, &g->members[i]);
	(void)snprintf(path, sizeof(path), "/dev/vfio/%d", g->number);
	(void)step_add_path(l, BIND_OP_WAIT, path, "");
	if (!bind_access_is(a))
		return;
	access_text(a, text, sizeof(text));
	(void)step_add_path(l, BIND_OP_CHOWN, path, text);
	for (size_t i = 0; i < g->count; i++)
		if (g->members[i].act != BIND_ACT_STAYS)
			step_add_device(
				l, BIND_OP_CHOWN, g->members[i].device.address, "vfio-dev", text);
}

static bool named_before(const struct list *l, const char *module)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->steps[i].path, module) == 0)
			return true;
	return false;
}

static void add_loads(struct list *l, const struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++) {
		const struct bind_group *g = &p->groups[i];
		l->group = g->number;
		for (size_t k = 0; k < g->count; k++) {
			const struct bind_member *m = &g->members[k];
			if (m->act == BIND_ACT_TAKE && !named_before(l, m->module) &&
				!bind_driver_present(l->env->host, m->driver))
				(void)step_add_path(l, BIND_OP_LOAD, m->module, "");
		}
	}
}

static void add_journals(struct list *l, const struct bind_plan *p, enum bind_journal_step state)
{
	char path[FILE_PATH_MAX];

	for (size_t i = 0; i < p->group_count; i++) {
		l->group = p->groups[i].number;
		if (bind_journal_path(l->env, l->group, path, sizeof(path)) < 0)
			l->error = -ENAMETOOLONG;
		struct bind_step *s =
			step_add_path(l, BIND_OP_JOURNAL, path, bind_journal_step_name(state));
		if (s)
			s->journal = state;
	}
}

bool bind_plan_moves(const struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++) {
		const struct bind_group *g = &p->groups[i];
		if (bind_access_is(&g->access))
			return true;
		for (size_t k = 0; k < g->count; k++)
			if (g->members[k].act == BIND_ACT_TAKE)
				return true;
	}
	return false;
}

int bind_plan_steps(const struct bind_env *env, const struct bind_request *q,
	const struct bind_plan *p, struct bind_step **ret, size_t *ret_count)
{
	struct list l = {.env = env};

	add_loads(&l, p);
	if (bind_plan_moves(p))
		add_journals(&l, p, BIND_JOURNAL_TAKING);
	for (size_t i = 0; i < p->group_count; i++)
		add_group(&l, &p->groups[i]);
	add_journals(&l, p, BIND_JOURNAL_TAKEN);
	if (l.error) {
		free(l.steps);
		return l.error;
	}
	*ret = l.steps;
	*ret_count = l.count;
	return 0;
}

const char *bind_journal_step_name(enum bind_journal_step s)
{
	static const char *const names[] = {
		[BIND_JOURNAL_NONE] = "",
		[BIND_JOURNAL_TAKING] = "taking",
		[BIND_JOURNAL_TAKEN] = "taken",
		[BIND_JOURNAL_CHANGING] = "changing",
		[BIND_JOURNAL_CHANGED] = "changed",
		[BIND_JOURNAL_REMOVED] = "removed",
	};

	return names[s];
}

const char *bind_op_name(enum bind_op op)
{
	switch (op) {
	case BIND_OP_LOAD:
		return "load";
	case BIND_OP_JOURNAL:
		return "journal";
	case BIND_OP_WRITE:
		return "write";
	case BIND_OP_VERIFY:
		return "verify";
	case BIND_OP_WAIT:
		return "wait";
	case BIND_OP_CHOWN:
		return "chown";
	case BIND_OP_RULE:
		return "rule";
	case BIND_OP_REGISTER:
		return "config";
	case BIND_OP_SETTINGS:
		return "keep";
	}
	return "?";
}
