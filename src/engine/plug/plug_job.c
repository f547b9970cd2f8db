/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a device is in the guest only while the journal has its group for the guest's keeper.
 * A group comes as a whole: take, nodes for QEMU, then card by card. It leaves as a whole: QEMU
 * asks the guest, and when QEMU shows no member any more, the node goes, and then the group.
 *
 * The functions of one slot leave together, so whoever takes one of them takes the groups of all.
 * A guest that still boots does not see the request; the job repeats it.
 */
#include "engine/plug/plug_job.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/num.h"
#include "bind/lease.h"
#include "bind/owner.h"
#include "engine/plug/nodes.h"
#include "wire/order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 200
#define ASK_AGAIN_MS 6000 /* a second press of a slot's button within 5 s cancels the first */
#define UNDO_MS 5000 /* for a guest to let a card go whose other half did not come */
#define CLOSE_MS 3000 /* QEMU closes a device a moment after it shows it no more */
#define SLOT_MAX 40

/* What QEMU has of the host's devices. */
struct lent_list {
	size_t count;
	struct {
		struct pci_address address;
		char slot[SLOT_MAX];
	} list[PLUG_MEMBERS_MAX];
};

struct job {
	const struct plug_place *place;
	int mounts;
	uint32_t order; /* id of the last one */
	struct wire_done done;
	struct plug_result *result;
};

static void pause_ms(long ms)
{
	const struct timespec pause = {.tv_nsec = ms * 1000000};

	(void)nanosleep(&pause, NULL);
}

/* QEMU's words end up in a sentence. */
static void refusal_copy(const struct wire_done *d, char *ret, size_t size)
{
	size_t len = d->length < size - 1 ? d->length : size - 1;

	for (size_t i = 0; i < len; i++)
		ret[i] = (char)(d->text[i] >= ' ' && d->text[i] <= '~' ? d->text[i] : ' ');
	ret[len] = '\0';
}

/* An earlier job that was killed may have left its answer. Return: what QEMU did of it, -errno. */
static int order_give(struct job *j, struct wire_order *o)
{
	o->header = (struct wire_header){.kind = WIRE_ORDER, .id = ++j->order};
	int r = wire_send(j->place->line_fd, o, sizeof(*o), NULL);
	while (r == 0) {
		r = wire_receive(j->place->line_fd, &j->done, sizeof(j->done), NULL);
		if (r == 0)
			r = wire_done_check(&j->done);
		if (r == 0 && j->done.header.id == o->header.id)
			return j->done.result;
	}
	j->done.length = 0;
	return r;
}

/* @r: of order_give(). */
static int order_explain(const struct job *j, int r, const char *what, struct err *e)
{
	char refusal[200];

	refusal_copy(&j->done, refusal, sizeof(refusal));
	if (r == -EREMOTEIO && refusal[0])
		return err_say(e, r, "%s: QEMU refuses: %s", what, refusal);
	if (r == -ENOSPC) {
		err_say(e, r, "%s: guest '%s' has no slot free", what, j->place->name);
		err_hint(e, "detach another device first; a machine of your own words has none");
		return r;
	}
	return err_say(e, r, "%s: %s", what,
		r == -ETIMEDOUT ? "QEMU does not answer"
		: r == -EPIPE   ? "QEMU takes no orders any more"
				: strerror(-r));
}

static void line_parse(char *line, struct lent_list *ret)
{
	char *slot = strchr(line, ' ');
	struct pci_address a;

	if (!slot || ret->count == COUNT(ret->list))
		return;
	*slot++ = '\0';
	if (pci_address_parse(line, &a) < 0 || strlen(slot) >= SLOT_MAX)
		return;
	ret->list[ret->count].address = a;
	(void)snprintf(ret->list[ret->count++].slot, SLOT_MAX, "%s", slot);
}

static int lent_read(struct job *j, struct lent_list *ret, struct err *e)
{
	struct wire_order o = {.order = WIRE_ORDER_LENT};
	char text[4096], *rest = text, *line;

	*ret = (struct lent_list){0};
	int r = order_give(j, &o);
	if (r < 0)
		return order_explain(j, r, "look at the guest's devices", e);
	size_t len = j->done.length < sizeof(text) - 1 ? j->done.length : sizeof(text) - 1;
	memcpy(text, j->done.text, len);
	text[len] = '\0';
	while ((line = strsep(&rest, "\n")))
		line_parse(line, ret);
	return 0;
}

static bool lent_has(const struct lent_list *l, struct pci_address a)
{
	for (size_t i = 0; i < l->count; i++)
		if (pci_address_equal(l->list[i].address, a))
			return true;
	return false;
}

static bool result_has(const struct plug_result *r, struct pci_address a)
{
	for (size_t i = 0; i < r->count; i++)
		if (pci_address_equal(r->members[i], a))
			return true;
	return false;
}

static void result_add(struct plug_result *r, struct pci_address a)
{
	if (r->count < COUNT(r->members) && !result_has(r, a))
		r->members[r->count++] = a;
}

/* Whether the journal has group @number for the keeper. */
static bool group_is_ours(const struct job *j, int number)
{
	struct bind_lease *leases = NULL;
	size_t count = 0;
	bool found = false;

	if (bind_leases(&j->place->env, &leases, &count, NULL) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		found |= leases[i].group == number && leases[i].state == BIND_LEASE_LIVE &&
			 bind_owner_equal(&leases[i].owner, &j->place->owner);
	free(leases);
	return found;
}

static struct bind_request request_of(const struct job *j, const struct plug_wish *w,
	const struct bind_target *targets, size_t count)
{
	return (struct bind_request){
		.targets = targets,
		.target_count = count,
		.driver = "vfio-pci",
		.allow = w->allow,
		.allow_count = w->allow_count,
		.owner = j->place->owner,
		.access = BIND_ACCESS_NONE,
	};
}

/* A guest has no slot for a bridge, and usher leaves it with its driver. */
static bool member_goes(const struct bind_member *m)
{
	return m->act != BIND_ACT_STAYS;
}

static int plan_refuse(const struct bind_plan *plan, struct err *e)
{
	const struct bind_problem *p = plan->problems;

	while (!p->refuses)
		p++;
	err_say(e, -EPERM, "%s: %s", p->object, p->text);
	if (p->fix[0])
		err_hint(e, "%s", p->fix);
	return -EPERM;
}

/* Takes the groups of @targets that the keeper has not. @ret: these. */
static int groups_take(const struct job *j, const struct plug_wish *w, const struct bind_plan *all,
	struct bind_plan *ret, struct err *e)
{
	struct bind_target targets[PLUG_DEVICES_MAX] = {0};
	size_t count = 0;

	for (size_t i = 0; i < all->group_count; i++) {
		const struct bind_group *g = &all->groups[i];
		bool ours = group_is_ours(j, g->number);
		for (size_t k = 0; k < g->count; k++)
			if (g->members[k].is_target && !ours && count < COUNT(targets))
				targets[count++].address = g->members[k].device.address;
	}
	const struct bind_request q = request_of(j, w, targets, count);
	int r = count ? bind_take(&j->place->env, &q, ret, e) : 0;
	return r == -EPERM && ret->refusals ? plan_refuse(ret, e) : r;
}

static int nodes_open(const struct job *j, const struct bind_plan *all, struct err *e)
{
	for (size_t i = 0; j->mounts >= 0 && i < all->group_count; i++) {
		int r = nodes_show(j->mounts, all->groups[i].number, j->place->uid);
		if (r < 0)
			return err_set(
				e, r, "give QEMU the node of group %d", all->groups[i].number);
	}
	return 0;
}

/* Adds the members of @all in the same slot of the host as @first. Return: whether it is new. */
static bool card_collect(const struct job *j, const struct bind_plan *all,
	const struct lent_list *lent, struct pci_address first, struct wire_order *o)
{
	*o = (struct wire_order){.order = WIRE_ORDER_PLUG};
	for (size_t i = 0; i < all->group_count; i++)
		for (size_t k = 0; k < all->groups[i].count; k++) {
			const struct bind_member *m = &all->groups[i].members[k];
			struct pci_address a = m->device.address;
			if (member_goes(m) && pci_address_same_slot(a, first) &&
				!lent_has(lent, a) && !result_has(j->result, a) &&
				o->function_count < WIRE_FUNCTIONS_MAX)
				o->functions[o->function_count++] = wire_address_of(a);
		}
	return o->function_count > 0;
}

static int card_plug(struct job *j, struct wire_order *o, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	struct pci_address a;

	(void)wire_address_parse(&o->functions[0], &a);
	int r = order_give(j, o);
	if (r < 0)
		return order_explain(j, r, pci_address_format(a, name), e);
	for (size_t i = 0; i < o->function_count; i++) {
		(void)wire_address_parse(&o->functions[i], &a);
		result_add(j->result, a);
	}
	return 0;
}

static int cards_plug(
	struct job *j, const struct bind_plan *all, const struct lent_list *lent, struct err *e)
{
	struct wire_order o;
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->group_count; i++)
		for (size_t k = 0; r == 0 && k < all->groups[i].count; k++)
			if (card_collect(
				    j, all, lent, all->groups[i].members[k].device.address, &o))
				r = card_plug(j, &o, e);
	return r;
}

/* Asks the guest to let each of these go. Those that it has not any more are no failure. */
static int members_ask(struct job *j, const struct pci_address *list, size_t count, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	struct err why = {0};

	for (size_t i = 0; i < count; i++) {
		struct wire_order o = {.order = WIRE_ORDER_UNPLUG, .function_count = 1};
		bool told = false;
		for (size_t k = 0; k < i; k++)
			told |= pci_address_same_slot(list[k], list[i]);
		if (told)
			continue;
		for (size_t k = i + 1; k < count && o.function_count < WIRE_FUNCTIONS_MAX; k++)
			if (pci_address_same_slot(list[k], list[i]))
				o.functions[o.function_count++] = wire_address_of(list[k]);
		o.functions[0] = wire_address_of(list[i]);
		int r = order_give(j, &o);
		if (r < 0 && r != -ENODEV) {
			r = order_explain(j, r, pci_address_format(list[i], name), &why);
			*e = why;
			return r;
		}
	}
	return 0;
}

/* Which of these QEMU still has. Return: how many, -errno. */
static int members_left(struct job *j, const struct pci_address *list, size_t count,
	struct pci_address *ret, struct err *e)
{
	struct lent_list lent;
	size_t left = 0;

	int r = lent_read(j, &lent, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (lent_has(&lent, list[i]))
			ret[left++] = list[i];
	return (int)left;
}

static int left_explain(
	const struct job *j, const struct pci_address *left, int count, struct err *e)
{
	char names[8 * (PCI_ADDRESS_TEXT + 2)] = "", name[PCI_ADDRESS_TEXT];
	size_t used = 0;

	for (int i = 0; i < count && i < 8; i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
			used ? ", " : "", pci_address_format(left[i], name));
	err_say(e, -ETIMEDOUT, "%s%s: guest '%s' still has %s", names, count > 8 ? ", …" : "",
		j->place->name, count == 1 ? "it" : "them");
	err_hint(e, "the request stands; when the guest lets go, repeat this command");
	return -ETIMEDOUT;
}

static int members_await(
	struct job *j, const struct pci_address *list, size_t count, int timeout_ms, struct err *e)
{
	const int64_t begun = clock_ms();
	struct pci_address left[PLUG_MEMBERS_MAX];
	int64_t asked = begun;

	for (;;) {
		int r = members_left(j, list, count, left, e);
		if (r <= 0)
			return r;
		if (clock_ms() - begun >= timeout_ms)
			return left_explain(j, left, r, e);
		if (clock_ms() - asked >= ASK_AGAIN_MS) {
			struct err unheard = {0};
			asked = clock_ms();
			(void)members_ask(j, left, (size_t)r, &unheard);
		}
		pause_ms(POLL_MS);
	}
}

static int members_leave(
	struct job *j, const struct pci_address *list, size_t count, int timeout_ms, struct err *e)
{
	int r = members_ask(j, list, count, e);

	return r < 0 ? r : members_await(j, list, count, timeout_ms, e);
}

static int group_release(const struct job *j, const struct plug_wish *w, int group, struct err *e)
{
	const struct bind_release_request giving = {
		.group = group,
		.how = j->place->how,
		.owner = j->place->owner,
		.allow = w->allow,
		.allow_count = w->allow_count,
	};
	const int64_t end = clock_ms() + CLOSE_MS;
	int r;

	do {
		struct bind_report report = BIND_REPORT_NONE;
		r = bind_release(&j->place->env, &giving, &report, e);
		bind_report_fini(&report);
		if (r == -EPERM)
			pause_ms(POLL_MS);
	} while (r == -EPERM && clock_ms() < end);
	return r;
}

/* The node first: QEMU is not to open what is another's by then. */
static int groups_return(
	const struct job *j, const struct plug_wish *w, const struct bind_plan *plan, struct err *e)
{
	int worst = 0;

	for (size_t i = 0; i < plan->group_count; i++) {
		int group = plan->groups[i].number;
		struct err why = {0};
		int r = j->mounts >= 0 ? nodes_hide(j->mounts, group) : 0;
		if (r < 0)
			err_set(&why, r, "take the node of group %d from QEMU", group);
		else
			r = group_is_ours(j, group) ? group_release(j, w, group, &why) : 0;
		if (r < 0 && worst == 0) {
			worst = r;
			*e = why;
		}
	}
	return worst;
}

/* What has come of a group goes again. The reason stays the first one. */
static void attach_undo(
	struct job *j, const struct plug_wish *w, const struct bind_plan *taken, struct err *e)
{
	const struct pci_address *list = j->result->members;
	struct err why = {0};

	int r = members_leave(j, list, j->result->count, UNDO_MS, &why);
	if (r == 0)
		r = groups_return(j, w, taken, &why);
	j->result->count = 0;
	if (r == 0)
		return;
	const struct err first = *e;
	err_say(e, first.code, "%s; to undo the rest failed: %s", first.msg, why.msg);
	err_hint(e, "%s", why.hint);
}

static int group_members_plug(
	struct job *j, const struct bind_plan *all, const struct lent_list *lent, struct err *e)
{
	int r = nodes_open(j, all, e);

	if (r < 0)
		return r;
	r = cards_plug(j, all, lent, e);
	if (r < 0 || j->result->count)
		return r;
	return err_say(e, -EEXIST, "guest '%s' has all of these already", j->place->name);
}

static int attach_planned(
	struct job *j, const struct plug_wish *w, const struct bind_plan *all, struct err *e)
{
	struct bind_plan taken = BIND_PLAN_NONE;
	struct lent_list lent;

	int r = lent_read(j, &lent, e);
	if (r < 0)
		return r;
	r = groups_take(j, w, all, &taken, e);
	if (r == 0) {
		r = group_members_plug(j, all, &lent, e);
		if (r < 0)
			attach_undo(j, w, &taken, e);
	}
	bind_plan_fini(&taken);
	return r;
}

/* @survey: only the groups and their members are of interest. */
static int plan_make(const struct job *j, const struct plug_wish *w,
	const struct pci_address *devices, size_t count, struct bind_plan *ret, struct err *e)
{
	struct bind_target targets[PLUG_MEMBERS_MAX] = {0};

	for (size_t i = 0; i < count; i++)
		targets[i].address = devices[i];
	struct bind_request q = request_of(j, w, targets, count);
	q.survey = true;
	int r = bind_plan(&j->place->env, &q, ret, e);
	if (r == 0 && !ret->group_count && ret->refusals)
		return plan_refuse(ret, e);
	return r;
}

static int devices_attach(struct job *j, const struct plug_wish *w, struct err *e)
{
	struct bind_plan all = BIND_PLAN_NONE;

	int r = plan_make(j, w, w->devices, w->count, &all, e);
	if (r == 0)
		r = attach_planned(j, w, &all, e);
	bind_plan_fini(&all);
	return r;
}

/* Adds what leaves with these: their groups, and what shares a slot of the guest. */
static void result_add_slots(struct plug_result *r, const struct lent_list *lent)
{
	for (size_t i = 0; i < lent->count; i++)
		for (size_t k = 0; k < lent->count; k++)
			if (result_has(r, lent->list[i].address) &&
				strcmp(lent->list[i].slot, "-") != 0 &&
				strcmp(lent->list[i].slot, lent->list[k].slot) == 0)
				result_add(r, lent->list[k].address);
}

static void result_add_groups(struct plug_result *r, const struct bind_plan *plan)
{
	for (size_t i = 0; i < plan->group_count; i++)
		for (size_t k = 0; k < plan->groups[i].count; k++)
			if (member_goes(&plan->groups[i].members[k]))
				result_add(r, plan->groups[i].members[k].device.address);
}

/* Until nothing more is to leave. @ret: the groups of all of it. */
static int detach_plan(struct job *j, const struct plug_wish *w, const struct lent_list *lent,
	struct bind_plan *ret, struct err *e)
{
	struct plug_result *all = j->result;
	size_t before;
	int r = 0;

	for (size_t i = 0; i < w->count; i++)
		result_add(all, w->devices[i]);
	do {
		before = all->count;
		bind_plan_fini(ret);
		*ret = BIND_PLAN_NONE;
		r = plan_make(j, w, all->members, all->count, ret, e);
		if (r == 0) {
			result_add_groups(all, ret);
			result_add_slots(all, lent);
		}
	} while (r == 0 && all->count > before);
	return r;
}

static int detach_check(const struct job *j, const struct bind_plan *plan, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < plan->group_count; i++) {
		const struct bind_group *g = &plan->groups[i];
		if (group_is_ours(j, g->number))
			continue;
		err_say(e, -ENODEV, "guest '%s' has not %s", j->place->name,
			pci_address_format(g->members[0].device.address, name));
		err_hint(e, "usher ps lists what it has");
		return -ENODEV;
	}
	return 0;
}

static int detach_planned(struct job *j, const struct plug_wish *w, const struct bind_plan *plan,
	const struct lent_list *lent, struct err *e)
{
	struct pci_address list[PLUG_MEMBERS_MAX];
	size_t count = 0;

	int r = detach_check(j, plan, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < j->result->count; i++)
		if (lent_has(lent, j->result->members[i]))
			list[count++] = j->result->members[i];
	r = members_leave(j, list, count, w->timeout_ms, e);
	return r < 0 ? r : groups_return(j, w, plan, e);
}

static int devices_detach(struct job *j, const struct plug_wish *w, struct err *e)
{
	struct bind_plan plan = BIND_PLAN_NONE;
	struct lent_list lent;

	int r = lent_read(j, &lent, e);
	if (r < 0)
		return r;
	r = detach_plan(j, w, &lent, &plan, e);
	if (r == 0)
		r = detach_planned(j, w, &plan, &lent, e);
	bind_plan_fini(&plan);
	return r;
}

void plug_job_run(
	const struct plug_place *p, int mounts, const struct plug_wish *w, struct plug_result *ret)
{
	/* An answer to a job of before has another number. */
	static struct job j;

	j = (struct job){
		.place = p, .mounts = mounts, .result = ret, .order = (uint32_t)clock_ms()};
	*ret = (struct plug_result){0};
	int r = w->away ? devices_detach(&j, w, &ret->why) : devices_attach(&j, w, &ret->why);
	if (r < 0 && !ret->why.code)
		(void)err_set(&ret->why, r, "change devices of guest '%s'", p->name);
	if (r < 0)
		ret->count = 0;
	else
		ret->why = (struct err){0}; /* what did not matter was written there, too */
}
