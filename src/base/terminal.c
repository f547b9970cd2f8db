/* SPDX-License-Identifier: MIT */
#include "base/terminal.h"

#include <errno.h>
#include <unistd.h>

bool terminal_read(int fd, struct terminal *ret)
{
	*ret = (struct terminal){.fd = fd};
	ret->known = tcgetattr(fd, &ret->settings) == 0;
	return ret->known;
}

bool terminal_is_ours(int fd)
{
	return tcgetpgrp(fd) == getpgrp();
}

/*
 * Process groups of another PID namespace have no number here. But the kernel checks at each read,
 * even of no byte, whether the reader is in the foreground.
 */
bool terminal_is_readable(int fd)
{
	char none;

	return read(fd, &none, 0) == 0 || errno != EIO;
}

static struct termios settings_raw(const struct terminal *t)
{
	struct termios raw = t->settings;

	cfmakeraw(&raw);
	/* Messages of several processes end their lines with \n alone. */
	raw.c_oflag |= OPOST | ONLCR;
	return raw;
}

bool terminal_make_raw(const struct terminal *t)
{
	struct termios raw = settings_raw(t);

	return t->known && tcsetattr(t->fd, TCSANOW, &raw) == 0;
}

/* Not TCSADRAIN: that would wait for a terminal that nobody reads. */
void terminal_restore(const struct terminal *t)
{
	if (t->known)
		(void)tcsetattr(t->fd, TCSANOW, &t->settings);
}

static bool settings_same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag;
}

void terminal_repair(const struct terminal *t, bool killed)
{
	struct termios now, raw;

	if (!t->known || tcgetattr(t->fd, &now) < 0)
		return;
	raw = settings_raw(t);
	if (settings_same(&now, &raw) || (killed && terminal_is_ours(t->fd)))
		terminal_restore(t);
}
