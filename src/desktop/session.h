/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_SESSION_H
#define DESKTOP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct host;

#define DESKTOP_SESSIONS_MAX 64

/* A person's session at the host's own screen and keyboard. */
struct desktop_session {
	char id[32];
	char user[64]; /* escaped */
	uid_t uid;
	char type[16]; /* "wayland", "x11", "tty" */
	unsigned vt; /* 0: none */
	bool ends; /* with the desktop; a shell on a text console stays. Set by the plan */
};

/*
 * Reads the sessions on seat0, as logind (or elogind) keeps them in /run/systemd/sessions. A login
 * screen is part of the display manager, and a session by network has no seat: neither is among
 * them. Return: their count, which may be above what @ret has room for; 0 as well without logind.
 */
size_t desktop_sessions_read(struct host *h, struct desktop_session ret[DESKTOP_SESSIONS_MAX]);

/* True if the session is on seat0, of whatever class: a login screen's, too. */
bool desktop_session_is_local(struct host *h, const char *id);

/*
 * True if services of this user stay when the sessions on seat0 end: another session keeps them, or
 * lingering does.
 */
bool desktop_user_stays(struct host *h, uid_t uid);

#endif
