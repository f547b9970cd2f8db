/* SPDX-License-Identifier: MIT */
#include "monitor/keepers.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "control/request.h"
#include "control/value.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * How it works. Invariant: a keeper is in the list as long as it has a folder.
 *
 * inotify tells of folders. A scan connects to each keeper that has no connection: it makes its
 * folder before its socket, so one that refuses is tried again for a while, and is dead after that.
 * A keeper sends events; after each it is asked for its state, and a new state is told. Nothing
 * here waits.
 */
#define LINE_ROOM 16384 /* [bytes] of a line that is of use here */
#define RETRIES_MAX 100

struct keeper {
	enum monitor_kind kind;
	size_t folder;
	char name[64];
	int fd; /* -1: not connected */
	bool is_hidden; /* only its user and root may ask it */
	bool is_old; /* from before the monitor: its first state is no news */
	bool asks, again; /* the answer is due; it is to be asked once more after that */
	char state[16]; /* as told; "" nothing yet */
	struct control_value *kept; /* its last answer */
	char *line; /* what has come of the next line */
	size_t len;
};

static void keeper_tell(struct keeper *k, const char *state, const struct monitor_teller *to)
{
	const bool is_news = !k->is_old;

	k->is_old = false;
	if (k->state[0] && strcmp(k->state, state ? state : "?") == 0)
		return;
	(void)snprintf(k->state, sizeof(k->state), "%s", state ? state : "?");
	if (is_news)
		monitor_tell(to, &(struct monitor_event){.kind = k->kind,
					 .lease = k->kind == MONITOR_LEASE ? k->name : NULL,
					 .guest = k->kind == MONITOR_GUEST ? k->name : NULL,
					 .state = state,
					 .kept = k->kept});
}

static void keeper_disconnect(struct keeper *k)
{
	fd_close(&k->fd);
	free(k->line);
	k->line = NULL;
	k->len = 0;
	k->asks = k->again = false;
}

static void keeper_remove(struct keepers *ks, size_t i)
{
	keeper_disconnect(&ks->list[i]);
	control_value_free(ks->list[i].kept);
	ks->count--;
	memmove(&ks->list[i], &ks->list[i + 1], (ks->count - i) * sizeof(*ks->list));
}

static void state_ask(struct keeper *k)
{
	static const char ask[] = "{\"command\":\"state\"}\n";

	k->again = k->asks;
	if (!k->asks)
		k->asks = send(k->fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

static void state_take(struct keeper *k, struct control_value *v, const struct monitor_teller *to)
{
	control_value_free(k->kept);
	k->kept = v;
	k->asks = false;
	keeper_tell(k, control_value_text(v, "state"), to);
	if (k->again)
		state_ask(k);
}

/* Devices that did not come back from a reset, or cannot go back. */
static void stuck_tell(
	const struct keeper *k, const struct control_value *v, const struct monitor_teller *to)
{
	const char *text = control_value_text(v, "message");

	monitor_tell(to, &(struct monitor_event){.kind = MONITOR_FAULT,
				 .lease = k->kind == MONITOR_LEASE ? k->name : NULL,
				 .guest = k->kind == MONITOR_GUEST ? k->name : NULL,
				 .kept = k->kept,
				 .cause = "stuck",
				 .evidence = text ? text : ""});
}

static void line_take(struct keeper *k, size_t len, const struct monitor_teller *to)
{
	static const char events[] = "{\"command\":\"events\"}\n";
	struct control_value *v = NULL;
	int64_t version;

	if (control_value_parse(k->line, len, &v, NULL) < 0)
		return;
	if (control_value_text(v, "state")) {
		state_take(k, v, to);
		return;
	}
	const char *event = control_value_text(v, "event");
	if (event && strcmp(event, "stuck") == 0)
		stuck_tell(k, v, to);
	if (control_value_number(v, "protocol", &version) && version == CONTROL_VERSION)
		(void)send(k->fd, events, sizeof(events) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	else if (event || control_value_flag(v, "ok"))
		state_ask(k);
	control_value_free(v);
}

/* Return: whether the keeper is there. */
static bool lines_read(struct keeper *k, const struct monitor_teller *to)
{
	ssize_t got = recv(k->fd, k->line + k->len, LINE_ROOM - k->len, MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	k->len += (size_t)got;
	for (const char *end; (end = memchr(k->line, '\n', k->len));) {
		const size_t len = (size_t)(end - k->line);
		line_take(k, len, to);
		k->len -= len + 1;
		memmove(k->line, k->line + len + 1, k->len);
	}
	return got > 0 && k->len < LINE_ROOM;
}

/* Return: 0; -ENOENT, -ECONNREFUSED, -EACCES; -EAGAIN it has too many clients; -errno. */
static int keeper_connect(const struct keepers *ks, struct keeper *k)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s/control",
		    ks->folders[k->folder].path, k->name) >= sizeof(address.sun_path))
		return -EACCES;
	k->line = malloc(LINE_ROOM);
	k->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->line && k->fd >= 0 &&
		connect(k->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	int r = k->line ? -errno : -ENOMEM;
	keeper_disconnect(k);
	return r;
}

static bool folder_is_there(const struct keepers *ks, const struct keeper *k)
{
	char path[FILE_PATH_MAX];

	return file_path(path, sizeof(path), "%s/%s", ks->folders[k->folder].path, k->name) == 0 &&
	       access(path, F_OK) == 0;
}

/* Of a keeper without a connection. Return: whether it is to be tried again. */
static bool keeper_try(struct keepers *ks, size_t i, const struct monitor_teller *to)
{
	struct keeper *k = &ks->list[i];

	if (!folder_is_there(ks, k)) {
		keeper_tell(k, "ended", to);
		keeper_remove(ks, i);
		return false;
	}
	if (k->is_hidden || strcmp(k->state, "dead") == 0)
		return false;
	int r = keeper_connect(ks, k);
	if (r == 0)
		return false;
	k->is_hidden = r == -EACCES;
	if (k->is_hidden)
		keeper_tell(k, NULL, to);
	else if (ks->retries >= RETRIES_MAX)
		keeper_tell(k, "dead", to);
	return !k->is_hidden && ks->retries < RETRIES_MAX;
}

static bool keeper_is_known(const struct keepers *ks, size_t folder, const char *name)
{
	for (size_t i = 0; i < ks->count; i++)
		if (ks->list[i].folder == folder && strcmp(ks->list[i].name, name) == 0)
			return true;
	return false;
}

static void keeper_add(struct keepers *ks, size_t folder, const char *name, bool is_old)
{
	struct keeper *list;

	if (name[0] == '.' || strlen(name) >= sizeof(list->name) ||
		keeper_is_known(ks, folder, name))
		return;
	list = reallocarray(ks->list, ks->count + 1, sizeof(*list));
	if (!list)
		return;
	ks->list = list;
	struct keeper *k = &list[ks->count++];
	*k = (struct keeper){
		.kind = ks->folders[folder].kind, .folder = folder, .fd = -1, .is_old = is_old};
	(void)snprintf(k->name, sizeof(k->name), "%s", name);
}

static void folder_scan(struct keepers *ks, size_t folder, bool is_old)
{
	struct keeper_folder *f = &ks->folders[folder];
	const struct dirent *entry;

	if (f->watch < 0 && ks->inotify >= 0)
		f->watch = inotify_add_watch(
			ks->inotify, f->path, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
	DIR *dir = opendir(f->path);
	while (dir && (entry = readdir(dir)))
		keeper_add(ks, folder, entry->d_name, is_old);
	if (dir)
		(void)closedir(dir);
}

bool keepers_scan(struct keepers *ks, const struct monitor_teller *to)
{
	bool more = false;

	for (size_t i = 0; i < ks->folder_count; i++)
		folder_scan(ks, i, false);
	for (size_t i = ks->count; i > 0; i--)
		if (ks->list[i - 1].fd < 0)
			more = keeper_try(ks, i - 1, to) || more;
	if (more)
		ks->retries++;
	return more;
}

static void folder_add(
	struct keepers *ks, const char *run_dir, const char *name, enum monitor_kind kind)
{
	struct keeper_folder *f = &ks->folders[ks->folder_count];

	if (file_path(f->path, sizeof(f->path), "%s/%s", run_dir, name) < 0)
		return;
	f->kind = kind;
	f->watch = -1;
	folder_scan(ks, ks->folder_count++, true);
}

int keepers_open(const char *const *run_dirs, struct keepers *ret)
{
	*ret = KEEPERS_NONE;
	ret->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (ret->inotify < 0)
		return -errno;
	for (; *run_dirs && ret->folder_count + 2 <= KEEPER_FOLDERS; run_dirs++) {
		folder_add(ret, *run_dirs, "lease", MONITOR_LEASE);
		folder_add(ret, *run_dirs, "vm", MONITOR_GUEST);
	}
	return 0;
}

void keepers_close(struct keepers *ks)
{
	while (ks->count)
		keeper_remove(ks, ks->count - 1);
	free(ks->list);
	fd_close(&ks->inotify);
	*ks = KEEPERS_NONE;
}

size_t keepers_fd_count(const struct keepers *ks)
{
	return ks->count + 1;
}

void keepers_fill(const struct keepers *ks, struct pollfd *fds)
{
	fds[0] = (struct pollfd){.fd = ks->inotify, .events = POLLIN};
	for (size_t i = 0; i < ks->count; i++)
		fds[i + 1] = (struct pollfd){.fd = ks->list[i].fd, .events = POLLIN};
}

/* A folder that is removed takes its watch with it, and may come again. */
static void watches_check(struct keepers *ks, const char *events, size_t len)
{
	const struct inotify_event *e;

	for (size_t at = 0; at + sizeof(*e) <= len; at += sizeof(*e) + e->len) {
		e = (const void *)(events + at);
		for (size_t i = 0; e->mask & IN_IGNORED && i < ks->folder_count; i++)
			if (ks->folders[i].watch == e->wd)
				ks->folders[i].watch = -1;
	}
}

void keepers_take(struct keepers *ks, const struct pollfd *fds, const struct monitor_teller *to)
{
	char events[4096] __attribute__((aligned(8)));
	ssize_t got;

	for (size_t i = ks->count; i > 0; i--) {
		struct keeper *k = &ks->list[i - 1];
		if (!fds[i].revents || k->fd < 0 || lines_read(k, to))
			continue;
		keeper_disconnect(k);
		ks->retries = 0;
	}
	if (!fds[0].revents)
		return;
	while ((got = read(ks->inotify, events, sizeof(events))) > 0)
		watches_check(ks, events, (size_t)got);
	ks->retries = 0;
}
