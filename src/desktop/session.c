/* SPDX-License-Identifier: MIT */
#include "desktop/session.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

#define FOLDER "/run/systemd/sessions"
#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

struct reading {
	struct host *host;
	struct desktop_session *list; /* NULL: only look for a session elsewhere */
	size_t count;
	uid_t uid;
	bool is_elsewhere;
};

/* The value of a line "KEY=VALUE"; "" if there is none. */
static void value_read(const char *text, const char *key, char *buf, size_t size)
{
	size_t len = strlen(key);

	buf[0] = '\0';
	for (const char *line = text; line && *line;) {
		if (strncmp(line, key, len) == 0 && line[len] == '=') {
			const char *from = line + len + 1;
			(void)snprintf(buf, size, "%.*s", (int)strcspn(from, "\n"), from);
			return;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
}

static uint64_t number_read(const char *text, const char *key, uint64_t otherwise)
{
	char value[24];
	uint64_t n;

	value_read(text, key, value, sizeof(value));
	return num_parse(value, 10, UINT32_MAX, &n) == 0 ? n : otherwise;
}

static void session_add(struct reading *r, const char *id, const char *text)
{
	char user[64];

	if (!r->list || r->count++ >= DESKTOP_SESSIONS_MAX)
		return;
	struct desktop_session *s = &r->list[r->count - 1];
	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	value_read(text, "USER", user, sizeof(user));
	file_escape(s->user, sizeof(s->user), user);
	s->uid = (uid_t)number_read(text, "UID", UINT32_MAX);
	value_read(text, "TYPE", s->type, sizeof(s->type));
	s->vt = (unsigned)number_read(text, "VTNR", 0);
}

static int session_read(void *arg, const char *id)
{
	struct reading *r = arg;
	char path[FILE_PATH_MAX], text[4096], seat[32], class[32], state[16];

	/* Beside the sessions are FIFOs, "2.ref". */
	if (id[strspn(id, ID_CHARACTERS)] || strlen(id) >= sizeof(r->list->id) ||
		file_path(path, sizeof(path), FOLDER "/%s", id) < 0 ||
		host_read_text(r->host, path, text, sizeof(text)) <= 0)
		return 0;
	value_read(text, "SEAT", seat, sizeof(seat));
	value_read(text, "CLASS", class, sizeof(class));
	value_read(text, "STATE", state, sizeof(state));
	if (strncmp(class, "user", 4) != 0 || strcmp(state, "closing") == 0)
		return 0;
	if (strcmp(seat, "seat0") == 0)
		session_add(r, id, text);
	else if (number_read(text, "UID", UINT32_MAX) == r->uid)
		r->is_elsewhere = true;
	return 0;
}

size_t desktop_sessions_read(struct host *h, struct desktop_session ret[DESKTOP_SESSIONS_MAX])
{
	struct reading r = {.host = h, .list = ret, .uid = (uid_t)-1};

	(void)h->ops->list(h, FOLDER, session_read, &r);
	return r.count;
}

bool desktop_session_is_local(struct host *h, const char *id)
{
	char path[FILE_PATH_MAX], text[4096], seat[32];

	if (id[strspn(id, ID_CHARACTERS)] || file_path(path, sizeof(path), FOLDER "/%s", id) < 0 ||
		host_read_text(h, path, text, sizeof(text)) <= 0)
		return false;
	value_read(text, "SEAT", seat, sizeof(seat));
	return strcmp(seat, "seat0") == 0;
}

/* /run/systemd/users/UID has the name, which a linger file is called by. */
static bool user_lingers(struct host *h, uid_t uid)
{
	char path[FILE_PATH_MAX], text[4096], name[64];
	struct host_number n;

	if (file_path(path, sizeof(path), "/run/systemd/users/%u", uid) < 0 ||
		host_read_text(h, path, text, sizeof(text)) <= 0)
		return false;
	value_read(text, "NAME", name, sizeof(name));
	return name[0] && !strchr(name, '/') &&
	       file_path(path, sizeof(path), "/var/lib/systemd/linger/%s", name) == 0 &&
	       h->ops->number(h, path, &n) == 0;
}

bool desktop_user_stays(struct host *h, uid_t uid)
{
	struct reading r = {.host = h, .uid = uid};

	(void)h->ops->list(h, FOLDER, session_read, &r);
	/* A path with the name of a user is not for a snapshot. */
	return r.is_elsewhere || (h == host_live() && user_lingers(h, uid));
}
