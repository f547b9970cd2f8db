/* SPDX-License-Identifier: MIT */
#include "engine/logbook.h"

#include "base/fd.h"
#include "base/file.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/usher-logbook-XXXXXX";
static struct logbook book;

/* Return: the end to write to. */
static int start(void)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(logbook_open(&book, folder, "box", ends[0]), 0);
	return ends[1];
}

static char *text_of_file(void)
{
	static char text[2 * LOGBOOK_MAX];
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/log/box", folder);
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	return text;
}

static void clean(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void put(int fd, const char *text)
{
	ck_assert_int_eq(fd_write_full(fd, text, strlen(text)), 0);
}

/* Each line has its time once, in whatever pieces it comes, and a terminal may show it. */
START_TEST(lines_have_their_time)
{
	int year, month, day, after = 0;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	int fd = start();
	put(fd, "guest 'box' ");
	(void)logbook_serve(&book);
	ck_assert(!logbook_serve(&book));
	put(fd, "runs\n\033[2Jclear\303\244\177\n");
	logbook_close(&book);
	(void)close(fd);
	char *text = text_of_file();
	ck_assert_int_eq(sscanf(text, "%d-%d-%dT%*d:%*d:%*d %n", &year, &month, &day, &after), 3);
	ck_assert_int_eq(strncmp(text + after, "guest 'box' runs\n", 17), 0);
	ck_assert_str_eq(text + after + 17 + after, "?[2Jclear\303\244?\n");
	clean();
}
END_TEST

/* A program that was taken over writes for ever. What is kept is the youngest, in whole lines. */
START_TEST(the_file_is_bounded)
{
	char line[64];
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (int turn = 0; turn < 3; turn++) {
		int fd = start();
		for (int i = 0; i < 3000; i++) {
			(void)snprintf(line, sizeof(line), "turn %d, line %d of three thousand\n",
				turn, i);
			put(fd, line);
			(void)logbook_serve(&book);
			ck_assert_int_eq(fstat(book.file_fd, &st), 0);
			ck_assert_int_le((int)st.st_size, LOGBOOK_MAX);
		}
		logbook_close(&book);
		(void)close(fd);
	}
	const char *text = text_of_file();
	ck_assert_uint_gt(strlen(text), LOGBOOK_MAX / 4);
	ck_assert_int_eq(strncmp(text, "20", 2), 0);
	ck_assert_ptr_nonnull(strstr(text, "turn 2, line 2999 of three thousand\n"));
	ck_assert_ptr_null(strstr(text, "turn 0,"));
	clean();
}
END_TEST

SUITE("engine_logbook", lines_have_their_time, the_file_is_bounded)
