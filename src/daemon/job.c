/* SPDX-License-Identifier: MIT */
#include "daemon/job.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/num.h"
#include "daemon/command.h"
#include "daemon/hardware.h"
#include "daemon/path.h"
#include "daemon/sender.h"
#include "daemon/text.h"
#include "daemon/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOB_LIMIT_MAX_S 172800
#define JOB_OUTPUT_FIRST 16384 /* [bytes] */
#define JOB_KILL_US (10 * UINT64_C(1000000))
#define JOB_STAY_US (30 * UINT64_C(1000000)) /* after its end */

static const char *job_path(const struct job *j, char buf[PATH_MAX_BUS])
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%" PRIu32, j->id);
	return bus_path(buf, "job", name);
}

const char *job_state(const struct job *j)
{
	return j->pid         ? "running"
	       : j->late      ? "timeout"
	       : j->cancelled ? "cancelled"
	       : j->status    ? "failed"
			      : "done";
}

const char *job_message(const struct job *j, char buf[1024])
{
	const char *text = j->errors.text;

	if (strncmp(text, "usher: ", 7) == 0)
		text += 7;
	text_copy(buf, 1024, text, strlen(text));
	const size_t len = strlen(buf);
	if (len && buf[len - 1] == '\n')
		buf[len - 1] = '\0';
	if (!buf[0])
		(void)snprintf(buf, 1024, "usher %s ended with status %d", j->verb, j->status);
	return buf;
}

static void stream_close(struct job_stream *s)
{
	s->source = sd_event_source_disable_unref(s->source);
	fd_close(&s->fd);
}

/*
 * What the bus is to hear of the job, in the order in which it happened. An object that is added
 * has its properties, so what has changed before is not told again.
 */
static void signals_send(void *arg)
{
	struct job *j = arg;
	sd_bus *bus = j->daemon->bus;
	char path[PATH_MAX_BUS];

	news_end(&j->news);
	/* The drivers that the job has changed, before its end. */
	if (j->has_ended)
		hardware_tell(j->daemon);
	(void)job_path(j, path);
	if (!j->is_told)
		(void)sd_bus_emit_object_added(bus, path);
	else if (j->has_ended)
		(void)sd_bus_emit_properties_changed(
			bus, path, BUS_NAME ".Job", "Progress", "State", "ExitStatus", NULL);
	else if (j->has_news)
		(void)sd_bus_emit_properties_changed(bus, path, BUS_NAME ".Job", "Progress", NULL);
	if (j->has_ended)
		(void)sd_bus_emit_signal(
			bus, BUS_PATH, BUS_NAME ".Manager", "JobDone", "os", path, job_state(j));
	j->is_told = true;
	j->has_news = j->has_ended = false;
}

static void signals_collect(struct job *j)
{
	news_collect(j->daemon, &j->news, signals_send, j);
}

static void job_free(struct job *j)
{
	struct job **at = &j->daemon->jobs;
	char path[PATH_MAX_BUS];

	while (*at && *at != j)
		at = &(*at)->next;
	if (*at) {
		signals_send(j);
		(void)sd_bus_emit_object_removed(j->daemon->bus, job_path(j, path));
		*at = j->next;
		j->daemon->job_count--;
	}
	while (j->waiter_count)
		(void)sd_bus_message_unref(j->waiters[--j->waiter_count]);
	stream_close(&j->out);
	stream_close(&j->errors);
	(void)sd_event_source_disable_unref(j->child);
	(void)sd_event_source_disable_unref(j->timer);
	free(j->out.text);
	free(j->errors.text);
	free(j);
}

static void stream_grow(struct job_stream *s)
{
	const size_t size = s->size * 2 < s->most ? s->size * 2 : s->most;
	char *text = s->len + 1 < s->size || s->size == s->most ? NULL : realloc(s->text, size);

	if (!text)
		return;
	s->text = text;
	s->size = size;
}

/* Return: whether more may come. */
static bool stream_read(struct job_stream *s)
{
	char drop[4096];

	stream_grow(s);
	const size_t room = s->size - 1 - s->len;
	ssize_t got = read(s->fd, room ? s->text + s->len : drop, room ? room : sizeof(drop));

	if (got > 0 && room) {
		s->len += (size_t)got;
		s->text[s->len] = '\0';
	}
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* The child has ended, and a keeper that it has started has neither pipe: nothing more comes. */
static void stream_drain(struct job_stream *s)
{
	do
		errno = 0; /* a read that succeeds leaves the one of an earlier call */
	while (s->fd >= 0 && stream_read(s) && errno != EAGAIN);
	stream_close(s);
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct job *j = arg;

	if (!stream_read(&j->out))
		stream_close(&j->out);
	return 0;
}

/* What the command says as it goes: the last line that is whole. */
static void progress_read(struct job *j)
{
	const char *text = j->errors.text;
	const char *end = memrchr(text, '\n', j->errors.len);

	if (!end)
		return;
	const char *begin = memrchr(text, '\n', (size_t)(end - text));
	begin = begin ? begin + 1 : text;
	text_copy(j->progress, sizeof(j->progress), begin, (size_t)(end - begin));
	j->has_news = true;
}

static int on_errors(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct job *j = arg;
	const size_t before = j->errors.len;

	if (!stream_read(&j->errors))
		stream_close(&j->errors);
	if (j->errors.len == before)
		return 0;
	progress_read(j);
	signals_collect(j);
	return 0;
}

static int on_stay_over(sd_event_source *source, uint64_t us, void *arg)
{
	job_free(arg);
	return 0;
}

static int timer_set(
	struct job *j, uint64_t us, int (*call)(sd_event_source *s, uint64_t us, void *arg))
{
	j->timer = sd_event_source_disable_unref(j->timer);
	return sd_event_add_time_relative(
		j->daemon->event, &j->timer, CLOCK_MONOTONIC, us, 0, call, j);
}

/* Sends the answer to a call of Wait, which is taken over. */
static int result_send(sd_bus_message *answer, const struct job *j)
{
	int r = sd_bus_message_append(answer, "si", job_state(j), j->status);
	if (r >= 0)
		r = sd_bus_message_append_array(answer, 'y', j->out.text, j->out.len);
	if (r >= 0)
		r = sd_bus_message_append_array(answer, 'y', j->errors.text, j->errors.len);
	if (r >= 0)
		r = sd_bus_send(NULL, answer, NULL);
	(void)sd_bus_message_unref(answer);
	return r < 0 ? r : 1;
}

static void waiters_answer(struct job *j)
{
	while (j->waiter_count)
		(void)result_send(j->waiters[--j->waiter_count], j);
}

static void job_end(struct job *j)
{
	const bool is_awaited = j->is_lending || j->waiter_count;

	stream_drain(&j->out);
	stream_drain(&j->errors);
	waiters_answer(j);
	if (j->done)
		j->done(j, j->arg);
	progress_read(j);
	j->has_ended = true;
	/* Whoever does not wait hears of the end by its signals. */
	if (is_awaited)
		signals_collect(j);
	else
		signals_send(j);
	if (timer_set(j, JOB_STAY_US, on_stay_over) < 0)
		job_free(j);
}

static int on_child(sd_event_source *source, const siginfo_t *si, void *arg)
{
	struct job *j = arg;

	j->pid = 0;
	j->child = sd_event_source_disable_unref(j->child); /* it has a pidfd */
	if (j->unit[0] && (j->cancelled || j->late))
		unit_stop(j->daemon, j->unit);
	j->status = si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
	job_end(j);
	return 0;
}

static int on_kill(sd_event_source *source, uint64_t us, void *arg)
{
	struct job *j = arg;

	if (j->pid)
		(void)kill(j->pid, SIGKILL);
	return 0;
}

static void job_stop(struct job *j)
{
	(void)kill(j->pid, SIGTERM);
	if (j->unit[0])
		unit_stop(j->daemon, j->unit);
	(void)timer_set(j, JOB_KILL_US, on_kill);
}

static int on_late(sd_event_source *source, uint64_t us, void *arg)
{
	struct job *j = arg;

	j->late = j->pid != 0;
	if (j->pid)
		job_stop(j);
	return 0;
}

static int stream_open(struct job *j, struct job_stream *s, size_t size, sd_event_io_handler_t call,
	int *ret_other)
{
	int ends[2];

	s->fd = -1;
	s->most = size;
	s->size = size < JOB_OUTPUT_FIRST ? size : JOB_OUTPUT_FIRST;
	s->text = calloc(1, s->size);
	if (!s->text)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	s->fd = ends[0];
	*ret_other = ends[1];
	/* The child is an ordinary program, and waits when it has to. */
	(void)fcntl(ends[1], F_SETFL, 0);
	return sd_event_add_io(j->daemon->event, &s->source, s->fd, EPOLLIN, call, j);
}

static int child_start(struct job *j, const struct job_task *t)
{
	uint64_t limit_s = t->limit_s;
	int out = -1, errors = -1;

	int r = stream_open(j, &j->out, JOB_OUTPUT_MAX, on_output, &out);
	if (r >= 0)
		r = stream_open(j, &j->errors, JOB_ERRORS_MAX, on_errors, &errors);
	if (r >= 0) {
		const struct command c = {.words = t->words,
			.output_fd = t->output_fd >= 0 ? t->output_fd : out,
			.errors_fd = errors,
			.file_fd = t->file_fd};
		j->pid = command_start(j->daemon, &c, j->unit);
		r = j->pid < 0 ? (int)j->pid : 0;
	}
	fd_close(&out);
	fd_close(&errors);
	if (r < 0)
		return r;
	r = sd_event_add_child(j->daemon->event, &j->child, j->pid, WEXITED, on_child, j);
	if (!limit_s || limit_s > JOB_LIMIT_MAX_S)
		limit_s = limit_s ? JOB_LIMIT_MAX_S : JOB_LIMIT_S;
	return r < 0 ? r : timer_set(j, limit_s * UINT64_C(1000000), on_late);
}

/* The job of @user that has stayed longest, root's call: of anybody. NULL: none has ended. */
static struct job *job_oldest(const struct daemon *d, uid_t user)
{
	struct job *found = NULL;

	for (struct job *j = d->jobs; j; j = j->next)
		if (!j->pid && (user == 0 || j->user == user))
			found = j;
	return found;
}

/* Return: whether there is room for one more. */
static bool jobs_make_room(struct daemon *d, uid_t user)
{
	const size_t most = user ? JOBS_MAX : JOBS_MAX + JOBS_USER_MAX;
	size_t own = 0;

	for (const struct job *j = d->jobs; j; j = j->next)
		own += j->user == user;
	if (d->job_count < most && (user == 0 || own < JOBS_USER_MAX))
		return true;
	struct job *oldest = job_oldest(d, user);
	if (oldest)
		job_free(oldest);
	return oldest;
}

int job_start_task(struct daemon *d, const struct job_task *t, struct job **ret)
{
	if (!jobs_make_room(d, t->user))
		return -EBUSY;
	struct job *j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	*j = (struct job){.daemon = d,
		.id = ++d->job_last,
		.user = t->user,
		.is_lending = t->is_lending,
		.out.fd = -1,
		.errors.fd = -1};
	(void)snprintf(j->verb, sizeof(j->verb), "%s", t->words[1]);
	if (unit_is_needed(t->words))
		unit_name(j->unit, j->id);
	int r = child_start(j, t);
	if (r < 0) {
		if (j->pid > 0)
			(void)kill(j->pid, SIGKILL);
		job_free(j);
		return r;
	}
	j->next = d->jobs;
	d->jobs = j;
	d->job_count++;
	signals_collect(j);
	*ret = j;
	return 0;
}

int job_start(struct daemon *d, char *const *words, uid_t user, uint64_t limit_s, struct job **ret)
{
	const struct job_task t = {
		.words = words, .user = user, .limit_s = limit_s, .output_fd = -1, .file_fd = -1};

	return job_start_task(d, &t, ret);
}

bool jobs_lend(const struct daemon *d)
{
	for (const struct job *j = d->jobs; j; j = j->next)
		if (j->is_lending && j->pid)
			return true;
	return false;
}

static int job_find(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
	sd_bus_error *error)
{
	struct daemon *d = arg;
	char name[128];
	uint64_t id;

	if (!bus_path_name(path, "job", name, sizeof(name)) ||
		num_parse(name, 10, UINT32_MAX, &id) < 0)
		return 0;
	for (struct job *j = d->jobs; j; j = j->next)
		if (j->id == id) {
			*ret = j;
			return 1;
		}
	return 0;
}

static int jobs_enumerate(
	sd_bus *bus, const char *prefix, void *arg, char ***ret_nodes, sd_bus_error *error)
{
	struct daemon *d = arg;
	char path[PATH_MAX_BUS], **nodes = calloc(d->job_count + 1, sizeof(*nodes));
	size_t i = 0;

	if (!nodes)
		return -ENOMEM;
	for (const struct job *j = d->jobs; j; j = j->next)
		nodes[i++] = strdup(job_path(j, path));
	*ret_nodes = nodes;
	return 0;
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", job_state(arg));
}

static int get_verb(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct job *j = arg;

	return sd_bus_message_append(reply, "s", j->verb);
}

/* What a job prints may name processes of others: it is for who asked for the job, and root. */
static int sender_check(sd_bus_message *m, const struct job *j, sd_bus_error *error)
{
	uid_t uid = (uid_t)-1;

	if (sender_user(m, &uid) >= 0 && (uid == 0 || uid == j->user))
		return 0;
	return sd_bus_error_set_const(
		error, SD_BUS_ERROR_ACCESS_DENIED, "the job is another user's");
}

static int get_progress(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct job *j = arg;
	sd_bus_message *m = sd_bus_get_current_message(bus);
	sd_bus_error refused = SD_BUS_ERROR_NULL;
	const bool hidden = !j->progress[0] || !m || sender_check(m, j, &refused) < 0;

	sd_bus_error_free(&refused);
	return sd_bus_message_append(reply, "s", hidden ? "" : j->progress);
}

static int method_cancel(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct job *j = arg;

	int r = sender_check(m, j, error);
	if (r < 0)
		return r;
	if (j->pid && !j->cancelled) {
		j->cancelled = true;
		job_stop(j);
	}
	return sd_bus_reply_method_return(m, "");
}

/* A copy: while the job runs, the rest of a character may come. Return: NULL without memory. */
static char *stream_text(const struct job_stream *s, bool is_over)
{
	const size_t len = is_over ? s->len : text_whole(s->text, s->len);
	char *text = malloc(len + 1);

	if (text)
		text_copy(text, len + 1, s->text, len);
	return text;
}

static int method_result(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const struct job *j = arg;

	int r = sender_check(m, j, error);
	if (r < 0)
		return r;
	cleanup_free char *out = stream_text(&j->out, !j->pid);
	cleanup_free char *errors = stream_text(&j->errors, !j->pid);
	if (!out || !errors)
		return -ENOMEM;
	return sd_bus_reply_method_return(m, "siss", job_state(j), j->status, out, errors);
}

/* The same, at the job's end, and as the command has written it. */
static int method_wait(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	sd_bus_message *answer = NULL;
	struct job *j = arg;

	int r = sender_check(m, j, error);
	if (r < 0)
		return r;
	if (j->pid && j->waiter_count == JOB_WAITERS_MAX)
		return sd_bus_error_set_const(
			error, BUS_NAME ".Error.Busy", "too many wait for this job");
	r = sd_bus_message_new_method_return(m, &answer);
	if (r < 0)
		return r;
	if (!j->pid)
		return result_send(answer, j);
	j->waiters[j->waiter_count++] = answer;
	return 1;
}

static const sd_bus_vtable job_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Verb", "s", get_verb, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY(
		"User", "u", NULL, offsetof(struct job, user), SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("ExitStatus", "i", NULL, offsetof(struct job, status),
		SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	/* The last line that it has printed; "" for others than who asked for the job. */
	SD_BUS_PROPERTY(
		"Progress", "s", get_progress, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
	SD_BUS_METHOD("Cancel", "", "", method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Result", SD_BUS_NO_ARGS,
		SD_BUS_RESULT("s", state, "i", status, "s", output, "s", errors), method_result,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_NO_ARGS,
		SD_BUS_RESULT("s", state, "i", status, "ay", output, "ay", errors), method_wait,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int jobs_add_vtables(struct daemon *d)
{
	int r = sd_bus_add_fallback_vtable(
		d->bus, NULL, BUS_PATH "/job", BUS_NAME ".Job", job_vtable, job_find, d);

	return r < 0 ? r
		     : sd_bus_add_node_enumerator(d->bus, NULL, BUS_PATH "/job", jobs_enumerate, d);
}
