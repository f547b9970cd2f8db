/* SPDX-License-Identifier: MIT */
#include "daemon/kept.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "control/client.h"
#include "control/request.h"
#include "control/value.h"
#include "daemon/job.h"
#include "daemon/news.h"
#include "daemon/path.h"
#include "daemon/question.h"
#include "daemon/scope.h"
#include "daemon/text.h"
#include "daemon/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RESCAN_US UINT64_C(50000) /* a keeper makes its folder first, then its socket */
#define RESCAN_ACCURACY_US UINT64_C(5000)
#define REPLACE_READS 64 /* of what a keeper has said that ends */
#define RESCANS_MAX 400 /* after the last change of a folder */
#define WAIT_US (5 * UINT64_C(1000000)) /* for a keeper's answer to kept_await() */

static const char *const folders[] = {[KEPT_LEASE] = "lease", [KEPT_GUEST] = "vm"};

/* Return: 0: there is no such socket. */
static ino_t socket_inode(const struct daemon *d, enum kept_kind kind, const char *name)
{
	char path[FILE_PATH_MAX];
	struct stat st;

	int r = file_path(path, sizeof(path), "%s/%s/%s/control", d->run_dir, folders[kind], name);
	return r >= 0 && lstat(path, &st) == 0 ? st.st_ino : 0;
}

/*
 * A keeper removes its folder before it says its last word, which may come here much later, when
 * the name is another keeper's.
 */
static bool keeper_is_there(const struct kept *k)
{
	return socket_inode(k->daemon, k->kind, k->name) == k->socket;
}

static struct kept *kept_named(const struct daemon *d, enum kept_kind kind, const char *name)
{
	for (struct kept *k = d->kept; k; k = k->next)
		if (k->kind == kind && k->state && strcmp(k->name, name) == 0 && keeper_is_there(k))
			return k;
	return NULL;
}

struct kept *kept_lease(const struct daemon *d, const char *name)
{
	return kept_named(d, KEPT_LEASE, name);
}

/* usherd may not know a keeper yet that has begun just now, with the name of an earlier one. */
bool kept_guest(const struct daemon *d, const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/') &&
	       strlen(name) < sizeof(d->kept->name) && socket_inode(d, KEPT_GUEST, name) != 0;
}

/* Its devices have another holder now. */
static void devices_tell(const struct kept *k)
{
	char path[PATH_MAX_BUS], text[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < k->device_count; i++)
		(void)sd_bus_emit_properties_changed(k->daemon->bus,
			bus_path(path, "device", pci_address_format(k->devices[i], text)),
			BUS_NAME ".Device", "Holder", NULL);
}

static int device_count(void *arg, const char *key, const struct control_value *device)
{
	++*(size_t *)arg;
	return 0;
}

static int device_take(void *arg, const char *key, const struct control_value *device)
{
	struct kept *k = arg;
	const char *text = control_value_as_text(device);

	if (text && pci_address_parse(text, &k->devices[k->device_count]) == 0)
		k->device_count++;
	return 0;
}

static void devices_take(struct kept *k)
{
	const struct control_value *list = control_value_member(k->state, "devices");
	size_t count = 0;

	free(k->devices);
	k->device_count = 0;
	(void)control_value_each(list, device_count, &count);
	k->devices = count ? calloc(count, sizeof(*k->devices)) : NULL;
	if (k->devices)
		(void)control_value_each(list, device_take, k);
}

struct kept_waiter {
	struct daemon *daemon;
	struct kept_waiter *next;
	char name[sizeof(((struct kept *)NULL)->name)];
	sd_event_source *timer;
	void (*call)(void *arg);
	void *arg;
};

/* Calls the waiter at *@at, which is no more afterwards. */
static void waiter_call(struct kept_waiter **at)
{
	struct kept_waiter *w = *at;

	*at = w->next;
	(void)sd_event_source_disable_unref(w->timer);
	w->call(w->arg);
	free(w);
}

/* Those that wait for @name. */
static void waiters_call(struct daemon *d, const char *name)
{
	struct kept_waiter **at = &d->waiters;

	while (*at)
		if (strcmp((*at)->name, name) != 0)
			at = &(*at)->next;
		else
			waiter_call(at);
}

/* Its keeper does not answer usherd. Whoever waits asks it, and learns more. */
static int on_waited(sd_event_source *source, uint64_t us, void *arg)
{
	struct kept_waiter *w = arg, **at = &w->daemon->waiters;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		waiter_call(at);
	return 0;
}

static void end_tell(struct kept *k)
{
	while (k->waiter_count) {
		sd_bus_message *answer = k->waiters[--k->waiter_count];
		if (sd_bus_message_append(answer, "s", k->stuck) >= 0)
			(void)sd_bus_send(NULL, answer, NULL);
		(void)sd_bus_message_unref(answer);
	}
}

/* Who is new on the bus, and has what; and what usherd asks of others for that. */
static void signals_send(struct kept *k)
{
	char path[PATH_MAX_BUS];

	k->signals = sd_event_source_disable_unref(k->signals);
	(void)sd_bus_emit_object_added(k->daemon->bus, kept_path(k, path));
	devices_tell(k);
	watch_kept(k->daemon);
}

static int on_signals(sd_event_source *source, uint64_t us, void *arg)
{
	signals_send(arg);
	return 0;
}

static void kept_free(struct kept *k)
{
	struct kept **at = &k->daemon->kept;
	struct control_value *state = k->state;
	char path[PATH_MAX_BUS];

	/* As long as the bus finds the object. */
	if (k->signals)
		signals_send(k);
	while (*at && *at != k)
		at = &(*at)->next;
	if (*at)
		*at = k->next;
	if (state) {
		(void)sd_bus_emit_object_removed(k->daemon->bus, kept_path(k, path));
		devices_tell(k);
	}
	/* Whoever waits for the name waits for the keeper that has it. */
	if (!k->is_replaced)
		waiters_call(k->daemon, k->name);
	questions_end(k);
	watch_kept(k->daemon);
	end_tell(k);
	k->source = sd_event_source_disable_unref(k->source);
	fd_close(&k->fd);
	control_value_free(state);
	free(k->devices);
	free(k->line);
	free(k);
}

static void state_ask(struct kept *k)
{
	static const char ask[] = "{\"command\":\"state\"}\n";

	if (k->asks) {
		k->again = true;
		return;
	}
	/* A keeper that does not take this has more than it can do, and answers nobody. */
	k->asks = send(k->fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

static bool borrower_waits(const struct kept *k)
{
	for (const struct kept_waiter *w = k->daemon->waiters; w; w = w->next)
		if (strcmp(w->name, k->name) == 0)
			return true;
	return jobs_lend(k->daemon);
}

/* The answer to a borrower goes before signals for everybody. */
static void kept_begin(struct kept *k)
{
	const bool waits = borrower_waits(k);

	devices_take(k);
	waiters_call(k->daemon, k->name);
	scope_give(k);
	if (!waits || sd_event_add_time_relative(k->daemon->event, &k->signals, CLOCK_MONOTONIC,
			      NEWS_US, NEWS_ACCURACY_US, on_signals, k) < 0)
		signals_send(k);
}

static bool kept_same_devices(const struct kept *a, const struct kept *b)
{
	for (size_t i = 0; i < a->device_count && a->device_count == b->device_count; i++)
		if (!pci_address_equal(a->devices[i], b->devices[i]))
			return false;
	return a->device_count == b->device_count;
}

/* A guest may get and lose devices while it runs; usherd signals those before and those now. */
static void kept_change(struct kept *k)
{
	const struct kept before = {
		.daemon = k->daemon, .devices = k->devices, .device_count = k->device_count};
	char path[PATH_MAX_BUS];

	if (k->signals)
		signals_send(k);
	k->devices = NULL;
	devices_take(k);
	const bool same = kept_same_devices(&before, k);
	(void)sd_bus_emit_properties_changed(k->daemon->bus, kept_path(k, path),
		kept_interface(k->kind), "State", same ? NULL : "Devices", NULL);
	if (!same) {
		devices_tell(&before);
		devices_tell(k);
	}
	free(before.devices);
}

static void state_take(struct kept *k, struct control_value *v)
{
	struct control_value *before = k->state;

	k->state = v;
	k->asks = false;
	if (before) {
		kept_change(k);
		watch_kept(k->daemon);
	} else {
		kept_begin(k);
	}
	control_value_free(before);
	if (k->again) {
		k->again = false;
		state_ask(k);
	}
}

static void stuck_take(struct kept *k, const struct control_value *v)
{
	const char *event = control_value_text(v, "event");
	const char *message = control_value_text(v, "message");
	const char *hint = control_value_text(v, "hint");

	if (!event || !message || k->stuck[0] || strcmp(event, "stuck") != 0)
		return;
	(void)snprintf(k->stuck, sizeof(k->stuck), "%s%s%s", message, hint ? "\nhint: " : "",
		hint ? hint : "");
	text_clean(k->stuck, strlen(k->stuck)); /* it may be cut */
}

static void line_take(struct kept *k, const char *line, size_t len)
{
	struct control_value *v = NULL;
	int64_t version;

	if (control_value_parse(line, len, &v, NULL) < 0)
		return;
	if (control_value_number(v, "protocol", &version))
		k->is_known = version == CONTROL_VERSION;
	if (!k->is_known || question_answer(k, v)) {
		control_value_free(v);
		return;
	}
	stuck_take(k, v);
	if (control_value_text(v, "state")) {
		state_take(k, v);
		return;
	}
	if (control_value_text(v, "event"))
		state_ask(k);
	control_value_free(v);
}

/* Return: whether the keeper is there. */
static bool lines_read(struct kept *k)
{
	ssize_t got = question_receive(k);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	k->len += (size_t)got;
	for (const char *end; (end = memchr(k->line, '\n', k->len));) {
		const size_t len = (size_t)(end - k->line);
		line_take(k, k->line, len);
		k->len -= len + 1;
		memmove(k->line, k->line + len + 1, k->len);
	}
	return got > 0 && k->len < KEPT_LINE_ROOM;
}

static void rescan_later(struct daemon *d);
static void folders_scan(struct daemon *d);

static int on_line(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct kept *k = arg;
	struct daemon *d = k->daemon;

	if (lines_read(k))
		return 0;
	const bool had_answered = k->state != NULL;
	kept_free(k);
	if (!had_answered) { /* it may have no room for another client: not again at once */
		rescan_later(d);
		return 0;
	}
	/* Another keeper may have the name already, and its folder was no news then. */
	d->rescan_count = 0;
	folders_scan(d);
	return 0;
}

/* Return: descriptor; -EINPROGRESS and others: later. */
static int keeper_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
		sizeof(address.sun_path))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int r = -errno;
	(void)close(fd);
	return r;
}

/*
 * A keeper that takes a device accepts nobody until it has the device. The questions wait in its
 * socket for that: a borrower waits for the answer.
 */
static void keeper_greet(struct kept *k)
{
	static const char ask[] = "{\"command\":\"events\"}\n{\"command\":\"state\"}\n";

	k->asks = send(k->fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

static int kept_add(struct daemon *d, enum kept_kind kind, const char *name, ino_t inode, int fd)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k) {
		(void)close(fd);
		return -ENOMEM;
	}
	*k = (struct kept){.daemon = d,
		.next = d->kept,
		.kind = kind,
		.fd = fd,
		.line = malloc(KEPT_LINE_ROOM)};
	(void)snprintf(k->name, sizeof(k->name), "%s", name);
	k->socket = inode;
	d->kept = k;
	int r = k->line ? sd_event_add_io(d->event, &k->source, fd, EPOLLIN, on_line, k) : -ENOMEM;
	if (r < 0)
		kept_free(k);
	else
		keeper_greet(k);
	return r;
}

static struct kept *kept_known(const struct daemon *d, enum kept_kind kind, const char *name)
{
	for (struct kept *k = d->kept; k; k = k->next)
		if (k->kind == kind && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* Another keeper has its name. What this one has said is read, but it was the last. */
static void kept_replace(struct kept *k)
{
	for (unsigned i = 0; i < REPLACE_READS && lines_read(k); i++)
		;
	k->is_replaced = true;
	kept_free(k);
}

/* Return: whether a keeper may be about to open its socket. */
static bool keeper_find(struct daemon *d, enum kept_kind kind, const char *name)
{
	char path[FILE_PATH_MAX];

	if (name[0] == '.' || strlen(name) >= sizeof(d->kept->name) ||
		file_path(path, sizeof(path), "%s/%s/%s/control", d->run_dir, folders[kind], name) <
			0)
		return false;
	const ino_t inode = socket_inode(d, kind, name);
	struct kept *known = kept_known(d, kind, name);
	if (known && (!inode || known->socket == inode))
		return false;
	if (known)
		kept_replace(known);
	int fd = keeper_connect(path);
	if (fd >= 0 && socket_inode(d, kind, name) != inode)
		fd_close(&fd);
	return fd < 0 || kept_add(d, kind, name, inode, fd) < 0;
}

static bool folder_scan(struct daemon *d, enum kept_kind kind)
{
	char path[FILE_PATH_MAX];
	const struct dirent *entry;
	bool more = false;

	if (file_path(path, sizeof(path), "%s/%s", d->run_dir, folders[kind]) < 0)
		return false;
	DIR *dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		more = keeper_find(d, kind, entry->d_name) || more;
	if (dir)
		(void)closedir(dir);
	return more;
}

static int on_rescan(sd_event_source *source, uint64_t us, void *arg);

/* Nobody will ever listen at the socket of a keeper that was killed. */
static void rescan_later(struct daemon *d)
{
	if (!d->rescan && d->rescan_count++ < RESCANS_MAX)
		(void)sd_event_add_time_relative(d->event, &d->rescan, CLOCK_MONOTONIC, RESCAN_US,
			RESCAN_ACCURACY_US, on_rescan, d);
}

static void folders_scan(struct daemon *d)
{
	const bool leases = folder_scan(d, KEPT_LEASE), guests = folder_scan(d, KEPT_GUEST);

	d->rescan = sd_event_source_disable_unref(d->rescan);
	if (leases || guests)
		rescan_later(d);
}

static int on_rescan(sd_event_source *source, uint64_t us, void *arg)
{
	folders_scan(arg);
	return 0;
}

static int on_folder(sd_event_source *source, const struct inotify_event *event, void *arg)
{
	struct daemon *d = arg;

	d->rescan_count = 0;
	/* Its socket comes later, so a scan now is for nothing; and whoever lends is in a hurry. */
	if (event->mask & IN_CREATE)
		rescan_later(d);
	else
		folders_scan(d);
	return 0;
}

int kept_await(struct daemon *d, const char *name, void (*call)(void *arg), void *arg)
{
	const struct kept *known = kept_known(d, KEPT_LEASE, name);

	if (!known || !keeper_is_there(known))
		folders_scan(d);
	/* It is not connected: it has ended meanwhile. */
	if (kept_lease(d, name) || !kept_known(d, KEPT_LEASE, name)) {
		call(arg);
		return 0;
	}
	struct kept_waiter *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct kept_waiter){.daemon = d, .next = d->waiters, .call = call, .arg = arg};
	(void)snprintf(w->name, sizeof(w->name), "%s", name);
	int r = sd_event_add_time_relative(
		d->event, &w->timer, CLOCK_MONOTONIC, WAIT_US, 0, on_waited, w);
	if (r < 0) {
		free(w);
		return r;
	}
	d->waiters = w;
	return 0;
}

int kept_watch(struct daemon *d)
{
	char path[FILE_PATH_MAX];

	for (size_t i = 0; i < COUNT(folders); i++) {
		int r = file_path(path, sizeof(path), "%s/%s", d->run_dir, folders[i]);
		if (r < 0)
			return r;
		r = file_mkdirs(path, 0755);
		if (r < 0)
			return r;
		r = sd_event_add_inotify(
			d->event, NULL, path, IN_CREATE | IN_MOVED_TO | IN_DELETE, on_folder, d);
		if (r < 0)
			return r;
	}
	folders_scan(d);
	return 0;
}

bool kept_is_asked(const struct daemon *d)
{
	for (const struct kept *k = d->kept; k; k = k->next)
		if (!k->state)
			return true;
	return false;
}

void kept_close(struct daemon *d)
{
	while (d->kept)
		kept_free(d->kept);
	d->rescan = sd_event_source_disable_unref(d->rescan);
}
