/* SPDX-License-Identifier: MIT */
#include "lease/borrow.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "control/client.h"
#include "control/value.h"
#include "engine/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LIST_MAX (64 * CONTROL_GIVEN_MAX) /* [bytes] of EXEC_VARIABLE */

#define STATE_REQUEST "{\"command\":\"state\"}\n"

static int keeper_ask(const char *run_dir, const char *name, const char *line,
	struct control_link *ret, struct control_value **ret_answer, struct err *e)
{
	int r = control_connect_at(&control_leases, run_dir, name, ret, e);

	return r < 0 ? r : control_ask(ret, line, ret_answer, e);
}

static int address_take(void *arg, const char *key, const struct control_value *device)
{
	struct borrowed *b = arg;
	const char *text = control_value_as_text(device);

	if (!text || b->count == CONTROL_GIVEN_MAX - 1 ||
		pci_address_parse(text, &b->addresses[b->count]) < 0)
		return -EPROTO;
	b->count++;
	return 0;
}

int borrowed_take(
	const struct control_value *answer, int *fds, size_t fd_count, struct borrowed *ret)
{
	const struct control_value *list = control_value_member(answer, "devices");
	struct borrowed b = BORROWED_NONE;

	int r = control_value_each(list, address_take, &b);
	if (r < 0 || !b.count || fd_count != b.count + 1)
		return -EPROTO;
	b.container = TAKE_FD(fds[0]);
	for (size_t i = 0; i < b.count; i++)
		b.devices[i] = TAKE_FD(fds[i + 1]);
	*ret = b;
	return 0;
}

/* By the connection that gives the descriptors: the name may be another lease's a moment later. */
static int user_check(struct control_link *l, const char *name, uid_t user, struct err *e)
{
	struct control_value *answer = NULL;
	int64_t of = -1;

	int r = control_ask(l, STATE_REQUEST, &answer, e);
	if (r == 0 && (!control_value_number(answer, "user", &of) || of != user))
		r = err_say(e, -EACCES, "lease '%s' is another user's", name);
	control_value_free(answer);
	return r;
}

static int descriptors_ask(const char *run_dir, const char *name, uid_t user,
	struct control_link *ret, struct control_value **ret_answer, struct err *e)
{
	int r = control_connect_at(&control_leases, run_dir, name, ret, e);

	if (r == 0 && user)
		r = user_check(ret, name, user, e);
	return r < 0 ? r : control_ask(ret, "{\"command\":\"descriptors\"}\n", ret_answer, e);
}

int borrow_descriptors_as(
	const char *run_dir, const char *name, uid_t user, struct borrowed *ret, struct err *e)
{
	struct control_link link = CONTROL_LINK_NONE;
	struct control_value *answer = NULL;

	*ret = BORROWED_NONE;
	int r = descriptors_ask(run_dir, name, user, &link, &answer, e);
	if (r == 0)
		r = borrowed_take(answer, link.given, link.given_count, ret);
	if (r == -EPROTO)
		(void)err_say(e, r, "the keeper of lease '%s' has not sent its descriptors", name);
	control_value_free(answer);
	control_disconnect(&link);
	return r;
}

int borrow_descriptors(const char *run_dir, const char *name, struct borrowed *ret, struct err *e)
{
	return borrow_descriptors_as(run_dir, name, 0, ret, e);
}

void borrowed_close(struct borrowed *b)
{
	fd_close(&b->container);
	while (b->count)
		fd_close(&b->devices[--b->count]);
}

int borrowed_inherit(const struct borrowed *b)
{
	char list[LIST_MAX], text[PCI_ADDRESS_TEXT];
	size_t used = 0;

	int r = fd_set_cloexec(b->container, 0);
	for (size_t i = 0; r == 0 && i < b->count; i++) {
		int n = snprintf(list + used, sizeof(list) - used, "%s%s=fd:%d,none,%d",
			i ? " " : "", pci_address_format(b->addresses[i], text), b->container,
			b->devices[i]);
		if (n < 0 || (size_t)n >= sizeof(list) - used)
			return -E2BIG;
		used += (size_t)n;
		r = fd_set_cloexec(b->devices[i], 0);
	}
	return r < 0 || setenv(EXEC_VARIABLE, list, 1) == 0 ? r : -errno;
}

int borrow_state(const char *run_dir, const char *name, struct control_value **ret, struct err *e)
{
	struct control_link link = CONTROL_LINK_NONE;

	int r = keeper_ask(run_dir, name, STATE_REQUEST, &link, ret, e);
	control_disconnect(&link);
	return r;
}

bool borrow_is_dead(const char *run_dir, const char *name)
{
	char path[FILE_PATH_MAX], text[24];
	uint64_t pid;

	if (file_path(path, sizeof(path), "%s/lease/%s/keeper", run_dir, name) < 0 ||
		file_read(path, text, sizeof(text)) <= 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return num_parse(text, 10, INT32_MAX, &pid) == 0 && pid && kill((pid_t)pid, 0) < 0 &&
	       errno == ESRCH;
}

/* The answer to an event: 1 go on; 0, -errno it was the last. */
static int event_take(const struct control_value *v, struct err *e)
{
	const char *event = control_value_text(v, "event");
	const char *message = control_value_text(v, "message");
	const char *hint = control_value_text(v, "hint");
	int64_t status = 0;

	if (!event)
		return 1;
	if (strcmp(event, "stuck") == 0 && message && !e->code) {
		(void)err_say(e, -EUCLEAN, "%s", message);
		err_hint(e, "%s", hint ? hint : "");
	}
	if (strcmp(event, "done") != 0)
		return 1;
	(void)control_value_number(v, "status", &status);
	if (status < 0 && !e->code)
		(void)err_say(e, -EUCLEAN, "not all devices of the lease went back");
	return status < 0 ? -EUCLEAN : 0;
}

/* A keeper that is stopped, or waits for the kernel. */
static int explain_silence(struct control_link *l, const char *name, struct err *e)
{
	struct ucred who = {0};
	socklen_t size = sizeof(who);

	(void)getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	(void)err_say(e, -ETIMEDOUT,
		"lease '%s' has not ended: its keeper (process %d) says nothing any more", name,
		(int)who.pid);
	err_hint(e, "'usher leases' shows whether it still lives; the devices stay on VFIO");
	return -ETIMEDOUT;
}

static int end_await(struct control_link *l, const char *name, int patience_ms, struct err *e)
{
	struct control_value *v = NULL;
	struct err stuck = {0};
	int r = 1;

	while (r == 1) {
		r = control_next(l, patience_ms, &v, e);
		if (r == -ETIMEDOUT)
			return explain_silence(l, name, e);
		if (r < 0)
			return err_in(e, r, "lease '%s'", name);
		r = event_take(v, &stuck);
		control_value_free(v);
		v = NULL;
	}
	if (r < 0)
		*e = stuck;
	return r;
}

static int end_ask(struct control_link *l, const char *name, const char *request, int patience_ms,
	struct err *e)
{
	int r = control_ask(l, request, NULL, e);

	return r < 0 ? r : end_await(l, name, patience_ms, e);
}

static int end_try(
	const char *run_dir, const char *name, const char *request, int patience_ms, struct err *e)
{
	struct control_link link = CONTROL_LINK_NONE;

	int r = keeper_ask(run_dir, name, "{\"command\":\"events\"}\n", &link, NULL, e);
	if (r == 0)
		r = end_ask(&link, name, request, patience_ms, e);
	control_disconnect(&link);
	return r == -ECONNREFUSED ? -ENOENT : r;
}

int borrow_end(
	const char *run_dir, const char *name, const char *request, int patience_ms, struct err *e)
{
	struct control_link link = CONTROL_LINK_NONE;
	struct err again = {0};

	int r = end_try(run_dir, name, request, patience_ms, e);
	if (r != -EPIPE)
		return r;
	/* It ended while it was asked. Of a keeper that was killed the folder is left. */
	int after = control_connect_at(&control_leases, run_dir, name, &link, &again);
	control_disconnect(&link);
	return after == -ENOENT ? after : r;
}
