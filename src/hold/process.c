/* SPDX-License-Identifier: MIT */
/* Processes as a person knows them, and the session that usher itself runs in. */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <stdio.h>
#include <string.h>

#define PARENTS_MAX 32 /* shells within sudo within tmux are a handful */

bool hold_user_name(const char *users, uid_t uid, char *buf, size_t size)
{
	for (const char *line = users; *line; line += strcspn(line, "\n") + 1) {
		size_t n = strcspn(line, ":\n");
		const char *p = line + n;
		unsigned id;

		if (*p == ':' && sscanf(p, ":%*[^:\n]:%u:", &id) == 1 && id == uid)
			return file_path(buf, size, "%.*s", (int)n, line) == 0;
		if (!line[strcspn(line, "\n")])
			break;
	}
	return false;
}

/* Field 4 of /proc/PID/stat; the command in field 2 may hold blanks and parentheses. */
static pid_t parent_of(struct host *h, const char *pid)
{
	char path[FILE_PATH_MAX], text[512];
	int parent;

	if (file_path(path, sizeof(path), "/proc/%s/stat", pid) < 0)
		return 0;
	ssize_t n = h->ops->read(h, path, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	const char *p = strrchr(text, ')');
	return p && sscanf(p, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* SSH_CONNECTION is "client port server port"; the server's address is what we came in by. */
static bool server_address(const char *text, size_t len, char *buf, size_t size)
{
	static const char key[] = "SSH_CONNECTION=";
	const char *end = text + len;

	for (const char *p = text; p < end; p += strlen(p) + 1) {
		if (strncmp(p, key, sizeof(key) - 1) != 0)
			continue;
		const char *from = p + sizeof(key) - 1;
		for (int i = 0; i < 2; i++) {
			from += strcspn(from, " ");
			from += *from == ' ';
		}
		return *from && file_path(buf, size, "%.*s", (int)strcspn(from, " "), from) == 0;
	}
	return false;
}

/*
 * sudo takes SSH_CONNECTION out of the environment, so it is looked for in the parents' too.
 */
void hold_ssh_address(struct host *h, char *buf, size_t size)
{
	char path[FILE_PATH_MAX], pid[16] = "self";

	buf[0] = '\0';
	for (unsigned i = 0; i < PARENTS_MAX; i++) {
		cleanup_free char *text = NULL;

		if (file_path(path, sizeof(path), "/proc/%s/environ", pid) < 0)
			return;
		ssize_t n = host_read_all(h, path, &text);
		if (n > 0 && server_address(text, (size_t)n, buf, size))
			return;
		pid_t parent = parent_of(h, pid);
		if (parent <= 1)
			return;
		(void)snprintf(pid, sizeof(pid), "%d", (int)parent);
	}
}
