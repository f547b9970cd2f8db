/* SPDX-License-Identifier: MIT */
#include "daemon/verb.h"

#include "base/err.h"
#include "bind/owner.h"
#include "control/remote.h"
#include "daemon/hardware.h"
#include "daemon/job.h"
#include "daemon/path.h"
#include "daemon/request.h"
#include "daemon/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * How it works
 *
 * Each method is a verb with words. A table that `usher` has, too, says which words root may be
 * given by others (control/remote.h): none is a path of a file. Then polkit is asked for each
 * device among the operands, and the job gets the words as they are. Device operands have to be
 * addresses, so that nothing which polkit has permitted means another device a moment later.
 */
enum shape { SHAPE_DEVICES, SHAPE_GUEST, SHAPE_GUEST_DEVICES, SHAPE_WORDS };

static int refuse_words(sd_bus_error *error, const char *why)
{
	return text_refuse(error, SD_BUS_ERROR_INVALID_ARGS, "%s", why);
}

static int text_read(struct request *q, sd_bus_error *error)
{
	const char *text;

	int r = sd_bus_message_read(q->message, "s", &text);
	if (r < 0)
		return r;
	/* What looks like an option is none of a name. */
	if (text[0] == '-' || !word_add(&q->words, "%s", text))
		return refuse_words(error, "this is no name");
	return 0;
}

static int shape_read(struct request *q, enum shape shape, sd_bus_error *error)
{
	int r = 0;

	if (shape == SHAPE_GUEST || shape == SHAPE_GUEST_DEVICES)
		r = text_read(q, error);
	if (r >= 0 && shape != SHAPE_GUEST)
		r = request_read_words(q, error);
	return r;
}

static int device_add(struct request *q, const char *word, sd_bus_error *error)
{
	struct pci_address a;

	if (pci_address_parse(word, &a) < 0)
		return text_refuse(error, BUS_NAME ".Error.NotFound",
			"'%.64s' is not the address of a device", word);
	if (q->device_count == REQUEST_DEVICES_MAX)
		return refuse_words(error, "too many devices");
	(void)pci_address_format(a, q->devices[q->device_count++]);
	return 0;
}

static int name_take(struct request *q, const char *word, sd_bus_error *error)
{
	if (!bind_name_ok(word) || word[0] == '.' || strlen(word) >= sizeof(q->name))
		return text_refuse(error, BUS_NAME ".Error.NotFound",
			"'%.64s' is not the name of a guest", word);
	(void)snprintf(q->name, sizeof(q->name), "%s", word);
	return 0;
}

/* An operand that is neither: a number of functions, or a claim by its name. */
static int other_take(
	struct request *q, const struct remote_verb *v, const char *word, sd_bus_error *error)
{
	if (v->operands == REMOTE_NONE || strchr(word, '/') || strlen(word) >= CLAIM_NAME_MAX)
		return refuse_words(error, "an operand that the verb does not take");
	if (v->operands != REMOTE_CLAIMS)
		return 0;
	if (q->claim_count == REQUEST_CLAIMS_MAX)
		return refuse_words(error, "too many claims");
	(void)snprintf(q->claims[q->claim_count++], CLAIM_NAME_MAX, "%s", word);
	return 0;
}

/* The file is the caller's memory, and its name is for what the command prints. */
static int file_check(
	const struct request *q, const struct remote_verb *v, const char *word, sd_bus_error *error)
{
	if (strcmp(word, "-") == 0 || (v->operands == REMOTE_DEVICE_FILE && q->file_fd >= 0))
		return 0;
	return refuse_words(error, "usherd opens no file for others: give one as 'file'");
}

static int operand_take(struct request *q, const struct remote_verb *v, size_t i, const char *word,
	sd_bus_error *error)
{
	struct pci_address a;

	if (remote_is_device(v, i) ||
		(v->operands == REMOTE_CLAIMS && pci_address_parse(word, &a) == 0))
		return device_add(q, word, error);
	if (v->operands == REMOTE_DEVICE_FILE || v->operands == REMOTE_OUTPUT)
		return file_check(q, v, word, error);
	if (v->operands == REMOTE_GUEST || v->operands == REMOTE_GUEST_DEVICES)
		return i == 0 ? name_take(q, word, error)
			      : refuse_words(error, "one guest at a time");
	return other_take(q, v, word, error);
}

static int words_check(struct request *q, const struct remote_verb *v, sd_bus_error *error)
{
	const char *const *words = (const char *const *)q->words.list + 2;
	struct remote_words sorted;
	struct err e = {0};

	int r = remote_sort(v, q->words.count - 2, words, &sorted, &e);
	if (r < 0)
		return refuse_words(error, e.msg);
	q->overrides = sorted.overrides;
	for (size_t i = 0; r >= 0 && i < sorted.operand_count; i++)
		r = operand_take(q, v, i, words[sorted.operands[i]], error);
	return r;
}

static int verb_begin(struct request *q)
{
	char path[PATH_MAX_BUS], name[16];
	struct job *j = NULL;

	const struct job_task t = {.words = q->words.list,
		.user = q->uid,
		.limit_s = q->limit_s,
		.output_fd = q->output_fd,
		.file_fd = q->file_fd};
	int r = job_start_task(q->daemon, &t, &j);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%" PRIu32, j->id);
	(void)sd_bus_reply_method_return(q->message, "o", bus_path(path, "job", name));
	request_free(q);
	return 0;
}

static int request_fill(struct request *q, const struct remote_verb *v, enum shape shape,
	const char *extra, sd_bus_error *error)
{
	(void)word_add(&q->words, "usher");
	(void)word_add(&q->words, "%s", v->name);
	int r = shape_read(q, shape, error);
	if (r < 0)
		return r;
	r = request_read_options(q, error);
	if (r < 0)
		return r;
	if (extra)
		(void)word_add(&q->words, "%s", extra);
	return words_check(q, v, error);
}

static int verb_method(sd_bus_message *m, struct daemon *d, const char *name, enum shape shape,
	const char *extra, sd_bus_error *error)
{
	const struct remote_verb *v = remote_find(name);

	if (!v)
		return text_refuse(error, SD_BUS_ERROR_INVALID_ARGS,
			"usherd does not run the verb '%.32s' for others", name);
	struct request *q = request_new(d, m, v->action, verb_begin);
	if (!q)
		return -ENOMEM;
	q->detail = v->operands == REMOTE_GUEST || v->operands == REMOTE_GUEST_DEVICES ? "guest"
										       : "lease";
	int r = request_fill(q, v, shape, extra, error);
	if (r >= 0)
		return request_authorise(q, error);
	request_free(q);
	return r;
}

/* By the method's own name: "Bind" is `usher bind`. */
static int method_devices(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	char verb[32];

	(void)snprintf(verb, sizeof(verb), "%s", sd_bus_message_get_member(m));
	verb[0] = (char)(verb[0] | ' ');
	const bool has_json = strcmp(verb, "claim") != 0 && strcmp(verb, "unclaim") != 0;
	return verb_method(m, arg, verb, SHAPE_DEVICES, has_json ? "--json" : NULL, error);
}

static int method_guest(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *verb = strcmp(sd_bus_message_get_member(m), "Start") == 0 ? "start" : "stop";

	return verb_method(m, arg, verb, SHAPE_GUEST, NULL, error);
}

static int method_guest_devices(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *verb =
		strcmp(sd_bus_message_get_member(m), "Attach") == 0 ? "attach" : "detach";

	return verb_method(m, arg, verb, SHAPE_GUEST_DEVICES, "--json", error);
}

static int method_run(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *verb;

	int r = sd_bus_message_read(m, "s", &verb);
	return r < 0 ? r : verb_method(m, arg, verb, SHAPE_WORDS, NULL, error);
}

/* As the object manager has it, for devices alone, and in one go. */
static int method_list(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	sd_bus_message *answer = NULL;

	int r = sd_bus_message_new_method_return(m, &answer);
	if (r >= 0)
		r = hardware_append(arg, answer);
	if (r >= 0)
		r = sd_bus_send(NULL, answer, NULL);
	(void)sd_bus_message_unref(answer);
	return r < 0 ? r : 1;
}

#define DEVICES_METHOD(name)                                                        \
	SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("as", devices, "a{sv}", options), \
		SD_BUS_RESULT("o", job), method_devices, SD_BUS_VTABLE_UNPRIVILEGED)
#define GUEST_METHOD(name)                                                       \
	SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("s", guest, "a{sv}", options), \
		SD_BUS_RESULT("o", job), method_guest, SD_BUS_VTABLE_UNPRIVILEGED)
#define GUEST_DEVICES_METHOD(name)                                                              \
	SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("s", guest, "as", devices, "a{sv}", options), \
		SD_BUS_RESULT("o", job), method_guest_devices, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable verbs_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{oa{sv}}", devices),
		method_list, SD_BUS_VTABLE_UNPRIVILEGED),
	DEVICES_METHOD("Bind"),
	DEVICES_METHOD("Release"),
	DEVICES_METHOD("Prove"),
	DEVICES_METHOD("Revive"),
	DEVICES_METHOD("Restore"),
	DEVICES_METHOD("Claim"),
	DEVICES_METHOD("Unclaim"),
	GUEST_METHOD("Start"),
	GUEST_METHOD("Stop"),
	GUEST_DEVICES_METHOD("Attach"),
	GUEST_DEVICES_METHOD("Detach"),
	SD_BUS_METHOD_WITH_ARGS("Run", SD_BUS_ARGS("s", verb, "as", words, "a{sv}", options),
		SD_BUS_RESULT("o", job), method_run, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int verbs_add_vtable(struct daemon *d)
{
	return sd_bus_add_object_vtable(
		d->bus, NULL, BUS_PATH, BUS_NAME ".Manager", verbs_vtable, d);
}
