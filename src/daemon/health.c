/* SPDX-License-Identifier: MIT */
#include "daemon/health.h"

#include "base/fd.h"
#include "control/value.h"
#include "daemon/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_ROOM 16384 /* [bytes] of one line */
#define AGAIN_US (2 * UINT64_C(1000000)) /* until a monitor that has ended is started again */
#define MONITOR_NICE 10
#define FAULTS_MAX 64 /* that are remembered */

/* A fault that is not over. */
struct fault {
	char object[PATH_MAX_BUS];
	char cause[32];
	char *evidence;
};

struct health {
	struct daemon *daemon;
	pid_t pid; /* of the monitor; 0: it does not run */
	int fd; /* what it prints */
	sd_event_source *source, *child, *timer;
	sd_bus_slot *slot;
	char line[LINE_ROOM];
	size_t len;
	struct fault faults[FAULTS_MAX];
	size_t fault_count;
};

static void faults_tell(struct health *h)
{
	(void)sd_bus_emit_properties_changed(
		h->daemon->bus, BUS_PATH, BUS_NAME ".Health", "Faults", NULL);
}

static void fault_remove(struct health *h, size_t i)
{
	free(h->faults[i].evidence);
	h->fault_count--;
	memmove(&h->faults[i], &h->faults[i + 1], (h->fault_count - i) * sizeof(h->faults[0]));
}

static void fault_forget(struct health *h, const char *object, const char *cause)
{
	for (size_t i = h->fault_count; i > 0; i--)
		if (strcmp(h->faults[i - 1].object, object) == 0 &&
			strcmp(h->faults[i - 1].cause, cause) == 0)
			fault_remove(h, i - 1);
}

/* The newest stay. */
static void fault_remember(
	struct health *h, const char *object, const char *cause, const char *evidence)
{
	fault_forget(h, object, cause);
	if (h->fault_count == FAULTS_MAX)
		fault_remove(h, 0);
	struct fault *f = &h->faults[h->fault_count];
	f->evidence = strdup(evidence);
	if (!f->evidence)
		return;
	(void)snprintf(f->object, sizeof(f->object), "%s", object);
	(void)snprintf(f->cause, sizeof(f->cause), "%s", cause);
	h->fault_count++;
}

/* What an event is about; "/": the host. */
static const char *event_object(const struct control_value *v, char buf[PATH_MAX_BUS])
{
	static const char *const kinds[][2] = {
		{"address", "device"}, {"lease", "lease"}, {"guest", "guest"}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *name = control_value_text(v, kinds[i][0]);
		if (name)
			return bus_path(buf, kinds[i][1], name);
	}
	return "/";
}

static void event_pass(struct health *h, const struct control_value *v)
{
	const char *event = control_value_text(v, "event"), *cause = control_value_text(v, "cause");
	const char *evidence = control_value_text(v, "evidence");
	char buf[PATH_MAX_BUS];

	if (!event || !cause || !evidence)
		return;
	const char *object = event_object(v, buf);
	const bool is_over = strcmp(event, "recovered") == 0;
	if (is_over)
		fault_forget(h, object, cause);
	else
		fault_remember(h, object, cause, evidence);
	(void)sd_bus_emit_signal(h->daemon->bus, BUS_PATH, BUS_NAME ".Health",
		is_over ? "Recovered" : "Fault", "oss", object, cause, evidence);
	faults_tell(h);
}

/* Return: whether more may come. */
static bool lines_read(struct health *h)
{
	ssize_t got = read(h->fd, h->line + h->len, LINE_ROOM - h->len);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	h->len += (size_t)got;
	for (char *end; (end = memchr(h->line, '\n', h->len));) {
		const size_t len = (size_t)(end - h->line);
		struct control_value *v = NULL;
		if (control_value_parse(h->line, len, &v, NULL) == 0)
			event_pass(h, v);
		control_value_free(v);
		h->len -= len + 1;
		memmove(h->line, end + 1, h->len);
	}
	return got > 0 && h->len < LINE_ROOM;
}

static void monitor_close(struct health *h)
{
	h->source = sd_event_source_disable_unref(h->source);
	fd_close(&h->fd);
	h->len = 0;
}

static void monitor_start(struct health *h);

static int on_again(sd_event_source *source, uint64_t us, void *arg)
{
	monitor_start(arg);
	return 0;
}

static void monitor_again(struct health *h)
{
	h->timer = sd_event_source_disable_unref(h->timer);
	(void)sd_event_add_time_relative(
		h->daemon->event, &h->timer, CLOCK_MONOTONIC, AGAIN_US, 0, on_again, h);
}

static int on_child(sd_event_source *source, const siginfo_t *si, void *arg)
{
	struct health *h = arg;

	h->pid = 0;
	h->child = sd_event_source_disable_unref(h->child);
	/* What it has printed before its end. */
	do
		errno = 0;
	while (h->fd >= 0 && lines_read(h) && errno != EAGAIN);
	monitor_close(h);
	monitor_again(h);
	return 0;
}

/* It may be inside the kernel, so its end is awaited by the loop: on_child(). */
static void monitor_kill(struct health *h)
{
	monitor_close(h);
	if (h->pid > 0)
		(void)kill(h->pid, SIGKILL);
}

static int on_line(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct health *h = arg;

	if (!lines_read(h))
		monitor_kill(h);
	return 0;
}

__attribute__((noreturn)) static void child_main(const struct daemon *d, int out_fd)
{
	const struct sched_param param = {0};
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/*
	 * What it has to tell may wait until those that change devices do. On a host that never
	 * rests it has a tenth of a processor.
	 */
	(void)sched_setscheduler(0, SCHED_BATCH, &param);
	(void)setpriority(PRIO_PROCESS, 0, MONITOR_NICE);
	int nothing = open("/dev/null", O_RDWR);
	(void)dup2(nothing, STDIN_FILENO);
	(void)dup2(out_fd, STDOUT_FILENO);
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execl(d->usher, "usher", "monitor", "--json", "--only=faults", (char *)NULL);
	_exit(127);
}

static int monitor_fork(struct health *h)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	(void)fcntl(ends[1], F_SETFL, 0);
	h->fd = ends[0];
	h->pid = fork();
	if (h->pid == 0)
		child_main(h->daemon, ends[1]);
	int r = h->pid < 0 ? -errno : 0;
	(void)close(ends[1]);
	return r;
}

static void monitor_start(struct health *h)
{
	int r = monitor_fork(h);

	if (r >= 0)
		r = sd_event_add_child(h->daemon->event, &h->child, h->pid, WEXITED, on_child, h);
	if (r >= 0)
		r = sd_event_add_io(h->daemon->event, &h->source, h->fd, EPOLLIN, on_line, h);
	if (r >= 0)
		return;
	monitor_kill(h);
	/* Without the source of its end nobody else waits for it. */
	if (!h->child) {
		h->pid = 0;
		monitor_again(h);
	}
}

void health_start(struct health *h)
{
	monitor_start(h);
}

void health_free(struct health *h)
{
	if (!h)
		return;
	monitor_kill(h);
	(void)sd_event_source_disable_unref(h->child);
	(void)sd_event_source_disable_unref(h->timer);
	(void)sd_bus_slot_unref(h->slot);
	while (h->fault_count)
		fault_remove(h, 0);
	free(h);
}

static int get_faults(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct health *h = arg;

	int r = sd_bus_message_open_container(reply, 'a', "(oss)");
	for (size_t i = 0; r >= 0 && i < h->fault_count; i++)
		r = sd_bus_message_append(reply, "(oss)", h->faults[i].object, h->faults[i].cause,
			h->faults[i].evidence);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const sd_bus_vtable health_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Faults", "a(oss)", get_faults, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_SIGNAL_WITH_ARGS("Fault", SD_BUS_ARGS("o", object, "s", cause, "s", evidence), 0),
	SD_BUS_SIGNAL_WITH_ARGS(
		"Recovered", SD_BUS_ARGS("o", object, "s", cause, "s", evidence), 0),
	SD_BUS_VTABLE_END,
};

int health_new(struct daemon *d, struct health **ret)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->daemon = d;
	h->fd = -1;
	int r = sd_bus_add_object_vtable(
		d->bus, &h->slot, BUS_PATH, BUS_NAME ".Health", health_vtable, h);
	if (r < 0) {
		health_free(h);
		return r;
	}
	*ret = h;
	return 0;
}
