/* SPDX-License-Identifier: MIT */
#include "engine/follow.h"

#include "base/err.h"
#include "engine/news.h"
#include "wire/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Plans and reports arrive in pieces, and are put together again for the caller. */
struct follow {
	void (*tell)(void *arg, const struct keeper_news *n);
	void *arg;
	struct wire_event *pieces;
	size_t count, room;
	size_t dropped; /* pieces for which there was no memory */
};

static void piece_hold(struct follow *f, const struct wire_event *ev)
{
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 8;
		struct wire_event *more = realloc(f->pieces, room * sizeof(*more));
		if (!more) {
			f->dropped++;
			return;
		}
		f->pieces = more;
		f->room = room;
	}
	f->pieces[f->count++] = *ev;
}

static struct pci_address address_of(const struct wire_event *ev)
{
	struct pci_address a = {0};

	(void)wire_address_parse(&ev->device, &a); /* it was checked with the message */
	return a;
}

/* Members of one group arrive in a row. @m: the next free one of an array of all members. */
static void member_add(struct bind_plan *p, struct bind_member *m, const struct wire_event *ev)
{
	if (!p->group_count || p->groups[p->group_count - 1].number != ev->group) {
		p->groups[p->group_count] = (struct bind_group){.number = ev->group, .members = m};
		p->group_count++;
	}
	p->groups[p->group_count - 1].count++;
	*m = (struct bind_member){
		.act = (enum bind_act)ev->number,
		.device = {.address = address_of(ev), .is_bridge = ev->flags & WIRE_EVENT_BRIDGE},
	};
	(void)snprintf(m->device.driver, sizeof(m->device.driver), "%s", ev->from);
	(void)snprintf(m->driver, sizeof(m->driver), "%s", ev->to);
}

static void problem_add(struct bind_plan *p, const struct wire_event *ev)
{
	struct bind_problem *b = &p->problems[p->problem_count++];

	*b = (struct bind_problem){
		.check = ev->check,
		.refuses = ev->flags & WIRE_EVENT_REFUSES,
		.liftable = ev->flags & WIRE_EVENT_LIFTABLE,
	};
	(void)snprintf(b->object, sizeof(b->object), "%s", ev->object);
	(void)snprintf(b->text, sizeof(b->text), "%.255s", ev->text);
	(void)snprintf(b->fix, sizeof(b->fix), "%.255s", ev->hint);
}

/* A plan of the members and problems that have arrived. */
static void tell_plan(struct follow *f, struct keeper_news *n, const struct wire_event *ev)
{
	size_t room = f->count + 1, used = 0;
	struct bind_member *members = calloc(room, sizeof(*members));
	struct bind_plan p = {
		.groups = calloc(room, sizeof(*p.groups)),
		.problems = calloc(room, sizeof(*p.problems)),
		.refusals = (size_t)ev->number,
	};

	for (size_t i = 0; members && p.groups && p.problems && i < f->count; i++) {
		if (f->pieces[i].event == WIRE_EVENT_MEMBER)
			member_add(&p, &members[used++], &f->pieces[i]);
		else if (f->pieces[i].event == WIRE_EVENT_PROBLEM)
			problem_add(&p, &f->pieces[i]);
	}
	/* cppcheck-suppress autoVariables; nobody reads @n after the call of tell() */
	n->plan = &p;
	f->tell(f->arg, n);
	free(members);
	free(p.groups);
	free(p.problems);
}

static void tell_report(struct follow *f, struct keeper_news *n)
{
	struct bind_report r = {.returned = calloc(f->count + 1, sizeof(*r.returned))};

	for (size_t i = 0; r.returned && i < f->count; i++) {
		const struct wire_event *ev = &f->pieces[i];
		if (ev->event != WIRE_EVENT_RETURNED)
			continue;
		struct bind_returned *g = &r.returned[r.returned_count++];
		*g = (struct bind_returned){
			.address = address_of(ev), .left = ev->flags & WIRE_EVENT_LEFT};
		(void)snprintf(g->from, sizeof(g->from), "%s", ev->from);
		(void)snprintf(g->to, sizeof(g->to), "%s", ev->to);
		(void)snprintf(g->text, sizeof(g->text), "%.255s", ev->text);
	}
	/* cppcheck-suppress autoVariables; nobody reads @n after the call of tell() */
	n->report = &r;
	f->tell(f->arg, n);
	free(r.returned);
}

static void tell_wiped(struct follow *f, struct keeper_news *n, const struct wire_event *ev)
{
	struct wiped wiped = {.address = address_of(ev), .code = ev->number};

	(void)snprintf(wiped.text, sizeof(wiped.text), "%.255s", ev->text);
	/* cppcheck-suppress autoVariables; nobody reads @n after the call of tell() */
	n->wiped = &wiped;
	f->tell(f->arg, n);
}

static void tell_lost(struct follow *f, const struct wire_event *ev)
{
	uint32_t lost = ev->lost + (uint32_t)f->dropped;

	f->dropped = 0;
	if (lost)
		f->tell(f->arg, &(struct keeper_news){.event = KEEPER_LOST, .status = (int)lost});
}

/* Return: 1 if @ev is the last event, else 0. */
static int event_tell(struct follow *f, const struct wire_event *ev)
{
	struct err e = {.code = ev->number};
	struct keeper_news n = {
		.us = ev->us,
		.group = ev->group,
		.status = ev->number,
		.pid = ev->number,
		.error = &e,
	};

	(void)snprintf(e.msg, sizeof(e.msg), "%.479s", ev->text);
	(void)snprintf(e.hint, sizeof(e.hint), "%.319s", ev->hint);
	switch ((enum wire_event_kind)ev->event) {
	case WIRE_EVENT_MEMBER:
	case WIRE_EVENT_PROBLEM:
	case WIRE_EVENT_RETURNED:
		piece_hold(f, ev);
		return 0;
	case WIRE_EVENT_PLANNED:
		n.event = KEEPER_PLANNED;
		tell_plan(f, &n, ev);
		f->count = 0;
		return 0;
	case WIRE_EVENT_GIVEN:
	case WIRE_EVENT_STUCK:
		n.event = ev->event == WIRE_EVENT_GIVEN ? KEEPER_GIVEN : KEEPER_STUCK;
		tell_report(f, &n);
		f->count = 0;
		return 0;
	case WIRE_EVENT_WIPED:
		n.event = KEEPER_WIPED;
		tell_wiped(f, &n, ev);
		return 0;
	case WIRE_EVENT_STARTED:
		n.event = KEEPER_STARTED;
		break;
	case WIRE_EVENT_STOPPING:
		n.event = KEEPER_STOPPING;
		break;
	case WIRE_EVENT_ENDED:
		n.event = KEEPER_ENDED;
		break;
	case WIRE_EVENT_FAILED:
		n.event = KEEPER_FAILED;
		break;
	case WIRE_EVENT_REFUSED:
		n.event = KEEPER_REFUSED;
		break;
	case WIRE_EVENT_WARNED:
		n.event = KEEPER_WARNED;
		break;
	case WIRE_EVENT_STATE:
		return 0;
	case WIRE_EVENT_DONE:
		return 1;
	}
	f->tell(f->arg, &n);
	return 0;
}

int follow_keeper(int fd, void (*tell)(void *arg, const struct keeper_news *n), void *arg)
{
	struct follow f = {.tell = tell, .arg = arg};
	struct wire_event ev;
	int r, last = 0;

	do {
		r = wire_receive(fd, &ev, sizeof(ev), NULL);
		if (r == 0)
			r = wire_event_check(&ev);
		if (r < 0)
			break;
		tell_lost(&f, &ev);
		last = event_tell(&f, &ev);
	} while (!last);
	free(f.pieces);
	return r;
}
