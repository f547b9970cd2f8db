/* SPDX-License-Identifier: MIT */
#include "daemon/methods.h"

#include "base/err.h"
#include "base/num.h"
#include "control/value.h"
#include "daemon/fetch.h"
#include "daemon/job.h"
#include "daemon/kept.h"
#include "daemon/path.h"
#include "daemon/request.h"
#include "daemon/sender.h"
#include "daemon/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works
 *
 * A method reads its arguments, has the caller authorised (daemon/request), and starts a job
 * (daemon/job): `usher VERB …`, so that the service and the command cannot differ. Most methods
 * (here those of leases, in daemon/verb the others) answer with the path of the job. Lease answers
 * when the job is done, with the descriptors, which it fetches from the lease's keeper: the daemon
 * itself holds none for longer than its answer takes.
 *
 * A caller's key is the name of a lease with the caller's number before it, so nobody finds the
 * lease of another user by guessing a key.
 */
/* The bounds of a request are below those of words. */
static struct words *words_begin(struct request *q, const char *verb)
{
	q->words = (struct words){.count = 0};
	(void)word_add(&q->words, "usher");
	(void)word_add(&q->words, "%s", verb);
	for (size_t i = 0; i < q->device_count; i++)
		(void)word_add(&q->words, "%s", q->devices[i]);
	return &q->words;
}

static void reply_path(struct request *q, const struct job *j)
{
	char path[PATH_MAX_BUS], name[16];

	(void)snprintf(name, sizeof(name), "%" PRIu32, j->id);
	(void)sd_bus_reply_method_return(q->message, "o", bus_path(path, "job", name));
	request_free(q);
}

static int job_begin(struct request *q)
{
	struct job *j = NULL;

	int r = job_start(q->daemon, q->words.list, q->uid, q->limit_s, &j);
	if (r >= 0)
		reply_path(q, j);
	return r;
}

static int plan_begin(struct request *q)
{
	struct words *w = words_begin(q, "lease");

	(void)word_add(w, "--plan");
	(void)word_add(w, "--json");
	return job_begin(q);
}

static int revoke_begin(struct request *q)
{
	struct words *w = words_begin(q, "revoke");

	/* `usher revoke` waits for the borrower, and then for the keeper. */
	if (!q->limit_s)
		q->limit_s = q->timeout_s + JOB_LIMIT_S;
	if (q->force)
		(void)word_add(w, "--force");
	else if (q->has_timeout)
		(void)word_add(w, "--timeout=%" PRIu64, q->timeout_s);
	(void)word_add(w, "--"); /* a name may begin with a '-' */
	(void)word_add(w, "%s", q->name);
	return job_begin(q);
}

static int return_begin(struct request *q)
{
	struct words *w = words_begin(q, "lease");

	(void)word_add(w, "--end");
	(void)word_add(w, "--key=%s", q->name);
	return job_begin(q);
}

static int reply_append(sd_bus_message *m, const struct request *q, const struct borrowed *b)
{
	char path[PATH_MAX_BUS], address[PCI_ADDRESS_TEXT];

	int r = sd_bus_message_append(m, "o", bus_path(path, "lease", q->name));
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(
			m, "{sv}{sv}", "name", "s", q->name, "container", "h", b->container);
	if (r >= 0 && q->said)
		r = sd_bus_message_append(m, "{sv}", "messages", "s", q->said);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'e', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", "devices");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "a{sh}");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sh}");
	for (size_t i = 0; r >= 0 && i < b->count; i++)
		r = sd_bus_message_append(
			m, "{sh}", pci_address_format(b->addresses[i], address), b->devices[i]);
	for (unsigned depth = 0; r >= 0 && depth < 4; depth++)
		r = sd_bus_message_close_container(m);
	return r;
}

/* The descriptors go to the caller's own name, which nobody else can have. */
static void lease_answer(void *arg, const struct borrowed *b, const char *why)
{
	struct request *q = arg;
	sd_bus_message *m = NULL;

	if (!b) {
		request_fail(q, "Failed", why);
		request_free(q);
		return;
	}
	int r = sd_bus_message_new_method_return(q->message, &m);
	if (r >= 0)
		r = reply_append(m, q, b);
	if (r >= 0)
		r = sd_bus_send(q->daemon->bus, m, NULL);
	if (r < 0)
		request_fail(q, "Failed", "the descriptors cannot be sent");
	(void)sd_bus_message_unref(m);
	request_free(q);
}

/* The name of the lease, from the document that the job has printed. */
static bool lease_name(const struct job *j, char *ret, size_t size)
{
	struct control_value *v = NULL;

	if (control_value_parse(j->out.text, j->out.len, &v, NULL) < 0)
		return false;
	const char *name = control_value_text(v, "lease");
	(void)snprintf(ret, size, "%s", name ? name : "");
	control_value_free(v);
	return ret[0] != '\0';
}

static bool lease_is_of(const struct kept *k, uid_t uid)
{
	int64_t user = -1;

	return uid == 0 || (control_value_number(k->state, "user", &user) && user == uid);
}

static void lease_fetch(void *arg)
{
	struct request *q = arg;
	const struct kept *k = kept_lease(q->daemon, q->name);

	if (k && !lease_is_of(k, q->uid)) {
		lease_answer(q, NULL, "the lease is another user's");
		return;
	}
	int r = fetch_descriptors(q->daemon, q->name, q->uid, lease_answer, q);
	if (r < 0)
		lease_answer(q, NULL, strerror(-r));
}

static void lease_done(struct job *j, void *arg)
{
	struct request *q = arg;
	char text[1024];

	if (j->status || !lease_name(j, q->name, sizeof(q->name))) {
		request_fail(q, j->status == 3 ? "Refused" : "Failed", job_message(j, text));
		request_free(q);
		return;
	}
	/* What it has done: the drivers that devices have left. */
	q->said = strndup(j->errors.text, j->errors.len);
	if (q->said)
		text_clean(q->said, strlen(q->said));
	int r = kept_await(q->daemon, q->name, lease_fetch, q);
	if (r < 0)
		lease_answer(q, NULL, strerror(-r));
}

/* A process that asks once more for what it has gets it again: it may have missed the answer. */
static bool lease_find_own(struct request *q)
{
	const struct kept *k = kept_of_process(q->daemon, q->pid, q->devices, q->device_count);

	if (!k || !lease_is_of(k, q->uid))
		return false;
	(void)snprintf(q->name, sizeof(q->name), "%s", k->name);
	return true;
}

static int lease_begin(struct request *q)
{
	struct words *w = words_begin(q, "lease");
	struct job *j = NULL;

	if (!q->name[0] && lease_find_own(q))
		return kept_await(q->daemon, q->name, lease_fetch, q);
	(void)word_add(w, "--json");
	(void)word_add(w, "--user=+%u", (unsigned)q->uid);
	if (!q->name[0])
		(void)word_add(w, "--owner=%d:%" PRIu64, (int)q->pid, q->start);
	else if (q->uid == 0)
		(void)word_add(w, "--key=%s", q->name);
	else
		(void)word_add(w, "--key=%u+%s", (unsigned)q->uid, q->name);
	if (q->for_s)
		(void)word_add(w, "--for=%" PRIu64, q->for_s);
	if (q->daemon->memlock)
		(void)word_add(w, "--memlock=%s", q->daemon->memlock);
	const struct job_task task = {.words = w->list,
		.user = q->uid,
		.limit_s = q->limit_s,
		.output_fd = -1,
		.file_fd = -1,
		.is_lending = true};
	int r = job_start_task(q->daemon, &task, &j);
	if (r < 0)
		return r;
	j->done = lease_done;
	j->arg = q;
	return 0;
}

/* A method on devices. */
static int devices_method(sd_bus_message *m, void *arg, sd_bus_error *error, const char *action,
	int (*permitted)(struct request *q))
{
	struct request *q = request_new(arg, m, action, permitted);

	if (!q)
		return -ENOMEM;
	int r = request_read_devices(q, error);
	if (r >= 0)
		r = request_read_options(q, error);
	/* Whoever has the key has its lease, and no process. */
	q->is_of_process = permitted == lease_begin && !q->name[0];
	if (r >= 0)
		return request_authorise(q, error);
	request_free(q);
	return r;
}

static int method_plan(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	return devices_method(m, arg, error, "plan", plan_begin);
}

static int method_lease(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	return devices_method(m, arg, error, "lease", lease_begin);
}

/* By the caller's own key, which another lease may have as its name; else by its name. */
static const struct kept *lease_of(const struct daemon *d, uid_t uid, const char *word)
{
	char own[REQUEST_NAME_MAX];
	const struct kept *k = NULL;

	(void)snprintf(own, sizeof(own), "%u+%s", (unsigned)uid, word);
	if (uid != 0)
		k = kept_lease(d, own);
	return k ? k : kept_lease(d, word);
}

static int method_return(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *word;
	uid_t uid = (uid_t)-1;

	int r = sd_bus_message_read(m, "s", &word);
	if (r >= 0)
		r = sender_user(m, &uid);
	if (r < 0)
		return r;
	const struct kept *k = lease_of(arg, uid, word);
	/* To give back twice is no error. */
	if (!k)
		return sd_bus_reply_method_return(m, "o", "/");
	if (!lease_is_of(k, uid))
		return sd_bus_error_set_const(
			error, SD_BUS_ERROR_ACCESS_DENIED, "the lease is another user's");
	struct request *q = request_new(arg, m, "return", return_begin);
	if (!q)
		return -ENOMEM;
	(void)snprintf(q->name, sizeof(q->name), "%s", k->name);
	q->uid = uid;
	r = return_begin(q);
	if (r >= 0)
		return 1;
	request_free(q);
	return r;
}

static int method_revoke(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *word;

	int r = sd_bus_message_read(m, "s", &word);
	if (r < 0)
		return r;
	const struct kept *k = kept_lease(arg, word);
	if (!k)
		return text_refuse(error, BUS_NAME ".Error.NotFound",
			"no lease named '%.64s' runs\n"
			"hint: 'usher leases' lists the leases that run",
			word);
	struct request *q = request_new(arg, m, "revoke", revoke_begin);
	if (!q)
		return -ENOMEM;
	r = request_read_options(q, error);
	(void)snprintf(q->name, sizeof(q->name), "%s", k->name);
	if (r >= 0)
		return request_authorise(q, error);
	request_free(q);
	return r;
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", USHER_VERSION);
}

static int get_api_version(sd_bus *bus, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "u", (uint32_t)BUS_API_VERSION);
}

static const sd_bus_vtable manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("ApiVersion", "u", get_api_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_METHOD_WITH_ARGS("Plan", SD_BUS_ARGS("as", devices, "a{sv}", options),
		SD_BUS_RESULT("o", job), method_plan, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Lease", SD_BUS_ARGS("as", devices, "a{sv}", options),
		SD_BUS_RESULT("o", lease, "a{sv}", descriptors), method_lease,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Return", SD_BUS_ARGS("s", lease), SD_BUS_RESULT("o", job),
		method_return, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Revoke", SD_BUS_ARGS("s", lease, "a{sv}", options),
		SD_BUS_RESULT("o", job), method_revoke, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL_WITH_ARGS("JobDone", SD_BUS_ARGS("o", job, "s", state), 0),
	SD_BUS_VTABLE_END,
};

int methods_add_vtable(struct daemon *d)
{
	return sd_bus_add_object_vtable(
		d->bus, NULL, BUS_PATH, BUS_NAME ".Manager", manager_vtable, d);
}
