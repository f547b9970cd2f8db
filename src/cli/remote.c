/* SPDX-License-Identifier: MIT */
#include "cli/remote.h"

#include "base/err.h"
#include "base/fd.h"
#include "bind/env.h"
#include "cli/guest.h"
#include "cli/operand.h"
#include "cli/report.h"
#include "cli/service.h"
#include "control/remote.h"
#include "host/host.h"
#include "view/word.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * How it works
 *
 * An ordinary user's command line goes to usherd if the table of remote verbs has all of its words;
 * a file to read, for example, is none of them. Names of devices become addresses here, because
 * usherd asks polkit for addresses. What the command has printed comes back when it has ended.
 */
struct outgoing {
	const struct remote_verb *verb;
	size_t count;
	const char *words[REMOTE_WORDS_MAX];
	char addresses[REMOTE_WORDS_MAX][PCI_ADDRESS_TEXT];
	size_t address_count;
};

static bool word_push(struct outgoing *o, const char *word)
{
	if (o->count == REMOTE_WORDS_MAX)
		return false;
	o->words[o->count++] = word;
	return true;
}

static bool address_push(struct outgoing *o, struct pci_address a)
{
	if (o->address_count == REMOTE_WORDS_MAX)
		return false;
	return word_push(o, pci_address_format(a, o->addresses[o->address_count++]));
}

/* A verb that acts takes one device by each word; one that shows takes all that a word means. */
static int device_push(struct outgoing *o, const struct verb *v, char *word)
{
	struct operands found;
	struct pci_address a;

	if (!o->verb->reads) {
		int r = operand_one(v, host_live(), word, &a);
		return r ? r : address_push(o, a) ? 0 : -1;
	}
	int r = operands_open(&found, v, NULL, 1, &word);
	for (size_t i = 0; r == 0 && i < found.count; i++)
		r = address_push(o, found.addresses[i]) ? 0 : -1;
	operands_close(&found);
	return r;
}

static bool is_operand(const struct remote_words *sorted, size_t word, size_t *ret)
{
	for (size_t i = 0; i < sorted->operand_count; i++)
		if (sorted->operands[i] == word) {
			*ret = i;
			return true;
		}
	return false;
}

/* Return: 0; -1 too many; an exit status after a report. */
static int words_push(struct outgoing *o, const struct verb *v, const struct remote_words *sorted,
	char **words, size_t count)
{
	size_t operand;

	for (size_t i = 0; i < count; i++) {
		const bool is_device =
			is_operand(sorted, i, &operand) && remote_is_device(o->verb, operand);
		int r = is_device ? device_push(o, v, words[i]) : word_push(o, words[i]) ? 0 : -1;
		if (r)
			return r;
	}
	return 0;
}

/* A command that shows something shows less, but works without usherd. */
static int explain_failure(const struct outgoing *o, const struct verb *v, int code, struct err *e)
{
	if (code == -ENOTCONN || code == -ENOPKG || o->verb->reads)
		return -1;
	report(e);
	return v->failed ? v->failed : LEAVE_FAILED;
}

static int outgoing_send(const struct outgoing *o, const struct verb *v)
{
	struct service_result result = {0};
	struct err e = {0};

	int r = service_run(o->verb->name, o->count, o->words, &result, &e);
	if (r < 0)
		return explain_failure(o, v, r, &e);
	(void)fwrite(result.output, 1, result.output_len, stdout);
	(void)fflush(stdout);
	(void)fd_write_full(STDERR_FILENO, result.errors, result.errors_len);
	const int status = result.status;
	service_result_free(&result);
	return status;
}

/* A guest that this user has started or saved: usherd's root looks for guests elsewhere. */
static bool guest_is_own(const struct remote_verb *v, const char *name)
{
	if (v->operands != REMOTE_GUEST && v->operands != REMOTE_GUEST_DEVICES)
		return false;
	if (strcmp(v->name, "start") == 0)
		return getenv("USHER_GUESTS") != NULL;
	return strcmp(guest_run_dir(name), BIND_STATE_DIR) != 0;
}

int remote_run(const struct verb *v, int argc, char **argv)
{
	struct outgoing o = {.verb = remote_find(v->name)};
	struct remote_words sorted;

	if (!o.verb || !service_may_run())
		return -1;
	const size_t count = (size_t)argc - 1;
	if (remote_sort(o.verb, count, (const char *const *)(argv + 1), &sorted, NULL) < 0)
		return -1;
	if (sorted.operand_count && guest_is_own(o.verb, argv[1 + sorted.operands[0]]))
		return -1;
	int r = words_push(&o, v, &sorted, argv + 1, count);
	return r ? r : outgoing_send(&o, v);
}
