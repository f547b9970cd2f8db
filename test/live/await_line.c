/* SPDX-License-Identifier: MIT */
/*
 * await_line SECONDS FILE PATTERN [COUNT [PID]]: waits until COUNT lines (default: 1) of a file
 * that grows match a basic regular expression, or until the process has ended.
 * Exit status: 0 for the lines, 1 when the time is over, 3 when the process ended without them.
 *
 * A loop of the shell that starts grep and sleep takes a quarter of the emulated processor from the
 * guest that it waits for. Linked statically, because this starts faster.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAUSE 50 /* [ms] */

struct tail {
	const char *path;
	regex_t pattern;
	int fd;
	int count, missing; /* lines that have to match, and those that have not yet */
	off_t offset;
	size_t length; /* of the last line, if it has no end yet */
	char line[1 << 16];
};

static int line_matches(const struct tail *t, const char *line)
{
	return regexec(&t->pattern, line, 0, NULL, 0) == 0;
}

/* Keeps the last line if it has no end. A line that is too long is cut. */
static bool lines_match(struct tail *t)
{
	char *start = t->line, *end;

	t->line[t->length] = 0;
	while ((end = memchr(start, '\n', t->length - (size_t)(start - t->line)))) {
		*end = 0;
		t->missing -= line_matches(t, start);
		start = end + 1;
	}
	t->length -= (size_t)(start - t->line);
	(void)memmove(t->line, start, t->length + 1);
	if (t->length == sizeof(t->line) - 1)
		t->length = 0;
	return t->missing <= line_matches(t, t->line);
}

/* Reads what is new. A file that has become shorter is read from its start. */
static bool tail_matches(struct tail *t)
{
	struct stat st;
	ssize_t got;

	if (t->fd < 0)
		t->fd = open(t->path, O_RDONLY | O_CLOEXEC);
	if (t->fd < 0 || fstat(t->fd, &st) < 0)
		return false;
	if (st.st_size < t->offset) {
		t->offset = 0;
		t->length = 0;
		t->missing = t->count;
	}
	while ((got = pread(t->fd, t->line + t->length, sizeof(t->line) - 1 - t->length,
			t->offset)) > 0) {
		for (char *c = t->line + t->length; c < t->line + t->length + got; c++)
			*c = *c ? *c : ' ';
		t->offset += got;
		t->length += (size_t)got;
		if (lines_match(t))
			return true;
	}
	return false;
}

static time_t seconds_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

int main(int argc, char **argv)
{
	static struct tail t = {.fd = -1};
	struct pollfd process = {.fd = -1, .events = POLLIN};
	bool ended = false;

	if (argc < 4 || regcomp(&t.pattern, argv[3], REG_NOSUB) != 0) {
		(void)fprintf(stderr, "usage: await_line SECONDS FILE PATTERN [COUNT [PID]]\n");
		return 2;
	}
	t.path = argv[2];
	t.count = t.missing = argc > 4 ? atoi(argv[4]) : 1;
	if (argc > 5) {
		process.fd = (int)syscall(SYS_pidfd_open, atoi(argv[5]), 0);
		ended = process.fd < 0 && errno == ESRCH;
	}
	time_t until = seconds_now() + atoi(argv[1]);
	while (!tail_matches(&t)) {
		if (ended)
			return 3;
		if (seconds_now() >= until)
			return 1;
		ended = poll(&process, 1, PAUSE) > 0;
	}
	return 0;
}
