/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: the entry in STATE/desktop has what ran before the first change, and is removed after
 * the last one. desktop_return() (restore.c) goes back from any point between them: it compares the
 * host with the entry, and needs no note of how far a dead process came.
 *
 *	entry, units, sessions, wait, consoles, modules     desktop_leave()
 *	  the guest's keeper takes the devices, with the framebuffer in their BARs, and returns them
 *	modules, consoles, active terminal, units, entry    desktop_return()
 *
 * The units go first, because they would start again what else is stopped. The consoles go after
 * the programs: a program that leaves its virtual terminal draws on it once more. The display
 * manager comes last, so it finds the card with its driver, and the terminals as they were.
 */
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "bind/lock.h"
#include "bind/owner.h"
#include "desktop/change.h"
#include "desktop/command.h"
#include "desktop/holder.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLDERS_MS 30000 /* logind stops services of a user 10 s after the last session */

static int process_fill(struct host *h, pid_t pid, struct desktop_process *ret, struct err *e)
{
	int r = bind_owner_start(h, pid, &ret->start);

	ret->pid = pid;
	return r < 0 ? err_set(e, r, "learn the start time of process %d", pid) : 0;
}

static int entry_fill(
	struct desktop_change *c, const struct desktop_plan *d, pid_t keeper, struct err *e)
{
	struct desktop_entry *n = &c->entry;
	struct host *h = c->env->host;

	*n = (struct desktop_entry){
		.address = d->address, .vendor = d->vendor, .device = d->device, .vt = d->vt};
	for (size_t i = 0; i < d->console_count; i++)
		(void)snprintf(n->consoles[n->console_count++], DESKTOP_CONSOLE_NAME, "%s",
			d->consoles[i].name);
	n->module_count = d->module_count;
	memcpy(n->modules, d->modules, sizeof(n->modules));
	n->unit_count = d->unit_count;
	memcpy(n->units, d->units, sizeof(n->units));
	int r = process_fill(h, getpid(), &n->owner, e);
	if (r == 0)
		r = process_fill(h, keeper, &n->keeper, e);
	return r < 0 ? r : bind_boot_id(h, n->boot, e);
}

static int units_stop(struct desktop_change *c, struct err *e)
{
	for (size_t i = 0; i < c->entry.unit_count; i++) {
		desktop_say(c, "stop %s", c->entry.units[i]);
		int r = desktop_unit_stop(c->env->host, c->entry.units[i], e);
		bind_transaction_count(&c->work);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A session that has ended with its display manager is none any more: no failure. */
static void sessions_end(struct desktop_change *c, const struct desktop_plan *d)
{
	struct desktop_session now[DESKTOP_SESSIONS_MAX];
	size_t count = desktop_sessions_read(c->env->host, now);

	count = count < DESKTOP_SESSIONS_MAX ? count : DESKTOP_SESSIONS_MAX;
	for (size_t i = 0; i < d->session_count; i++) {
		bool is_there = false;
		for (size_t k = 0; k < count; k++)
			is_there = is_there || strcmp(now[k].id, d->sessions[i].id) == 0;
		if (!is_there || !d->sessions[i].ends)
			continue;
		desktop_say(c, "end session %s of %s", d->sessions[i].id, d->sessions[i].user);
		(void)desktop_session_end(d->sessions[i].id, NULL);
		bind_transaction_count(&c->work);
	}
}

/* Who has a device of @p open now; the first of them in @ret. Return: their count, -errno. */
static int holders_count(struct desktop_change *c, const struct desktop_plan *d,
	const struct bind_plan *p, struct desktop_holder *ret, struct err *e)
{
	cleanup_free struct desktop_plan *now = malloc(sizeof(*now));
	int r = now ? 0 : err_set(e, -ENOMEM, "who uses the devices");

	if (now)
		*now = (struct desktop_plan){.has_systemd = d->has_systemd};
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; r == 0 && k < p->groups[i].count; k++) {
			const struct bind_member *m = &p->groups[i].members[k];
			struct holds holds = {0};
			if (m->act != BIND_ACT_TAKE)
				continue;
			r = hold_find(c->env->host, &m->device, &holds, e);
			if (r == 0)
				desktop_holders_add(c->env->host, &m->device, &holds, now);
			holds_fini(&holds);
		}
	if (r < 0)
		return r;
	*ret = now->holders[0];
	return (int)now->holder_count;
}

static int holders_wait(struct desktop_change *c, const struct desktop_plan *d,
	const struct bind_plan *p, struct err *e)
{
	const int64_t end = clock_ms() + HOLDERS_MS;
	struct desktop_holder first = {0};
	char address[PCI_ADDRESS_TEXT];

	for (bool is_told = false;; is_told = true) {
		int count = holders_count(c, d, p, &first, e);
		if (count <= 0)
			return count;
		if (clock_ms() >= end)
			break;
		if (!is_told)
			desktop_say(c, "wait until nothing has the card open");
		desktop_pause(DESKTOP_POLL_MS);
	}
	err_say(e, -EBUSY, "%s: %s: %s, %d s after the desktop was stopped",
		pci_address_format(first.address, address), first.object, first.text,
		HOLDERS_MS / 1000);
	err_hint(e, "if a unit owns it, name that: --display-handover=unit=UNIT");
	return -EBUSY;
}

static int consoles_unbind(struct desktop_change *c, const struct desktop_plan *d, struct err *e)
{
	char path[FILE_PATH_MAX];

	for (size_t i = 0; i < d->console_count; i++) {
		desktop_say(c, "unbind the console '%s'", d->consoles[i].name);
		int r = desktop_console_path(&d->consoles[i], path, sizeof(path));
		if (r == 0)
			r = bind_worker_write(&c->work.workers[0], path, "0", e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int modules_unload(struct desktop_change *c, struct err *e)
{
	for (size_t i = 0; i < c->entry.module_count; i++) {
		desktop_say(c, "unload %s", c->entry.modules[i]);
		int r = desktop_module_unload(c->entry.modules[i], e);
		bind_transaction_count(&c->work);
		if (r < 0)
			return r;
	}
	return 0;
}

static int desktop_stop(struct desktop_change *c, const struct desktop_plan *d,
	const struct bind_plan *p, struct err *e)
{
	int r = units_stop(c, e);
	if (r < 0)
		return r;
	sessions_end(c, d);
	r = holders_wait(c, d, p, e);
	if (r == 0)
		r = consoles_unbind(c, d, e);
	return r < 0 ? r : modules_unload(c, e);
}

/* Two hand-overs at a time would each take the other's half-stopped desktop for the first state. */
static int refuse_second(struct desktop_change *c, struct err *e)
{
	cleanup_free struct bind_lease *leases = NULL;
	size_t count = 0;

	int r = desktop_leases(c->env, &leases, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (leases[i].state != BIND_LEASE_LIVE && leases[i].state != BIND_LEASE_BROKEN)
			continue;
		char address[PCI_ADDRESS_TEXT];
		r = err_say(e, -EBUSY, "%s: %s", pci_address_format(leases[i].address, address),
			leases[i].text);
		err_hint(
			e, "%s", leases[i].state == BIND_LEASE_LIVE ? "usher ps" : "usher restore");
	}
	return r;
}

static int entry_begin(
	struct desktop_change *c, const struct desktop_plan *d, pid_t keeper, struct err *e)
{
	int r = entry_fill(c, d, keeper, e);
	if (r < 0)
		return r;
	r = bind_worker_arm(&c->work.workers[0], e);
	return r < 0 ? r : desktop_entry_write(&c->work, &c->entry, e);
}

int desktop_leave(struct desktop_change *c, const struct desktop_leaving *l, struct err *e)
{
	struct err why = {0};

	cleanup_fd int lock = bind_lock_task(c->env, DESKTOP_LOCK, e);
	if (lock < 0)
		return lock;
	int r = refuse_second(c, e);
	if (r < 0)
		return r;
	r = l->plan(l->arg, e);
	if (r < 0)
		return r;
	r = entry_begin(c, l->desktop, l->keeper, e);
	if (r < 0)
		return r;
	r = desktop_stop(c, l->desktop, l->devices, e);
	if (r < 0 && desktop_return(c, &why) < 0)
		desktop_say(c, "%s", why.msg);
	return r;
}
