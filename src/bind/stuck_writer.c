/* SPDX-License-Identifier: MIT */
#include "bind/stuck_writer.h"

#include "base/file.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

#define COMM_MAX 17 /* [bytes] TASK_COMM_LEN and the newline of /proc/PID/comm */
#define WCHAN_MAX 64 /* [bytes] of a function's name that are shown */

static int read_comm(struct host *h, pid_t pid, char buf[COMM_MAX])
{
	char path[FILE_PATH_MAX];

	int r = file_path(path, sizeof(path), "/proc/%d/comm", pid);
	return r < 0 ? r : (int)host_read_text(h, path, buf, COMM_MAX);
}

/* proc(5), /proc/PID/stat: the name may contain brackets itself; state and parent follow. */
static int read_state(struct host *h, pid_t pid, char *ret_state, pid_t *ret_parent)
{
	char path[FILE_PATH_MAX], text[1024] = "";

	int r = file_path(path, sizeof(path), "/proc/%d/stat", pid);
	if (r == 0)
		r = (int)host_read_text(h, path, text, sizeof(text));
	const char *p = r < 0 ? NULL : strrchr(text, ')');
	return p && sscanf(p, ") %c %d", ret_state, ret_parent) == 2 ? 0 : -1;
}

/* A writer has its parent's name while usher runs; init or a session that adopts it has another. */
static int is_orphan(struct host *h, pid_t writer, pid_t parent)
{
	char own[COMM_MAX], its[COMM_MAX];

	return read_comm(h, writer, own) >= 0 &&
	       (read_comm(h, parent, its) < 0 || strcmp(own, its) != 0);
}

/* " (vfio_unregister_group_dev)"; "" if the kernel hides it: unprivileged readers get "0". */
static void find_place(struct host *h, pid_t writer, char *buf, size_t size)
{
	char path[FILE_PATH_MAX], text[WCHAN_MAX], place[WCHAN_MAX * 4];

	buf[0] = '\0';
	if (file_path(path, sizeof(path), "/proc/%d/wchan", writer) < 0 ||
		host_read_text(h, path, text, sizeof(text)) <= 0 || strcmp(text, "0") == 0)
		return;
	file_escape(place, sizeof(place), text);
	(void)snprintf(buf, size, " (%.64s)", place);
}

const char *bind_stuck_writer_format(
	struct host *h, pid_t writer, const char *what, char *buf, size_t size)
{
	char state = '?', place[WCHAN_MAX + 8];
	pid_t parent = 0;

	if (read_state(h, writer, &state, &parent) < 0 || state != 'D') {
		(void)snprintf(buf, size, "process %d of usher is at work on %s", writer, what);
		return buf;
	}
	find_place(h, writer, place, sizeof(place));
	(void)snprintf(buf, size, "process %d of usher %s in the kernel%s", writer,
		is_orphan(h, writer, parent) ? "is stuck" : "waits", place);
	return buf;
}

const char *bind_stuck_writer_hint(pid_t writer, char *buf, size_t size)
{
	(void)snprintf(buf, size,
		"see /proc/%d/stack; when the device is no longer in use, run usher restore",
		writer);
	return buf;
}
