/* SPDX-License-Identifier: MIT */
#include "program/tool.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "program/command.h"
#include "program/namespaces.h"
#include "wire/message.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX KIB(1024)
#define SAID_MAX 4096
#define FOLDER "/usr/bin/" /* of the program, in its root */

static int program_place(struct tool *t, const char *program, const char *package, struct err *e)
{
	char path[COMMAND_PATH_MAX], name[64];
	const struct command c = command_seek(program, path);

	if (c.code < 0) {
		(void)command_report(&c, program, geteuid(), e);
		err_hint(e, "install the package %s", package);
		return c.code;
	}
	cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
	(void)snprintf(name, sizeof(name), FOLDER "%s", t->name);
	int r = fd < 0 ? -errno : root_add(&t->root, path, fd, name, false);
	if (r < 0)
		return err_set(e, r, "start %s", path);
	program_arg(&t->program, "%s", name);
	return 0;
}

/* Root gives it a user of its own. Another user can only be confined as who it is. */
static int user_give(struct tool *t, const char *run_dir, struct err *e)
{
	struct confine *c = &t->confine;

	c->own_users = geteuid() != 0;
	c->any_owner = !c->own_users;
	int r = c->own_users ? 0 : uid_reserve(run_dir, &t->uid, e);
	c->uid = c->own_users ? geteuid() : t->uid.uid;
	c->gid = c->own_users ? getegid() : t->uid.uid;
	return r;
}

/* Nobody writes to this pipe: it ends with this process, whatever the reason. */
static int lifeline_open(struct tool *t)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	t->confine.alive_fd = ends[0];
	t->lifeline = ends[1];
	return 0;
}

static int tool_prepare(struct tool *t, const char *program, const char *package,
	const char *run_dir, struct err *e)
{
	int r = program_place(t, program, package, e);
	if (r < 0)
		return r;
	r = user_give(t, run_dir, e);
	if (r < 0)
		return r;
	r = lifeline_open(t);
	if (r < 0)
		return err_set(e, r, "start %s", t->name);
	t->confine.root = &t->root;
	t->confine.limits = (struct confine_limits){
		.memory = TOOL_MEMORY_MAX, .seconds = TOOL_SECONDS, .file = 1};
	t->program.confine = &t->confine;
	t->program.die_signal = SIGKILL;
	program_env(&t->program, "LC_ALL=C");
	program_dir(&t->program, "/");
	return 0;
}

int tool_new(const char *name, const char *package, const char *run_dir, struct tool **ret,
	struct err *e)
{
	struct tool *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, -ENOMEM, "start %s", name);
	t->name = file_base(name);
	t->root = ROOT_NONE;
	t->confine = CONFINE_NONE;
	t->uid = UID_LEASE_NONE;
	t->lifeline = t->made_line = t->made = -1;
	int r = tool_prepare(t, name, package, run_dir, e);
	if (r < 0)
		tool_free(t);
	else
		*ret = t;
	return r;
}

int tool_file(
	struct tool *t, const char *path, int fd, const char *name, bool writable, struct err *e)
{
	int r = root_add(&t->root, path, fd, name, writable);

	return r < 0 ? err_set(e, r, "give '%s' to %s", path, t->name) : 0;
}

int tool_make(struct tool *t, const char *name, uint64_t room, struct err *e)
{
	int ends[2];
	int r = wire_pair(ends);

	if (r < 0)
		return err_set(e, r, "start %s", t->name);
	t->made_line = ends[0];
	t->root.made_line = ends[1];
	t->root.room = room;
	t->confine.limits.file = TOOL_SPARSE_MAX;
	(void)snprintf(t->root.made, sizeof(t->root.made), "%s", name);
	return 0;
}

/* What it writes, up to a limit. */
struct stream {
	int fd;
	char *bytes;
	size_t len, max;
	bool is_over; /* there was more */
};

/* What is beyond the limit is read as well: the program waits for nobody. */
static void stream_read(struct stream *s)
{
	char more[512];
	const size_t room = s->max - s->len;
	ssize_t n = room ? read(s->fd, s->bytes + s->len, room) : read(s->fd, more, sizeof(more));

	if (n > 0 && !room)
		s->is_over = true;
	else if (n > 0)
		s->len += (size_t)n;
	else if (n == 0 || errno != EINTR)
		fd_close(&s->fd);
}

/* Until both have ended. Return: 0, -ETIMEDOUT, -EFBIG. */
static int streams_read(struct stream s[2])
{
	const int64_t end = clock_ms() + TOOL_WAIT_MS;

	while (s[0].fd >= 0 || s[1].fd >= 0) {
		struct pollfd fds[] = {
			{.fd = s[0].fd, .events = POLLIN}, {.fd = s[1].fd, .events = POLLIN}};
		const int64_t now = clock_ms();
		if (now >= end)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)(end - now)) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				stream_read(&s[i]);
		if (s[0].is_over)
			return -EFBIG;
	}
	return 0;
}

/* Its first line says what is wrong. */
static void said_keep(const struct tool *t, char *text, char *buf, size_t size)
{
	const size_t len = strlen(t->name);

	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, t->name, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	file_escape(buf, size, text);
}

static int end_judge(const struct tool *t, int r, const struct tool_end *end, struct err *e)
{
	if (r == -ETIMEDOUT)
		return err_say(e, -EINVAL, "it takes too long to read: damaged, or made to harm");
	if (r == -EFBIG)
		return err_say(e, -EINVAL,
			"%s says more of it than can be true: damaged, or made to harm", t->name);
	if (end->status > 128)
		return err_say(e, -EINVAL, "it is damaged, or made to harm: %s died of it (%s)",
			t->name, strsignal(end->status - 128));
	return 0;
}

static void made_take(struct tool *t)
{
	struct wire_fds fds = {0};
	struct wire_header m;

	fd_close(&t->root.made_line);
	if (t->made_line < 0 || wire_receive(t->made_line, &m, sizeof(m), &fds) < 0)
		return;
	if (fds.count == 1)
		t->made = fds.fds[0];
	else
		wire_close(&fds);
}

static void namespaces_hint(struct err *e)
{
	const char *setting = namespaces_setting("/proc/sys");

	err_hint(e, "an ordinary user needs user namespaces for that%s%s%s; or run as root",
		setting ? " (sysctl " : "", setting ? setting : "", setting ? ")" : "");
}

static int start_report(const struct tool *t, int r, struct err *e)
{
	if (r != -EPERM && r != -ENOSPC && r != -EUSERS && r != -ENOSYS)
		return r;
	(void)err_say(e, -EPERM,
		"this host does not let usher confine %s, so usher does not start it", t->name);
	if (t->confine.own_users)
		namespaces_hint(e);
	else
		err_hint(e, "run outside of the container: it needs CAP_SYS_ADMIN");
	return -EPERM;
}

static int tool_start(struct tool *t, struct stream s[2], struct process *ret, struct err *e)
{
	int out[2], said[2];
	cleanup_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || pipe2(out, O_CLOEXEC) < 0)
		return err_set(e, -errno, "start %s", t->name);
	s[0].fd = out[0];
	cleanup_fd int their_out = out[1];
	if (pipe2(said, O_CLOEXEC) < 0)
		return err_set(e, -errno, "start %s", t->name);
	s[1].fd = said[0];
	cleanup_fd int their_said = said[1];
	t->program.stdin_fd = null;
	t->program.stdout_fd = their_out;
	t->program.stderr_fd = their_said;
	int r = process_start(&t->program, ret, e);
	fd_close(&t->confine.alive_fd);
	return r < 0 ? start_report(t, r, e) : 0;
}

int tool_run(struct tool *t, struct tool_end *ret, struct err *e)
{
	char said[SAID_MAX + 1] = "";
	struct stream s[2] = {
		{.fd = -1, .max = OUT_MAX}, {.fd = -1, .bytes = said, .max = SAID_MAX}};
	struct process child;

	*ret = (struct tool_end){.out = calloc(1, OUT_MAX + 1)};
	s[0].bytes = ret->out;
	if (!ret->out)
		return err_set(e, -ENOMEM, "start %s", t->name);
	int r = tool_start(t, s, &child, e);
	if (r == 0) {
		made_take(t);
		r = streams_read(s);
		/* It may be taken over, and not end. The status of one that has died stays. */
		if (r < 0)
			(void)kill(child.pid, SIGKILL);
		ret->status = process_reap(&child);
		ret->len = s[0].len;
		said_keep(t, said, ret->said, sizeof(ret->said));
		r = end_judge(t, r, ret, e);
	}
	fd_close(&s[0].fd);
	fd_close(&s[1].fd);
	return r;
}

void tool_free(struct tool *t)
{
	if (!t)
		return;
	fd_close(&t->confine.alive_fd);
	fd_close(&t->lifeline);
	fd_close(&t->root.made_line);
	fd_close(&t->made_line);
	fd_close(&t->made);
	uid_release(&t->uid);
	free(t);
}
