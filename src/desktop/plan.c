/* SPDX-License-Identifier: MIT */
#include "desktop/plan.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/problem.h"
#include "desktop/holder.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BASE_DISPLAY 0x03

const char *const desktop_checks[2] = {"gpu", "fd"};

static void unit_add(struct host *h, const char *unit, struct desktop_plan *d)
{
	for (size_t i = 0; i < d->unit_count; i++)
		if (strcmp(d->units[i], unit) == 0)
			return;
	if (!desktop_unit_runs(h, unit))
		(void)snprintf(d->idle_unit, sizeof(d->idle_unit), "%.95s", unit);
	else
		(void)snprintf(d->units[d->unit_count++], DESKTOP_UNIT_MAX, "%.95s", unit);
}

/* The display manager first: what a person names may serve it. */
static void read_units(struct host *h, const struct desktop_request *q, struct desktop_plan *d)
{
	char manager[DESKTOP_UNIT_MAX];

	if (desktop_unit_find(h, manager))
		unit_add(h, manager, d);
	d->idle_unit[0] = '\0';
	for (size_t i = 0; i < q->unit_count; i++)
		unit_add(h, q->units[i], d);
}

static void read_consoles(struct host *h, struct desktop_plan *d)
{
	struct desktop_console all[DESKTOP_CONSOLES_MAX];
	size_t count = desktop_consoles_read(h, all);

	for (size_t i = 0; i < count; i++)
		if (all[i].is_bound && desktop_console_draws(&all[i]))
			d->consoles[d->console_count++] = all[i];
	d->vt = desktop_vt_read(h);
}

static int count_device(void *arg, const char *name)
{
	unsigned *count = arg;

	*count += strchr(name, ':') != NULL;
	return 0;
}

/*
 * With nvidia_drm, the driver counts as used by itself, and its remove() waits for ever. The
 * modules serve all cards, so they stay as long as another one needs them.
 */
static void read_modules(struct host *h, const struct pci_device *device, struct desktop_plan *d)
{
	static const char *const names[] = {"nvidia_drm", "nvidia_modeset", "nvidia_uvm"};
	char path[FILE_PATH_MAX], text[32];
	unsigned cards = 0;

	_Static_assert(COUNT(names) == DESKTOP_MODULES_MAX, "room for all");
	if (strcmp(device->driver, "nvidia") != 0)
		return;
	(void)h->ops->list(h, "/sys/bus/pci/drivers/nvidia", count_device, &cards);
	for (size_t i = 0; cards < 2 && i < COUNT(names); i++)
		if (file_path(path, sizeof(path), "/sys/module/%s/refcnt", names[i]) == 0 &&
			host_read_text(h, path, text, sizeof(text)) >= 0)
			(void)snprintf(
				d->modules[d->module_count++], DESKTOP_MODULE_MAX, "%s", names[i]);
}

static bool is_desktop_on(const struct desktop_plan *d, struct pci_address a)
{
	for (size_t i = 0; i < d->holder_count; i++)
		if (d->holders[i].goes && pci_address_equal(d->holders[i].address, a))
			return true;
	return false;
}

/* @has_firmware: the firmware's framebuffer lies in a BAR, and no driver of the card is there. */
static void read_card(struct host *h, const struct pci_device *device, const struct holds *holds,
	bool has_firmware, struct desktop_plan *d)
{
	bool is_on = desktop_holds_console(holds) || is_desktop_on(d, device->address) ||
		     (has_firmware && d->console_count);

	if (d->is_needed || device->class >> 16 != BASE_DISPLAY || !is_on)
		return;
	d->is_needed = true;
	d->address = device->address;
	d->vendor = device->vendor;
	d->device = device->device;
	read_modules(h, device, d);
}

static int read_member(
	struct host *h, const struct bind_member *m, struct desktop_plan *d, struct err *e)
{
	struct holds holds = {0};

	int r = hold_find(h, &m->device, &holds, e);
	if (r == 0) {
		desktop_holders_add(h, &m->device, &holds, d);
		read_card(h, &m->device, &holds, m->framebuffer[0] != '\0', d);
	}
	holds_fini(&holds);
	return r;
}

/* A compositor may also be started from a text console: then its session is one of type "tty". */
static void mark_sessions(struct desktop_plan *d)
{
	for (size_t i = 0; i < d->session_count; i++) {
		struct desktop_session *s = &d->sessions[i];

		s->ends = strcmp(s->type, "tty") != 0;
		for (size_t k = 0; k < d->holder_count; k++)
			s->ends = s->ends || strcmp(d->holders[k].session, s->id) == 0;
	}
}

static void plan_begin(struct host *h, const struct desktop_request *q, struct desktop_plan *ret,
	bool has_sessions)
{
	*ret = (struct desktop_plan){.has_systemd = desktop_has_systemd(h), .alive_s = q->alive_s};
	read_units(h, q, ret);
	read_consoles(h, ret);
	if (!has_sessions)
		return;
	const size_t count = desktop_sessions_read(h, ret->sessions);
	ret->session_count = count < DESKTOP_SESSIONS_MAX ? count : DESKTOP_SESSIONS_MAX;
	ret->session_more = count - ret->session_count;
}

int desktop_plan_read(struct host *h, const struct desktop_request *q, const struct bind_plan *p,
	struct desktop_plan *ret, struct err *e)
{
	int r = 0;

	plan_begin(h, q, ret, true);
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; r == 0 && k < p->groups[i].count; k++)
			if (p->groups[i].members[k].act == BIND_ACT_TAKE)
				r = read_member(h, &p->groups[i].members[k], ret, e);
	mark_sessions(ret);
	return r;
}

void desktop_plan_card(struct host *h, const struct pci_device *card, const struct holds *holds,
	struct desktop_plan *ret)
{
	const struct desktop_request q = {.alive_s = DESKTOP_ALIVE_S};

	/* Who is logged in is not for a snapshot: a recording host is not the live one. */
	plan_begin(h, &q, ret, h == host_live());
	if (h == host_live())
		desktop_holders_add(h, card, holds, ret);
	read_card(h, card, holds, false, ret);
	mark_sessions(ret);
}

static int judge_sessions(
	const struct desktop_plan *d, const struct bind_request *q, struct bind_plan *p)
{
	static const struct problem_kind kind = {"session", PROBLEM_LIFTABLE,
		"save everything and log out; or --allow=session, which ends the programs"};
	static const struct problem_kind many = {
		"session", PROBLEM_REFUSES, "end those of them that nobody uses: loginctl"};
	char object[64];
	int r = 0;

	if (d->session_more)
		r = bind_problem_add(p, q, &many, "sessions",
			"%zu people are logged in at the screen, more than usher can end",
			d->session_count + d->session_more);
	for (size_t i = 0; r == 0 && i < d->session_count; i++) {
		const struct desktop_session *s = &d->sessions[i];
		if (!s->ends)
			continue;
		(void)snprintf(object, sizeof(object), "session %s", s->id);
		r = bind_problem_add(p, q, &kind, object,
			"%s is logged in at the screen (%s): the programs end, and do not come "
			"back",
			s->user, s->type[0] ? s->type : "unknown type");
	}
	return r;
}

/* A process that is no part of the desktop keeps the card, and usher ends none of those. */
static int judge_holders(
	const struct desktop_plan *d, const struct bind_request *q, struct bind_plan *p)
{
	static const struct problem_kind kind = {
		"fd", PROBLEM_REFUSES, "end it; or name its unit: --display-handover=unit=UNIT"};
	static const struct problem_kind unsure = {"fd", PROBLEM_REFUSES, "run as root"};
	char address[PCI_ADDRESS_TEXT];
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->holder_count; i++) {
		const struct desktop_holder *x = &d->holders[i];
		if (x->goes)
			continue;
		r = bind_problem_add(p, q, x->pid ? &kind : &unsure,
			pci_address_format(x->address, address), "%s: %s%s", x->object, x->text,
			x->pid ? ": it does not end with the desktop" : "");
	}
	return r;
}

/* Elsewhere that is a warning; here nobody has a screen to see it at. */
static int judge_reset(const struct bind_request *q, struct bind_plan *p)
{
	static const struct problem_kind kind = {"no-reset", PROBLEM_LIFTABLE,
		"for a guest that you trust: --allow=no-reset, which returns it without a reset"};
	size_t count = p->problem_count;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		char object[sizeof(p->problems[i].object)];
		(void)snprintf(object, sizeof(object), "%s", p->problems[i].object);
		if (strcmp(p->problems[i].check, kind.check) == 0)
			r = bind_problem_add(p, q, &kind, object,
				"would stay on its VFIO driver at the end, and the screen dark");
	}
	return r;
}

/* A slip of the pen, or a service that is off today. */
static int judge_units(
	const struct desktop_plan *d, const struct bind_request *q, struct bind_plan *p)
{
	static const struct problem_kind kind = {"display", PROBLEM_WARNS, "systemctl list-units"};

	return d->idle_unit[0] ? bind_problem_add(p, q, &kind, d->idle_unit,
					 "does not run, so usher does not stop it")
			       : 0;
}

int desktop_plan_judge(
	const struct desktop_plan *d, const struct bind_request *q, struct bind_plan *p)
{
	static const struct problem_kind needless = {
		"display", PROBLEM_REFUSES, "leave --display-handover out"};

	if (!d->is_needed)
		return bind_problem_add(p, q, &needless, "display",
			"neither the host's console nor a desktop is on a device of this guest: "
			"another card drives them, or none");
	int r = judge_reset(q, p);
	if (r < 0)
		return r;
	r = judge_units(d, q, p);
	if (r < 0)
		return r;
	r = judge_sessions(d, q, p);
	return r < 0 ? r : judge_holders(d, q, p);
}
