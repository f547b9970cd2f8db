/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: the entry is removed after the last member is back, and never before.
 *
 * bind_release() and bind_restore() differ in one question only: who may. The owner, or anyone
 * once the owner has ended, may release; restore decides by the entry's state. Both then call
 * release_entry():
 *
 *	stays	the group was bound manually, or the caller wants it on VFIO: only the lease ends
 *	refuse	a member is in use: its unbind would wait in the kernel
 *	why_stays	a member without a working reset stays on VFIO, unless allowed
 *	return	state `giving` in the journal, then return.c moves each member
 *	forget	the entry and its udev rule; with members that stay, the entry remains
 *
 * A group without an entry, bound by another tool, gets one first.
 */
#include "base/err.h"
#include "base/file.h"
#include "bind/bind.h"
#include "bind/gate.h"
#include "bind/lease.h"
#include "bind/owner.h"
#include "bind/problem.h"
#include "bind/reset.h"
#include "bind/return.h"
#include "bind/stuck_writer.h"
#include "bind/transaction.h"
#include "hold/hold.h"
#include "pci/group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* State of one release. */
struct release {
	struct bind_transaction work;
	const struct bind_release_request *g;
	struct bind_report *report;
	struct bind_entry entry;
};

/* Unbinding a VFIO device that a process has open waits in the kernel until it is closed. */
static int refuse_held(struct release *r, const struct pci_device *d, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];
	struct holds holds = {0};
	int code = hold_find(r->work.env->host, d, &holds, e);

	pci_address_format(d->address, address);
	for (size_t i = 0; code == 0 && i < holds.count; i++) {
		const struct hold *o = &holds.list[i];
		/* --allow lifts absolute ones here, too: an unbind only waits for the holder. */
		if (bind_allows(r->g->allow, r->g->allow_count, o->check))
			continue;
		code = err_say(e, -EPERM, "%s: in use: %s: %s", address, o->object, o->text);
		err_hint(e, o->unsure ? "run as root, which sees all users of a device"
				      : "end what uses it first");
	}
	holds_fini(&holds);
	return code;
}

/* True if the member is still where usher put it: only such members are moved. */
static bool still_taken(struct release *r, const struct bind_was *was, struct pci_device *ret)
{
	return pci_device_peek(r->work.env->host, was->address, ret, NULL) == 0 &&
	       ret->vendor == was->vendor && ret->device == was->device &&
	       strcmp(ret->driver, was->to) == 0 && strcmp(was->to, was->driver) != 0;
}

/* After the search for users that processes show. */
static int refuse_hidden(const struct release *r, struct err *e)
{
	bool (*held)(int group) = r->work.env->kernel->group_held;

	if (bind_allows(r->g->allow, r->g->allow_count, "vfio") || !held || !held(r->g->group))
		return 0;
	(void)err_say(e, -EPERM,
		"group %d: in use: a process that usher cannot find has a device of it open",
		r->g->group);
	err_hint(e, "it may have mapped the device, or have its descriptor in a socket");
	return -EPERM;
}

static int refuse_members_held(struct release *r, struct err *e)
{
	struct pci_device d;
	size_t taken = 0;

	for (size_t i = 0; i < r->entry.count; i++) {
		if (!still_taken(r, &r->entry.members[i], &d))
			continue;
		int code = refuse_held(r, &d, e);
		if (code < 0)
			return code;
		taken++;
	}
	return taken ? refuse_hidden(r, e) : 0;
}

/* Members that stay on VFIO, because nothing can reset them. Return: their count, -ENOMEM. */
static int find_unresettable(struct release *r, const char **why_stays)
{
	struct pci_address *taken = calloc(r->entry.count ? r->entry.count : 1, sizeof(*taken));
	struct pci_device d;
	size_t n = 0;
	int staying = 0;

	if (!taken)
		return -ENOMEM;
	for (size_t i = 0; i < r->entry.count; i++)
		if (pci_device_peek(r->work.env->host, r->entry.members[i].address, &d, NULL) ==
				0 &&
			bind_on_vfio(r->work.env->host, &d))
			taken[n++] = d.address;
	for (size_t i = 0; i < r->entry.count; i++) {
		if (!still_taken(r, &r->entry.members[i], &d) ||
			(!r->entry.members[i].unwiped &&
				bind_reset_works(r->work.env->host, &d, taken, n)))
			continue;
		why_stays[i] = r->entry.members[i].unwiped ? "could not be reset; stays on VFIO"
							   : "has no working reset; stays on VFIO";
		staying++;
	}
	free(taken);
	return staying;
}

/* Ends the lease; from now on the group counts as bound manually. */
static int entry_make_manual(struct release *r, struct err *e)
{
	struct bind_entry *n = &r->entry;

	if (r->g->how != BIND_RETURN_VFIO && bind_worker_arm(&r->work.workers[0], e) == 0)
		bind_return_methods(&r->work.workers[0], n);
	n->state = BIND_STATE_TAKEN;
	n->owner = (struct bind_owner){0};
	n->writer = 0;
	n->writer_start = 0;
	n->manual = true;
	return bind_transaction_journal(&r->work, n, e);
}

/* Keeps the members that stay on VFIO. The others are on their driver, gone, or not ours now. */
static void entry_shrink(struct bind_entry *n, const char *const *why_stays)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->count; i++)
		if (why_stays[i])
			n->members[kept++] = n->members[i];
	n->count = kept;
}

static int release_in_part(struct release *r, const char *const *why_stays, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];
	size_t all = r->entry.count;

	entry_shrink(&r->entry, why_stays);
	int code = entry_make_manual(r, e);
	if (code < 0)
		return code;
	if (r->entry.count < all)
		err_say(e, -EPERM,
			"group %d: %s%s on VFIO, without a working reset; the others are no longer "
			"lent",
			r->entry.group, pci_address_format(r->entry.members[0].address, address),
			r->entry.count > 1 ? " and others stay" : " stays");
	else
		err_say(e, -EPERM,
			"group %d: some devices stay on VFIO, because they have no working reset",
			r->entry.group);
	err_hint(e, "power the host off and on; for a guest that you trust: usher release "
		    "--allow=no-reset ADDRESS");
	return -EPERM;
}

/* Every member is back. If the entry stays, it is stale: a later usher finds that out. */
static int release_forget(struct release *r, struct err *e)
{
	struct err why = {0};

	int code = bind_transaction_forget(&r->work, r->entry.group, &why);
	if (code == 0)
		return 0;
	err_say(e, code, "group %d: its devices are back, but not its entry removed: %s",
		r->entry.group, why.msg);
	err_hint(e, "usher restore, when " BIND_STATE_DIR " can be written again");
	return code;
}

/* What would become of each member. */
static int report_preview(struct release *r, const char *const *why_stays, struct err *e)
{
	const struct bind_entry *n = &r->entry;
	struct bind_returned *given = bind_report_add(r->report, n->count ? n->count : 1);
	struct pci_device d;

	if (!given)
		return err_set(e, -ENOMEM, "group %d", n->group);
	r->report->returned_count = n->count;
	for (size_t i = 0; i < n->count; i++) {
		const char *to = r->g->how == BIND_RETURN_NONE ? "" : n->members[i].driver;
		given[i].address = n->members[i].address;
		given[i].left = why_stays[i] || !still_taken(r, &n->members[i], &d);
		if (pci_device_peek(r->work.env->host, given[i].address, &d, NULL) < 0)
			d.driver[0] = '\0';
		(void)snprintf(given[i].from, sizeof(given[i].from), "%s", d.driver);
		(void)snprintf(
			given[i].to, sizeof(given[i].to), "%s", given[i].left ? d.driver : to);
		if (!given[i].left && strcmp(to, BIND_DRIVER_FITTING) == 0) {
			given[i].to[0] = '\0';
			(void)snprintf(given[i].text, sizeof(given[i].text),
				"to the driver that matches it");
			continue;
		}
		(void)snprintf(given[i].text, sizeof(given[i].text), "%s",
			why_stays[i] ? why_stays[i] : "");
	}
	return 0;
}

static int members_return(struct release *r, const char **why_stays, struct err *e)
{
	struct bind_entry *n = &r->entry;
	int staying = 0;

	n->reset_waived =
		n->reset_waived || bind_allows(r->g->allow, r->g->allow_count, "no-reset");
	/* A group that was never handed out needs no reset. */
	if (n->used && !n->reset_waived)
		staying = find_unresettable(r, why_stays);
	if (staying < 0)
		return err_set(e, staying, "group %d", n->group);
	if (r->g->dry_run)
		return report_preview(r, why_stays, e);
	int code = bind_worker_arm(&r->work.workers[0], e);
	if (code < 0)
		return code;
	n->state = BIND_STATE_RETURNING;
	bind_worker_sign(&r->work.workers[0], n);
	code = bind_transaction_journal(&r->work, n, e);
	if (code < 0 && !bind_journal_is_full(code))
		return code;
	code = bind_return_members(&r->work.workers[0], n, r->g->how, why_stays, r->report, e);
	if (code < 0)
		return code;
	return staying ? release_in_part(r, why_stays, e) : release_forget(r, e);
}

static void mark_unwiped(struct release *r)
{
	for (size_t i = 0; i < r->entry.count; i++)
		for (size_t k = 0; k < r->g->unwiped_count; k++)
			if (pci_address_equal(r->entry.members[i].address, r->g->unwiped[k]))
				r->entry.members[i].unwiped = true;
}

static int release_entry(struct release *r, struct err *e)
{
	mark_unwiped(r);
	if (r->g->how == BIND_RETURN_VFIO || (r->g->owner.pid && r->entry.manual))
		return r->g->dry_run ? 0 : entry_make_manual(r, e);
	int code = refuse_members_held(r, e);
	if (code < 0)
		return code;
	const char **why_stays = calloc(r->entry.count ? r->entry.count : 1, sizeof(*why_stays));
	if (!why_stays)
		return err_set(e, -ENOMEM, "group %d", r->entry.group);
	code = members_return(r, why_stays, e);
	free(why_stays);
	return code;
}

/* An entry for devices that another tool put on VFIO: their first driver is unknown. */
static int fill_foreign(struct release *r, const char *boot, struct err *e)
{
	struct bind_entry *n = &r->entry;
	struct pci_group g;

	int code = pci_group_read(r->work.env->host, r->g->group, &g, e);
	if (code < 0)
		return code;
	*n = BIND_ENTRY_NONE;
	n->group = g.number;
	n->state = BIND_STATE_RETURNING;
	(void)snprintf(n->boot, sizeof(n->boot), "%s", boot);
	n->members = calloc(g.count ? g.count : 1, sizeof(*n->members));
	for (size_t i = 0; n->members && i < g.count; i++) {
		const struct pci_device *d = &g.members[i];
		if (!bind_on_vfio(r->work.env->host, d))
			continue;
		struct bind_was *was = &n->members[n->count++];
		*was = (struct bind_was){d->address, d->vendor, d->device, d->class};
		(void)snprintf(was->to, sizeof(was->to), "%s", d->driver);
		(void)snprintf(was->driver, sizeof(was->driver), "%s", BIND_DRIVER_FITTING);
	}
	pci_group_fini(&g);
	return n->members ? 0 : err_set(e, -ENOMEM, "group %d", r->g->group);
}

/*
 * An override for VFIO without a driver: nothing has probed the device since. It is not on its own
 * driver, as a release promises, and no entry says what that was.
 */
static int refuse_unprobed(struct release *r, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];
	struct pci_device d;
	struct pci_group g;

	int code = pci_group_read(r->work.env->host, r->g->group, &g, e);
	for (size_t i = 0; code == 0 && i < g.count; i++) {
		if (g.members[i].driver[0] ||
			pci_device_read(r->work.env->host, g.members[i].address, &d, NULL) < 0 ||
			strncmp(d.driver_override, "vfio", 4) != 0)
			continue;
		pci_address_format(d.address, address);
		code = err_say(e, -ENODEV,
			"%s: has no driver, and its override '%s' keeps others away", address,
			d.driver_override);
		err_hint(e,
			"for VFIO: usher bind %s; for its own driver: echo > "
			"/sys/bus/pci/devices/%s/driver_override; echo %s > "
			"/sys/bus/pci/drivers_probe",
			address, address, address);
	}
	pci_group_fini(&g);
	return code;
}

/* Such devices lose their override and go to the driver that matches. */
static int release_foreign(struct release *r, const char *boot, struct err *e)
{
	int code = fill_foreign(r, boot, e);

	if (code < 0)
		return code;
	if (!r->entry.count) {
		r->report->idle = true;
		return refuse_unprobed(r, e);
	}
	return r->g->how == BIND_RETURN_VFIO ? 0 : release_entry(r, e);
}

static int may_release(struct release *r, const char *boot, struct err *e)
{
	const struct bind_entry *n = &r->entry;
	const struct bind_owner *o = &r->g->owner;
	char text[160], hint[128];

	enum bind_lease_state s = bind_lease_judge(r->work.env, n, boot, text, sizeof(text));
	if (s == BIND_LEASE_BUSY) {
		err_say(e, -EBUSY, "group %d: %s", n->group, text);
		err_hint(e, "%s", bind_stuck_writer_hint(n->writer, hint, sizeof(hint)));
		return -EBUSY;
	}
	if (o->pid ? bind_owner_equal(&n->owner, o) : s != BIND_LEASE_LIVE)
		return 0;
	err_say(e, -EPERM, "group %d: %s", n->group, text);
	if (s == BIND_LEASE_LIVE && n->owner.domain[0])
		err_hint(e, "shut the domain down; the hook gives the group back");
	else if (s == BIND_LEASE_LIVE)
		err_hint(e, "stop process %d%s; it gives the group back", n->owner.pid,
			n->owner.space ? " of its PID namespace" : "");
	return -EPERM;
}

static int release_locked(struct release *r, struct err *e)
{
	char boot[BIND_BOOT_MAX];

	int known = bind_boot_id(r->work.env->host, boot, e);
	/* A snapshot has the boot's id if it has an entry, which alone needs it. */
	if (known < 0 && !r->g->dry_run)
		return known;
	int code = bind_journal_read(r->work.env, r->g->group, &r->entry, known < 0 ? NULL : e);
	if (code == 0 && known < 0)
		return known;
	if (code == -EBADMSG)
		err_hint(e, "usher restore removes the entry; then release again");
	if (code < 0 && code != -ENOENT)
		return code;
	if (code == 0 && strcmp(r->entry.boot, boot) != 0) {
		code = r->g->dry_run ? 0 : bind_transaction_forget(&r->work, r->g->group, e);
		if (code < 0)
			return code;
		code = -ENOENT;
	}
	if (code == -ENOENT && r->g->owner.pid)
		return err_say(e, -ENOENT, "group %d: is not leased", r->g->group);
	if (code == -ENOENT)
		return release_foreign(r, boot, e);
	r->report->owner = r->entry.owner;
	code = may_release(r, boot, e);
	return code < 0 ? code : release_entry(r, e);
}

int bind_release(const struct bind_env *env, const struct bind_release_request *g,
	struct bind_report *ret, struct err *e)
{
	struct release r = {.g = g, .report = ret};
	int group = g->group;

	*ret = BIND_REPORT_NONE;
	/* A look needs no lock, which only root can take, and a snapshot has none. */
	int code = bind_transaction_begin(&r.work, env, &group, !g->dry_run, e);
	if (code == 0)
		code = release_locked(&r, e);
	bind_entry_fini(&r.entry);
	bind_transaction_end(&r.work);
	return code;
}

static int restore_locked(struct release *r, enum bind_manual manual, struct err *e)
{
	char boot[BIND_BOOT_MAX];
	struct err why = {0};

	int code = bind_boot_id(r->work.env->host, boot, e);
	if (code < 0)
		return code;
	code = bind_journal_read(r->work.env, r->g->group, &r->entry, &why);
	/* A crash may have left a temporary file without an entry. */
	if (code == -ENOENT || code == -EBADMSG)
		return bind_transaction_forget(&r->work, r->g->group, e);
	if (code < 0)
		return err_say(e, code, "%s", why.msg);
	r->report->owner = r->entry.owner;
	switch (bind_lease_judge(r->work.env, &r->entry, boot, (char[1]){0}, 1)) {
	case BIND_LEASE_VOID:
	case BIND_LEASE_CORRUPT:
		return bind_transaction_forget(&r->work, r->g->group, e);
	case BIND_LEASE_LIVE:
	case BIND_LEASE_BUSY:
		return 1;
	case BIND_LEASE_MANUAL:
		return manual == BIND_MANUAL_RELEASE ? release_entry(r, e) : 1;
	case BIND_LEASE_DEAD:
		/* A group that was bound manually before stays bound. */
		return r->entry.manual && manual == BIND_MANUAL_STAYS ? entry_make_manual(r, e)
								      : release_entry(r, e);
	case BIND_LEASE_BROKEN:
		return release_entry(r, e);
	}
	return -EINVAL;
}

int bind_restore(const struct bind_env *env, int group, enum bind_manual manual,
	struct bind_report *ret, struct err *e)
{
	const struct bind_release_request g = {.group = group, .how = BIND_RETURN_DRIVER};
	struct release r = {.g = &g, .report = ret};

	*ret = BIND_REPORT_NONE;
	int code = bind_transaction_begin(&r.work, env, &group, 1, e);
	if (code == 0)
		code = restore_locked(&r, manual, e);
	bind_entry_fini(&r.entry);
	bind_transaction_end(&r.work);
	return code;
}
