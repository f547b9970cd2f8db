/* SPDX-License-Identifier: MIT */
#include "cli/service.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/env.h"
#include "cli/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUS_SOCKET "/run/dbus/system_bus_socket"
#define RUN_LIMIT_S UINT64_C(86400)

static int options_append(struct bus_message *m, const struct service_lease *l)
{
	int r = bus_calls.begin(m, 'a', "{sv}");

	if (r >= 0 && l->key)
		r = bus_calls.append(m, "{sv}", "key", "s", l->key);
	if (r >= 0 && l->for_s)
		r = bus_calls.append(m, "{sv}", "for", "t", l->for_s);
	return r < 0 ? r : bus_calls.end(m);
}

static int lease_append(struct bus_message *m, const struct service_lease *l)
{
	char address[PCI_ADDRESS_TEXT];

	int r = bus_calls.begin(m, 'a', "s");
	for (size_t i = 0; r >= 0 && i < l->device_count; i++)
		r = bus_calls.append(m, "s", pci_address_format(l->devices[i], address));
	if (r >= 0)
		r = bus_calls.end(m);
	return r < 0 ? r : options_append(m, l);
}

/* The message owns its descriptors, and is gone soon. */
static int fd_keep(int fd)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return kept < 0 ? -errno : kept;
}

static int devices_read(struct bus_message *m, struct borrowed *ret)
{
	const char *address;
	int fd = -1, r = bus_calls.enter(m, 'v', "a{sh}");

	if (r >= 0)
		r = bus_calls.enter(m, 'a', "{sh}");
	while (r >= 0 && (r = bus_calls.read(m, "{sh}", &address, &fd)) > 0) {
		if (ret->count == CONTROL_GIVEN_MAX ||
			pci_address_parse(address, &ret->addresses[ret->count]) < 0)
			return -EPROTO;
		ret->devices[ret->count] = fd_keep(fd);
		r = ret->devices[ret->count] < 0 ? ret->devices[ret->count] : 0;
		ret->count += r >= 0;
	}
	if (r >= 0)
		r = bus_calls.leave(m);
	return r < 0 ? r : bus_calls.leave(m);
}

static int messages_read(struct bus_message *m, bool quiet)
{
	const char *text;

	int r = bus_calls.read(m, "v", "s", &text);
	if (r >= 0 && !quiet)
		(void)fputs(text, stderr);
	return r;
}

static int entry_read(struct bus_message *m, bool quiet, char *ret_name, struct borrowed *ret)
{
	const char *key, *name;
	int fd = -1, r = bus_calls.read(m, "s", &key);

	if (r < 0)
		return r;
	if (strcmp(key, "name") == 0) {
		r = bus_calls.read(m, "v", "s", &name);
		(void)snprintf(ret_name, SERVICE_NAME_MAX, "%s", r < 0 ? "" : name);
		return r;
	}
	if (strcmp(key, "messages") == 0)
		return messages_read(m, quiet);
	if (strcmp(key, "container") == 0) {
		r = bus_calls.read(m, "v", "h", &fd);
		ret->container = r < 0 ? -1 : fd_keep(fd);
		return r;
	}
	/* A later usherd may say more. */
	return strcmp(key, "devices") == 0 ? devices_read(m, ret) : bus_calls.skip(m, "v");
}

static int answer_read(struct bus_message *m, bool quiet, char *ret_name, struct borrowed *ret)
{
	int r = bus_calls.skip(m, "o");

	if (r >= 0)
		r = bus_calls.enter(m, 'a', "{sv}");
	while (r >= 0 && (r = bus_calls.enter(m, 'e', "sv")) > 0) {
		r = entry_read(m, quiet, ret_name, ret);
		if (r >= 0)
			r = bus_calls.leave(m);
	}
	if (r < 0)
		return r;
	return ret->container >= 0 && ret->count && ret_name[0] ? 0 : -EPROTO;
}

static int lease_try(
	const struct service_lease *l, char *ret_name, struct borrowed *ret, struct err *e)
{
	struct bus_message *m = NULL, *answer = NULL;
	struct bus *b = NULL;

	*ret = BORROWED_NONE;
	ret_name[0] = '\0';
	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = bus_calls.message(b, &m, BUS_USHERD, BUS_USHERD_PATH, BUS_USHERD_MANAGER, "Lease");
	if (r >= 0)
		r = lease_append(m, l);
	if (r < 0)
		(void)err_set(e, r, "ask usherd");
	else
		r = bus_call(b, m, BUS_PATIENCE_US, &answer, e);
	if (answer) {
		r = answer_read(answer, l->quiet, ret_name, ret);
		if (r < 0)
			(void)err_say(e, r, "usherd has not sent the descriptors of a lease");
	}
	(void)bus_calls.unref(answer);
	(void)bus_calls.close(b);
	return r;
}

/* The same process or key gets the same lease, so a lost answer costs nothing. */
int service_lease(
	const struct service_lease *l, char *ret_name, struct borrowed *ret, struct err *e)
{
	unsigned tries = 0;
	int r;

	do {
		r = lease_try(l, ret_name, ret, e);
	} while (bus_ask_again(r, &tries));
	return r;
}

static int bytes_read(struct bus_message *m, char **ret, size_t *ret_len)
{
	const void *bytes = NULL;

	int r = bus_calls.array(m, 'y', &bytes, ret_len);
	if (r < 0)
		return r;
	*ret = calloc(1, *ret_len + 1);
	if (!*ret)
		return -ENOMEM;
	if (*ret_len)
		memcpy(*ret, bytes, *ret_len);
	return 0;
}

static int result_read(struct bus_message *m, struct service_result *ret, struct err *e)
{
	const char *state;
	int32_t status = 0;

	int r = bus_calls.read(m, "si", &state, &status);
	if (r >= 0)
		r = bytes_read(m, &ret->output, &ret->output_len);
	if (r >= 0)
		r = bytes_read(m, &ret->errors, &ret->errors_len);
	if (r < 0)
		return err_set(e, r, "read usherd's answer");
	ret->status = status;
	if (strcmp(state, "cancelled") == 0 || strcmp(state, "timeout") == 0)
		return err_say(e, -ECANCELED, "usherd has ended the command (%s)", state);
	return 0;
}

void service_result_free(struct service_result *r)
{
	free(r->output);
	free(r->errors);
	*r = (struct service_result){0};
}

static int job_wait(struct bus *b, const char *path, struct service_result *ret, struct err *e)
{
	struct bus_message *m = NULL, *answer = NULL;

	int r = bus_calls.message(b, &m, BUS_USHERD, path, BUS_USHERD ".Job", "Wait");
	if (r < 0)
		return err_set(e, r, "ask usherd");
	r = bus_call(b, m, BUS_FOR_EVER_US, &answer, e);
	if (r == 0)
		r = result_read(answer, ret, e);
	(void)bus_calls.unref(answer);
	return r;
}

/* Sends @m, which is answered with a job, and waits for that. "/": there was nothing to do. */
static int job_run(struct bus *b, struct bus_message *m, struct service_result *ret, struct err *e)
{
	struct bus_message *answer = NULL;
	const char *path;

	int r = bus_call(b, m, BUS_PATIENCE_US, &answer, e);
	if (r < 0)
		return r;
	r = bus_calls.read(answer, "o", &path);
	if (r < 0)
		r = err_set(e, r, "read usherd's answer");
	else
		r = strcmp(path, "/") == 0 ? 0 : job_wait(b, path, ret, e);
	(void)bus_calls.unref(answer);
	return r;
}

/* The same; a command that has failed is an error with its sentence. */
static int job_await(struct bus *b, struct bus_message *m, struct err *e)
{
	struct service_result result = {0};

	int r = job_run(b, m, &result, e);
	const char *text = result.errors ? result.errors : "";
	if (r == 0 && result.status)
		r = bus_explain(e, -EIO, strncmp(text, "usher: ", 7) == 0 ? text + 7 : text);
	service_result_free(&result);
	return r;
}

bool service_may_run(void)
{
	return getenv("DBUS_SYSTEM_BUS_ADDRESS") || access(BUS_SOCKET, F_OK) == 0;
}

static int run_options_append(struct bus_message *m, const struct service_words *w)
{
	int r = bus_calls.begin(m, 'a', "{sv}");

	if (r >= 0)
		r = bus_calls.append(m, "{sv}", "limit", "t", RUN_LIMIT_S);
	if (r >= 0 && w->output_fd >= 0)
		r = bus_calls.append(m, "{sv}", "output", "h", w->output_fd);
	if (r >= 0 && w->file_fd >= 0)
		r = bus_calls.append(m, "{sv}", "file", "h", w->file_fd);
	return r < 0 ? r : bus_calls.end(m);
}

static int run_append(struct bus_message *m, const struct service_words *w)
{
	int r = bus_calls.append(m, "s", w->verb);

	if (r >= 0)
		r = bus_calls.begin(m, 'a', "s");
	for (size_t i = 0; r >= 0 && i < w->count; i++)
		r = bus_calls.append(m, "s", w->words[i]);
	if (r >= 0)
		r = bus_calls.end(m);
	return r < 0 ? r : run_options_append(m, w);
}

int service_run(const struct service_words *w, struct service_result *ret, struct err *e)
{
	struct bus_message *m = NULL;
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = bus_calls.message(b, &m, BUS_USHERD, BUS_USHERD_PATH, BUS_USHERD_MANAGER, "Run");
	if (r >= 0)
		r = run_append(m, w);
	r = r < 0 ? err_set(e, r, "ask usherd") : job_run(b, m, ret, e);
	if (r == -EPIPE)
		err_hint(e, "what usherd had begun goes on; 'usher list' shows what came of it");
	(void)bus_calls.close(b);
	return r;
}

static int return_try(const char *word, struct err *e)
{
	struct bus_message *m = NULL;
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = bus_calls.message(b, &m, BUS_USHERD, BUS_USHERD_PATH, BUS_USHERD_MANAGER, "Return");
	if (r >= 0)
		r = bus_calls.append(m, "s", word);
	r = r < 0 ? err_set(e, r, "ask usherd") : job_await(b, m, e);
	(void)bus_calls.close(b);
	return r;
}

int service_return(const char *word, struct err *e)
{
	unsigned tries = 0;
	int r;

	do {
		r = return_try(word, e);
	} while (bus_ask_again(r, &tries));
	return r;
}

static int await_try(const char *name, struct err *e)
{
	struct bus_message *m = NULL, *answer = NULL;
	char path[BUS_PATH_SIZE];
	const char *stuck = "";
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	bus_path_of("lease", name, path, sizeof(path));
	r = bus_calls.message(b, &m, BUS_USHERD, path, BUS_USHERD ".Lease", "Wait");
	r = r < 0 ? err_set(e, r, "ask usherd") : bus_call(b, m, BUS_FOR_EVER_US, &answer, e);
	if (r == 0)
		r = bus_calls.read(answer, "s", &stuck);
	if (r >= 0)
		r = stuck[0] ? bus_explain(e, -EUCLEAN, stuck) : 0;
	(void)bus_calls.unref(answer);
	(void)bus_calls.close(b);
	return r;
}

/* Its keeper removes this folder at the end of the lease. */
static bool lease_is_there(const char *name)
{
	char path[FILE_PATH_MAX];

	return file_path(path, sizeof(path), BIND_STATE_DIR "/lease/%s", name) >= 0 &&
	       access(path, F_OK) == 0;
}

static int explain_loss(const char *name, struct err *e)
{
	(void)err_say(e, -EUCLEAN,
		"lease '%s' has not ended: its keeper was killed, or does not answer", name);
	err_hint(e, "'usher restore' returns the devices of a keeper that was killed");
	return -EUCLEAN;
}

/* Of a busy host, usherd may not know the lease yet. */
int service_await(const char *name, struct err *e)
{
	unsigned tries = 0;
	bool is_lost;
	int r;

	do {
		r = await_try(name, e);
		is_lost = r == -ENXIO && lease_is_there(name);
		if (is_lost)
			r = borrow_is_dead(BIND_STATE_DIR, name) ? -EUCLEAN : -EPIPE;
	} while (bus_ask_again(r, &tries));
	if (is_lost)
		return explain_loss(name, e);
	return r == -ENXIO ? 0 : r;
}

int service_revoke(const char *name, bool force, uint64_t timeout_s, struct err *e)
{
	struct bus_message *m = NULL;
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = bus_calls.message(b, &m, BUS_USHERD, BUS_USHERD_PATH, BUS_USHERD_MANAGER, "Revoke");
	if (r >= 0)
		r = bus_calls.append(
			m, "sa{sv}", name, 2, "force", "b", (int)force, "timeout", "t", timeout_s);
	r = r < 0 ? err_set(e, r, "ask usherd") : job_await(b, m, e);
	(void)bus_calls.close(b);
	return r;
}
