/* SPDX-License-Identifier: MIT */
#include "cli/remote.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/output.h"
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How it works
 *
 * An ordinary user's command line goes to usherd if the table of remote verbs has all of its words;
 * a file to read, for example, is none of them. Names of devices become addresses here, because
 * usherd asks polkit for addresses. What the command has printed comes back when it has ended.
 *
 * A file that the command writes is memory of this process there, and becomes a file here, with the
 * rights of the user.
 */
struct outgoing {
	const struct remote_verb *verb;
	size_t count;
	const char *words[REMOTE_WORDS_MAX];
	char addresses[REMOTE_WORDS_MAX][PCI_ADDRESS_TEXT];
	size_t address_count;
	const char *file; /* that the command writes; NULL: none */
	int output_fd, file_fd; /* memory; -1: none */
	bool is_private; /* the file is for its owner alone */
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

/* The file of a verb that writes one. Return: false: too many words. */
static bool file_push(struct outgoing *o, const char *word)
{
	const bool is_output = o->verb->operands == REMOTE_OUTPUT;

	o->file = strcmp(word, "-") == 0 ? NULL : word;
	return word_push(o, is_output ? "-" : word);
}

static bool is_file(const struct outgoing *o, size_t operand)
{
	return o->verb->operands == REMOTE_OUTPUT ||
	       (o->verb->operands == REMOTE_DEVICE_FILE && operand > 0);
}

/* Return: 0; -1 too many; an exit status after a report. */
static int operand_push(struct outgoing *o, const struct verb *v, char *word, size_t operand)
{
	if (remote_is_device(o->verb, operand))
		return device_push(o, v, word);
	if (is_file(o, operand))
		return file_push(o, word) ? 0 : -1;
	return word_push(o, word) ? 0 : -1;
}

/* Return: 0; -1 too many; an exit status after a report. */
static int words_push(struct outgoing *o, const struct verb *v, const struct remote_words *sorted,
	char **words, size_t count)
{
	size_t operand;

	for (size_t i = 0; i < count; i++) {
		int r = is_operand(sorted, i, &operand) ? operand_push(o, v, words[i], operand)
			: word_push(o, words[i])        ? 0
							: -1;
		if (r)
			return r;
	}
	return 0;
}

/* What a verb prints that writes files has no bound. */
static int memory_make(struct outgoing *o)
{
	if (o->verb->operands != REMOTE_OUTPUT && o->verb->operands != REMOTE_DEVICE_FILE)
		return 0;
	o->output_fd = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	o->file_fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return o->output_fd < 0 || o->file_fd < 0 ? -errno : 0;
}

/* *@ret is the caller's to free(). Return: length; 0 also without memory to read; -errno. */
static ssize_t memory_read(int fd, char **ret)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
		return 0;
	char *text = malloc((size_t)st.st_size);
	if (!text)
		return -ENOMEM;
	ssize_t len = pread(fd, text, (size_t)st.st_size, 0);
	if (len < 0) {
		len = -errno;
		free(text);
		return len;
	}
	*ret = text;
	return len;
}

/* Writes the file from what the command has written there, and prints the rest. */
static int memory_use(const struct outgoing *o, struct err *e)
{
	const bool is_output = o->verb->operands == REMOTE_OUTPUT;
	cleanup_free char *text = NULL, *file = NULL;

	ssize_t len = memory_read(o->output_fd, &text);
	ssize_t size = is_output && o->file ? len : memory_read(o->file_fd, &file);
	if (len < 0 || size < 0)
		return err_set(e, len < 0 ? (int)len : (int)size, "read what usherd has written");
	if (o->file && size > 0) {
		int r = output_write(o->verb->name, o->file, is_output ? text : file, (size_t)size,
			o->is_private ? 0600 : 0644, e);
		if (r < 0)
			return r;
	}
	if (len > 0 && !(is_output && o->file))
		(void)fwrite(text, 1, (size_t)len, stdout);
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
	const struct service_words words = {.verb = o->verb->name,
		.count = o->count,
		.words = o->words,
		.output_fd = o->output_fd,
		.file_fd = o->file_fd};
	struct service_result result = {0};
	struct err e = {0};

	int r = service_run(&words, &result, &e);
	if (r < 0)
		return explain_failure(o, v, r, &e);
	(void)fwrite(result.output, 1, result.output_len, stdout);
	r = memory_use(o, &e);
	(void)fflush(stdout);
	(void)fd_write_full(STDERR_FILENO, result.errors, result.errors_len);
	const int status = result.status;
	service_result_free(&result);
	if (r >= 0)
		return status;
	report(&e);
	return v->failed ? v->failed : LEAVE_FAILED;
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
	struct outgoing o = {.verb = remote_find(v->name), .output_fd = -1, .file_fd = -1};
	struct remote_words sorted;

	if (!o.verb || !service_may_run())
		return -1;
	const size_t count = (size_t)argc - 1;
	if (remote_sort(o.verb, count, (const char *const *)(argv + 1), &sorted, NULL) < 0)
		return -1;
	if (sorted.operand_count && guest_is_own(o.verb, argv[1 + sorted.operands[0]]))
		return -1;
	o.is_private = o.verb->operands == REMOTE_OUTPUT && sorted.overrides; /* --exact */
	int r = words_push(&o, v, &sorted, argv + 1, count);
	if (r == 0)
		r = memory_make(&o) < 0 ? -1 : outgoing_send(&o, v);
	fd_close(&o.output_fd);
	fd_close(&o.file_fd);
	return r;
}
