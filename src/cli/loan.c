/* SPDX-License-Identifier: MIT */
#include "cli/loan.h"

#include "base/err.h"
#include "base/file.h"
#include "cli/operand.h"
#include "cli/report.h"
#include "cli/target.h"
#include "engine/state.h"
#include "host/host.h"
#include "view/plan.h"
#include "view/release.h"

#include <stdio.h>
#include <string.h>

static int device_add(struct loan_words *w, const char *text)
{
	struct err e = {0};

	if (spec_check_device_keys(text, &e) < 0) {
		report(&e);
		return LEAVE_USAGE;
	}
	if (w->device_count == SPEC_DEVICES_MAX)
		return option_wrong(
			w->verb, "--device: at most %d devices can be given", SPEC_DEVICES_MAX);
	w->devices[w->device_count++] = text;
	return 0;
}

int loan_device(struct loan_words *w, const char *word, struct pci_address *ret)
{
	int r = operand_one(w->verb, w->host, word, ret);

	return r == LEAVE_FAILED ? LOAN_OURS : r;
}

/* "WORD[,KEY=VALUE]…", with an address in place of any other name of the device. */
static int device_find(struct loan_words *w, const char *text)
{
	char word[FILE_PATH_MAX], found[FILE_PATH_MAX], address[PCI_ADDRESS_TEXT];
	size_t len = strcspn(text, ",");
	struct pci_address a;
	struct err e = {0};

	if (file_path(word, sizeof(word), "%.*s", (int)len, text) < 0)
		return option_wrong(w->verb, "--device: '%.40s…' is too long", text);
	int r = loan_device(w, word, &a);
	if (r)
		return r;
	(void)pci_address_format(a, address);
	if (file_path(found, sizeof(found), "%s%s", address, text + len) < 0)
		return option_wrong(w->verb, "--device: '%.40s…' is too long", text);
	if (spec_add_device(&w->spec, found, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int loan_open(struct loan_words *w)
{
	if (w->file && !w->plan)
		return option_wrong(
			w->verb, "--host needs --plan: nothing can be lent on a snapshot");
	int r = option_host(w->file, &w->host);
	for (size_t i = 0; r == 0 && i < w->device_count; i++)
		r = device_find(w, w->devices[i]);
	return r;
}

void loan_close(struct loan_words *w)
{
	host_close(w->host);
	w->host = NULL;
}

static int env_add(struct loan_words *w, const char *text)
{
	struct err e = {0};

	if (spec_add_env(&w->spec, text, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int loan_option(struct loan_words *w, int c, const char *text)
{
	switch (c) {
	case LOAN_DEVICE:
		return device_add(w, text);
	case LOAN_ALLOW:
		if (targets_check_name(w->verb, text))
			return LEAVE_USAGE;
		if (w->allow_count == LOAN_ALLOW_MAX)
			return option_wrong(
				w->verb, "--allow: more than %d checks", LOAN_ALLOW_MAX);
		w->allow[w->allow_count++] = text;
		return 0;
	case LOAN_ENV:
		return env_add(w, text);
	case LOAN_PLAN:
		w->plan = true;
		return 0;
	case LOAN_HOST:
		w->file = text;
		return 0;
	default:
		w->quiet = true;
		return 0;
	}
}

/* Whoever has the devices open, or none, needs no right, but a place for the guest's name. */
const char *loan_run_dir(const struct loan_words *w)
{
	const bool takes_none = !w->device_count && !w->spec.device_count;

	return spec_is_handed(&w->spec) || w->borrows || takes_none ? state_run_dir()
								    : BIND_STATE_DIR;
}

struct keeper loan_keeper(struct loan_words *w)
{
	struct bind_env env = bind_env_live();

	env.host = w->host;
	env.state = loan_run_dir(w);
	return (struct keeper){
		.env = env,
		.spec = &w->spec,
		.allow = w->allow,
		.allow_count = w->allow_count,
	};
}

static void print_plan(const struct loan_words *w, const struct bind_plan *p)
{
	if (p->refusals)
		report_problems(p);
	else if (!w->quiet)
		plan_text(stderr, p);
}

void loan_print(const struct loan_words *w, const struct keeper_news *n)
{
	switch (n->event) {
	case KEEPER_PLANNED:
		print_plan(w, n->plan);
		break;
	case KEEPER_GIVEN:
		if (!w->quiet)
			release_text(stderr, n->report);
		break;
	case KEEPER_STUCK:
		release_text(stderr, n->report);
		report(n->error);
		report_note("the journal keeps it: 'usher restore' tries again");
		break;
	case KEEPER_FAILED:
	case KEEPER_REFUSED:
		report(n->error);
		break;
	case KEEPER_WARNED:
		report_note("warning: %s", n->error->msg);
		report_note("hint: %s", n->error->hint);
		break;
	case KEEPER_LOST:
		report_note("%d messages are lost, since nobody read them in time", n->status);
		break;
	case KEEPER_STARTED:
	case KEEPER_STOPPING:
	case KEEPER_ENDED:
	case KEEPER_WIPED:
		break;
	}
}

int loan_leave(int r, const struct keeper_end *end)
{
	if (end->refused)
		return LEAVE_REFUSED;
	return r < 0 ? LOAN_OURS : end->status;
}
