/* SPDX-License-Identifier: MIT */
#include "cli/handover.h"

#include "base/err.h"
#include "base/num.h"
#include "bind/problem.h"
#include "cli/loan.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALIVE_MAX_S 86400

static int take_unit(struct handover_words *w, const struct verb *v, const char *unit)
{
	if (!desktop_unit_ok(unit))
		return option_wrong(v, "--display-handover: '%s' is not the name of a unit", unit);
	if (w->request.unit_count == DESKTOP_UNITS_MAX - 1)
		return option_wrong(
			v, "--display-handover: more than %d units", DESKTOP_UNITS_MAX - 1);
	w->request.units[w->request.unit_count++] = unit;
	return 0;
}

static int take_key(struct handover_words *w, const struct verb *v, const char *word)
{
	uint64_t seconds;

	if (strncmp(word, "unit=", 5) == 0)
		return take_unit(w, v, word + 5);
	if (strncmp(word, "timeout=", 8) != 0)
		return option_wrong(v,
			"--display-handover: '%s' is neither unit=UNIT nor timeout=SECONDS", word);
	if (num_parse(word + 8, 10, ALIVE_MAX_S, &seconds) < 0)
		return option_wrong(v,
			"--display-handover: '%s' is not a number of seconds up to %d", word + 8,
			ALIVE_MAX_S);
	w->request.alive_s = (unsigned)seconds;
	return 0;
}

int handover_take(struct handover_words *w, const struct verb *v, const char *text)
{
	char *save = NULL;
	int r = 0;

	w->is_asked = true;
	w->request = HANDOVER_WORDS.request;
	if (!text)
		return 0;
	if (strlen(text) >= sizeof(w->text))
		return option_wrong(v, "--display-handover: '%.40s…' is too long", text);
	(void)snprintf(w->text, sizeof(w->text), "%s", text);
	for (char *word = strtok_r(w->text, ",", &save); r == 0 && word;
		word = strtok_r(NULL, ",", &save))
		r = take_key(w, v, word);
	return r;
}

/* What the desktop has in use, and what goes with it, is desktop_plan_judge()'s to say. */
static int plan_without_desktop(
	const struct keeper *k, const struct bind_request *q, struct bind_plan *ret, struct err *e)
{
	const char *allow[LOAN_ALLOW_MAX + COUNT(desktop_checks)];
	struct bind_request own = *q;

	own.allow_count = 0;
	for (size_t i = 0; i < q->allow_count; i++)
		allow[own.allow_count++] = q->allow[i];
	for (size_t i = 0; i < COUNT(desktop_checks); i++)
		allow[own.allow_count++] = desktop_checks[i];
	own.allow = allow;
	return keeper_plan(k, &own, ret, e);
}

/* A problem that was allowed here, and not by the person, is no warning either. */
static void problems_drop(struct bind_plan *p, const struct bind_request *q)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->problem_count; i++) {
		bool is_ours = false;
		for (size_t k = 0; k < COUNT(desktop_checks); k++)
			is_ours =
				is_ours ||
				(strcmp(p->problems[i].check, desktop_checks[k]) == 0 &&
					!bind_allows(q->allow, q->allow_count, desktop_checks[k]));
		if (!is_ours || p->problems[i].refuses)
			p->problems[kept++] = p->problems[i];
	}
	p->problem_count = kept;
}

int handover_plan(const struct keeper *k, const struct handover_words *w,
	const struct bind_request *q, struct desktop_plan *d, struct bind_plan *ret, struct err *e)
{
	*d = (struct desktop_plan){0};
	int r = plan_without_desktop(k, q, ret, e);
	if (r < 0)
		return r;
	problems_drop(ret, q);
	r = desktop_plan_read(k->env.host, &w->request, ret, d, e);
	if (r == 0)
		r = desktop_plan_judge(d, q, ret);
	return r;
}

static void print_ends(FILE *to, const struct desktop_plan *d)
{
	for (size_t i = 0; i < d->unit_count; i++)
		(void)fprintf(to, "  stops %s\n", d->units[i]);
	for (size_t i = 0; i < d->session_count; i++) {
		const struct desktop_session *s = &d->sessions[i];
		if (s->ends)
			(void)fprintf(to,
				"  ends session %s of %s (%s): its programs do not come back\n",
				s->id, s->user, s->type);
		else
			(void)fprintf(to,
				"  leaves session %s of %s (%s) alone, on a dark screen\n", s->id,
				s->user, s->type);
	}
	for (size_t i = 0; i < d->holder_count; i++)
		if (d->holders[i].goes)
			(void)fprintf(to, "  waits for %s: %s\n", d->holders[i].object,
				d->holders[i].text);
}

void handover_print(FILE *to, const struct desktop_plan *d)
{
	char address[PCI_ADDRESS_TEXT];

	if (!d->is_needed)
		return;
	(void)fprintf(to, "display: %s has this host's screen, dark until the guest ends\n",
		pci_address_format(d->address, address));
	print_ends(to, d);
	for (size_t i = 0; i < d->console_count; i++)
		(void)fprintf(to, "  unbinds the text console '%s'\n", d->consoles[i].name);
	for (size_t i = 0; i < d->module_count; i++)
		(void)fprintf(to, "  unloads %s\n", d->modules[i]);
	if (d->alive_s)
		(void)fprintf(to,
			"  brings it all back when the guest ends, or does not drive the card "
			"within %u s\n",
			d->alive_s);
	else
		(void)fprintf(to, "  brings it all back when the guest ends\n");
	(void)fprintf(to, "  sessions by network stay\n");
}

static void put_sessions(struct json *map, const struct desktop_plan *d)
{
	struct json *list = json_put_list(map, "sessions");

	for (size_t i = 0; i < d->session_count; i++) {
		struct json *one = json_push_map(list);
		json_put_text(one, "id", d->sessions[i].id);
		json_put_text(one, "user", d->sessions[i].user);
		json_put_text(one, "type", d->sessions[i].type);
		json_put_flag(one, "ends", d->sessions[i].ends);
	}
}

static void put_holders(struct json *map, const struct desktop_plan *d)
{
	struct json *list = json_put_list(map, "holders");

	for (size_t i = 0; i < d->holder_count; i++) {
		struct json *one = json_push_map(list);
		json_put_text(one, "object", d->holders[i].object);
		json_put_text(one, "text", d->holders[i].text);
		json_put_flag(one, "ends", d->holders[i].goes);
	}
}

void handover_put(struct json *doc, const struct desktop_plan *d)
{
	char address[PCI_ADDRESS_TEXT];

	if (!d || !d->is_needed) {
		json_put_null(doc, "handover");
		return;
	}
	struct json *map = json_put_map(doc, "handover");
	json_put_text(map, "address", pci_address_format(d->address, address));
	struct json *units = json_put_list(map, "units");
	for (size_t i = 0; i < d->unit_count; i++)
		json_push_text(units, d->units[i]);
	put_sessions(map, d);
	put_holders(map, d);
	struct json *consoles = json_put_list(map, "consoles");
	for (size_t i = 0; i < d->console_count; i++)
		json_push_text(consoles, d->consoles[i].name);
	struct json *modules = json_put_list(map, "modules");
	for (size_t i = 0; i < d->module_count; i++)
		json_push_text(modules, d->modules[i]);
	json_put_number(map, "terminal", d->vt);
	json_put_number(map, "timeout", d->alive_s);
}

/* The person sees the steps as long as the terminal is there; it never makes usher wait. */
static void terminal_open(struct handover_words *w)
{
	if (isatty(STDERR_FILENO))
		w->terminal_fd =
			open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int handover_check(const struct keeper *k, struct handover_words *w, bool quiet)
{
	struct bind_target targets[SPEC_DEVICES_MAX];
	struct bind_plan plan = BIND_PLAN_NONE;
	struct bind_request q;
	struct desktop_plan d;
	struct err e = {0};

	if (k->how != BIND_RETURN_DRIVER) {
		(void)err_say(
			&e, -EINVAL, "--return: the desktop needs the card on its driver again");
		err_hint(&e, "leave --return out, or --display-handover");
		report(&e);
		return LEAVE_USAGE;
	}
	int r = keeper_request(k, targets, &q, &e);
	if (r == 0)
		r = handover_plan(k, w, &q, &d, &plan, &e);
	if (r < 0)
		report(&e);
	else if (plan.refusals)
		report_problems(&plan);
	else if (!quiet)
		handover_print(stderr, &d);
	int status = r < 0 ? LOAN_OURS : plan.refusals ? LEAVE_REFUSED : 0;
	bind_plan_fini(&plan);
	if (status == 0 && !quiet)
		terminal_open(w);
	return status;
}
