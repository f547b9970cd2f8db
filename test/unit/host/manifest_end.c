/* SPDX-License-Identifier: MIT */
#include "host/manifest_end.h"

#include "base/err.h"
#include "host/host.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY "\n# a remark\nat /sys\nfile a 1\nfile b \\x20\n\nfile c\nholder 1 0 226:1 a end\n"

/* A snapshot as usher writes it. */
static char *written_text(void)
{
	char line[MANIFEST_END_SIZE], *text = NULL;

	manifest_end_format("usher-host 2\n" BODY, line);
	ck_assert_int_gt(asprintf(&text, "usher-host 2\n" BODY "%s\n", line), 0);
	return text;
}

static int read_text(const char *text, struct err *e)
{
	struct host *h = NULL;

	*e = (struct err){0};
	int r = host_snapshot_from(text, strlen(text), &h, e);
	if (r == 0)
		host_close(h);
	return r;
}

/* Replaces every @from in @text. The caller frees the result. */
static char *replace_all(const char *text, const char *from, const char *to)
{
	char *all = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&all, &len);

	for (const char *next; (next = strstr(text, from)); text = next + strlen(from))
		(void)fprintf(f, "%.*s%s", (int)(next - text), text, to);
	(void)fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	return all;
}

static void accepts_text(char *text)
{
	struct err e;

	ck_assert_msg(read_text(text, &e) == 0, "%s\n%s", e.msg, text);
	free(text);
}

static void refuses_text(char *text, const char *why)
{
	struct err e;

	ck_assert_msg(read_text(text, &e) == -EINVAL, "accepted:\n%s", text);
	ck_assert_msg(strstr(e.msg, why) != NULL, "'%s' instead of '%s'", e.msg, why);
	ck_assert_msg(strstr(e.hint, "attachment") != NULL, "%s", e.hint);
	free(text);
}

START_TEST(counts_entries_alone)
{
	char line[MANIFEST_END_SIZE], again[MANIFEST_END_SIZE];

	manifest_end_format("usher-host 2\n" BODY, line);
	ck_assert_int_eq(strncmp(line, "end 5 ", 6), 0);
	manifest_end_format("usher-host 2\n# more\n\n" BODY "\n#\n", again);
	ck_assert_str_eq(line, again);
	manifest_end_format("usher-host 2\n", line);
	ck_assert_str_eq(line, "end 0 00000000");
	manifest_end_format("usher-host 2\n123456789\n", line);
	ck_assert_str_eq(line, "end 1 e0117757"); /* as zlib's crc32() */
}
END_TEST

/* Whatever is lost at the end, in any place. */
START_TEST(refuses_every_cut)
{
	char *text = written_text();
	size_t whole = strlen(text) - 1; /* a newline may be missing */
	size_t plain = (size_t)(strstr(text, "\nend ") - text) + 4; /* as a person writes it */

	accepts_text(strndup(text, whole));
	for (size_t cut = strlen("usher-host 2\n"); cut < whole; cut++) {
		if (cut != plain && cut != plain + 1)
			refuses_text(strndup(text, cut), "");
	}
	free(text);
}
END_TEST

START_TEST(says_what_is_lost)
{
	char *text = written_text();

	refuses_text(
		replace_all(text, "file a 1\n", ""), "has 4 lines with entries, but usher wrote 5");
	refuses_text(replace_all(text, "at /sys\n", "at\n/sys\n"),
		"has 6 lines with entries, but usher wrote 5");
	refuses_text(replace_all(text, "file a 1", "file a 2"), "differs from what usher wrote");
	refuses_text(replace_all(text, "\nend ", "\n=20end "), "cut off");
	refuses_text(replace_all(text, "/sys\n", "/sys \n"), "differs from what usher wrote");
	refuses_text(replace_all(text, "end 5", "end five"), "malformed");
	free(text);
}
END_TEST

START_TEST(bears_what_mail_does)
{
	char *text = written_text(), *more = NULL;

	accepts_text(replace_all(text, "\n", "\r\n"));
	accepts_text(replace_all(text, "\n\n", "\n"));
	accepts_text(replace_all(text, "usher-host", "\xef\xbb\xbfusher-host"));
	accepts_text(replace_all(text, "# a remark", "# from Alice\n# mine"));
	ck_assert_int_gt(asprintf(&more, "%s-- \nA list, https://example.org\n", text), 0);
	accepts_text(more);
	accepts_text(strdup("usher-host 2\nfile /a 1\nend\n"));
	free(text);
}
END_TEST

START_TEST(reads_the_older_version)
{
	static const char old[] = "usher-host 1\r\nfile /a 1\r\n", made[] = "usher-host 2\nend\n";
	struct host *h = NULL;
	char text[8];

	ck_assert_int_eq(host_snapshot_from(old, strlen(old), &h, NULL), 0);
	ck_assert(!host_snapshot_is_proven(h));
	ck_assert_int_eq(host_read_text(h, "/a", text, sizeof(text)), 1);
	host_close(h);
	ck_assert_int_eq(host_snapshot_from(made, strlen(made), &h, NULL), 0);
	ck_assert(host_snapshot_is_proven(h));
	host_close(h);
}
END_TEST

START_TEST(names_a_version_that_it_does_not_know)
{
	struct err e;

	ck_assert_int_eq(read_text("usher-host 3\nend\n", &e), -EINVAL);
	ck_assert_str_eq(e.msg, "its version is 3; this usher reads up to 2");
	ck_assert_int_eq(read_text("> usher-host 2\n> end\n", &e), -EINVAL);
	ck_assert_int_eq(read_text("usher-host 0\n", &e), -EINVAL);
	ck_assert_int_eq(read_text("usher-host 2x\n", &e), -EINVAL);
	ck_assert_int_eq(read_text("", &e), -EINVAL);
	ck_assert_str_eq(e.msg, "it is empty");
	ck_assert_int_eq(read_text("\x1f\x8b\x08", &e), -EINVAL);
	ck_assert_str_eq(e.msg, "it is compressed: unpack it first");
}
END_TEST

SUITE("manifest_end", counts_entries_alone, refuses_every_cut, says_what_is_lost,
	bears_what_mail_does, reads_the_older_version, names_a_version_that_it_does_not_know)
