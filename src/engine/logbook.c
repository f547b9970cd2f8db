/* SPDX-License-Identifier: MIT */
#include "engine/logbook.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE 2048
#define STAMP_MAX 32 /* [bytes] of the time before each line */

static int file_open(struct logbook *l)
{
	l->file_fd = open(l->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return l->file_fd < 0 ? -errno : 0;
}

int logbook_open(struct logbook *l, const char *run_dir, const char *name, int in_fd)
{
	char folder[FILE_PATH_MAX];

	*l = (struct logbook){.in_fd = in_fd, .file_fd = -1};
	(void)fcntl(in_fd, F_SETFL, O_NONBLOCK);
	int r = file_path(folder, sizeof(folder), "%s/log", run_dir);
	if (r < 0)
		return r;
	r = file_mkdirs(folder, 0755);
	if (r < 0)
		return r;
	r = file_path(l->path, sizeof(l->path), "%s/%s", folder, name);
	return r < 0 ? r : file_open(l);
}

/* The younger half, from the start of a line on. */
static void file_shorten(struct logbook *l)
{
	cleanup_free char *text = malloc(LOGBOOK_MAX / 2);
	struct stat st;

	if (!text || fstat(l->file_fd, &st) < 0)
		return;
	size_t len = st.st_size < LOGBOOK_MAX / 2 ? (size_t)st.st_size : LOGBOOK_MAX / 2;
	if (fd_pread_full(l->file_fd, text, len, st.st_size - (off_t)len) < 0)
		len = 0;
	const char *line = memchr(text, '\n', len);
	size_t skip = line ? (size_t)(line + 1 - text) : 0;
	if (ftruncate(l->file_fd, 0) == 0)
		(void)fd_write_full(l->file_fd, text + skip, len - skip);
}

static void file_append(struct logbook *l, const char *text, size_t len)
{
	struct stat st;

	if (l->file_fd < 0 || fstat(l->file_fd, &st) < 0)
		return;
	if ((size_t)st.st_size + len > LOGBOOK_MAX)
		file_shorten(l);
	(void)fd_write_full(l->file_fd, text, len);
}

static size_t put_stamp(char *to)
{
	time_t now = time(NULL);
	struct tm tm;

	return localtime_r(&now, &tm) ? strftime(to, STAMP_MAX, "%FT%T ", &tm) : 0;
}

/* A terminal obeys what is no text, and the guest may have taken over the program that sends it. */
static char safe_byte(char c)
{
	return (c >= 0x20 || c < 0 || c == '\t' || c == '\n') && c != 0x7f ? c : '?';
}

bool logbook_serve(struct logbook *l)
{
	char bytes[PIECE], text[PIECE + STAMP_MAX];
	ssize_t got = l->in_fd < 0 ? 0 : read(l->in_fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < got;) {
		size_t len = l->in_line ? 0 : put_stamp(text);
		l->in_line = true;
		while (i < got && l->in_line) {
			text[len] = safe_byte(bytes[i++]);
			l->in_line = text[len++] != '\n';
		}
		file_append(l, text, len);
	}
	return got > 0;
}

void logbook_close(struct logbook *l)
{
	for (unsigned i = 0; i < LOGBOOK_MAX / PIECE && logbook_serve(l); i++)
		;
	fd_close(&l->in_fd);
	fd_close(&l->file_fd);
}
