/* SPDX-License-Identifier: MIT */
#include "engine/guestfile.h"

#include "base/err.h"
#include "base/text.h"
#include "engine/guestfile_read.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct guestfile file_of(const char *text)
{
	struct guestfile f = GUESTFILE_NONE;
	struct err e = {0};

	ck_assert_msg(guestfile_parse("f", text, strlen(text), &f, &e) == 0, "%s", e.msg);
	return f;
}

/* @len: of a text that has a NUL; 0: it has none. */
static void refuse(const char *text, size_t len, const char *msg)
{
	struct guestfile f = GUESTFILE_NONE;
	struct err e = {0};

	ck_assert_int_eq(guestfile_parse("f", text, len ? len : strlen(text), &f, &e), -EINVAL);
	ck_assert_str_eq(e.msg, msg);
	ck_assert_ptr_null(f.text);
}

START_TEST(sections_have_keys_in_order)
{
	struct guestfile f = file_of("# a comment\n\n[guest]\nmemory = 4G\n hugepages \n"
				     "[ disk ]\nfile=a b.raw\nro\n[disk]\n");

	ck_assert_uint_eq(f.section_count, 3);
	ck_assert_str_eq(f.sections[0].name, "guest");
	ck_assert_uint_eq(f.sections[0].line, 3);
	ck_assert_uint_eq(f.sections[0].count, 2);
	ck_assert_str_eq(f.sections[1].name, "disk");
	ck_assert_uint_eq(f.sections[1].first, 2);
	ck_assert_uint_eq(f.sections[1].count, 2);
	ck_assert_uint_eq(f.sections[2].count, 0);
	ck_assert_str_eq(f.keys[0].value, "4G");
	ck_assert_ptr_null(f.keys[1].value);
	ck_assert_uint_eq(f.keys[1].line, 5);
	ck_assert_str_eq(f.keys[2].value, "a b.raw");
	guestfile_free(&f);
}
END_TEST

START_TEST(an_empty_file_has_no_section)
{
	struct guestfile f = file_of("");

	ck_assert_uint_eq(f.section_count, 0);
	guestfile_free(&f);
}
END_TEST

START_TEST(a_value_may_stand_in_quotation_marks)
{
	struct guestfile f =
		file_of("[a]\nk = \" a \\\"b\\\" \\\\ # c\"\nl = \"\"\nm = a\"b\" c#d\n"
			"n = =\n");

	ck_assert_str_eq(f.keys[0].value, " a \"b\" \\ # c");
	ck_assert_str_eq(f.keys[1].value, "");
	ck_assert_str_eq(f.keys[2].value, "a\"b\" c#d");
	ck_assert_str_eq(f.keys[3].value, "=");
	guestfile_free(&f);
}
END_TEST

START_TEST(what_is_wrong_has_its_line)
{
	refuse("[a]\n[b\n", 0, "f:2: ']' is missing: '[b'");
	refuse("[a] # c\n", 0, "f:1: '# c' behind the section");
	refuse("[A]\n", 0, "f:1: 'A' is not the name of a section");
	refuse("[]\n", 0, "f:1: '' is not the name of a section");
	refuse("\nk = v\n", 0, "f:2: 'k' stands before the first section");
	refuse("[a]\nK = v\n", 0, "f:2: 'K' is not a key");
	refuse("[a]\n= v\n", 0, "f:2: '' is not a key");
	refuse("[a]\n; c\n", 0, "f:2: '; c' is not a key");
	refuse("[a]\nk =\n", 0, "f:2: k: no value");
	refuse("[a]\nk = \"v\n", 0, "f:2: k: the second quotation mark is missing");
	refuse("[a]\nk = \"v\" w\n", 0, "f:2: k: ' w' behind the second quotation mark");
	refuse("[a]\nk = \"\\n\"\n", 0, "f:2: k: '\\n' is neither \\\" nor \\\\");
	refuse("[a]\nk = \"\\\n", 0, "f:2: k: '\\' is neither \\\" nor \\\\");
	refuse("[a]\nk = v # c\n", 0, "f:2: k: '#' in the value");
	refuse("[a]\nk = # c\n", 0, "f:2: k: '#' in the value");
}
END_TEST

START_TEST(bytes_that_are_no_text_have_line_and_column)
{
	refuse("[a]\r\nk\r\n", 0, "f:1: the line ends with CR LF, as on Windows");
	refuse("[a]\nk = a\rb\n", 0,
		"f:2:6: a carriage return, U+000D, which an editor does not show");
	refuse("[a]\nk = \xff\n", 0, "f:2:5: byte 0xff is not UTF-8");
	refuse("[a]\nk = \xc3\n", 0, "f:2:5: byte 0xc3 is not UTF-8");
	refuse("[a]\nk = a\0b\n", 12, "f:2:6: a NUL byte: this is not a text file");
	refuse("[a]\nk = \xe2\x80\xae\n", 0,
		"f:2:5: an invisible character, U+202E, which an editor does not show");
	refuse("# \x1b[1m\n", 0,
		"f:1:3: an escape character, U+001B, which an editor does not show");
	refuse("[a]\nk", 0, "f:2: the last line has no newline, so the file may be cut off");
	refuse("\xff\xfe[\0a\0", 6, "f:1: the file is UTF-16");
	refuse("\xef\xbb\xbf[a]\n", 0, "f:1: the file begins with a byte order mark");
}
END_TEST

START_TEST(a_line_has_a_bound)
{
	char *text = malloc(GUESTFILE_LINE_MAX + 8);
	struct guestfile f = GUESTFILE_NONE;

	memset(text, '#', GUESTFILE_LINE_MAX + 8);
	text[GUESTFILE_LINE_MAX] = '\n';
	ck_assert_int_eq(guestfile_parse("f", text, GUESTFILE_LINE_MAX + 1, &f, NULL), 0);
	guestfile_free(&f);
	text[GUESTFILE_LINE_MAX] = '#';
	text[GUESTFILE_LINE_MAX + 1] = '\n';
	refuse(text, GUESTFILE_LINE_MAX + 2, "f:1: the line has 4097 bytes, 4096 at most");
	free(text);
}
END_TEST

START_TEST(a_long_name_shows_its_end)
{
	char name[300];
	struct guestfile f = GUESTFILE_NONE;
	struct err e = {0};

	memset(name, 'x', sizeof(name) - 1);
	memcpy(name + sizeof(name) - 5, "last", 5);
	ck_assert_int_eq(guestfile_parse(name, "K\n", 2, &f, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "xlast:1: 'K' is not a key"));
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
	static const char *const values[] = {"v", "", " v", "v ", "a\tb", "\"", "a\"b", "\"a\"",
		"\\", "\\\"", "#", "a#b", "a #b", "a = b", "[x]", "\xc3\xa4", "=", "\tv"};
	struct text t;
	char *text;

	ck_assert_int_eq(text_begin(&t), 0);
	(void)fputs("[s]\n", t.out);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		guestfile_put(t.out, "k", values[i]);
	guestfile_put(t.out, "alone", NULL);
	ck_assert_int_gt(text_end(&t, &text), 0);
	struct guestfile f = file_of(text);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		ck_assert_str_eq(f.keys[i].value, values[i]);
	ck_assert_ptr_null(f.keys[f.key_count - 1].value);
	ck_assert_ptr_nonnull(strstr(text, "\nk = a\"b\n"));
	guestfile_free(&f);
	free(text);
}
END_TEST

START_TEST(a_value_that_no_file_can_have_is_known)
{
	char *longer = malloc(GUESTFILE_LINE_MAX);

	ck_assert(guestfile_takes("a b\tc\xc3\xa4"));
	ck_assert(!guestfile_takes("a\nb"));
	ck_assert(!guestfile_takes("\xff"));
	ck_assert(!guestfile_takes("\x7f"));
	memset(longer, '"', GUESTFILE_LINE_MAX);
	longer[GUESTFILE_LINE_MAX - 1] = '\0';
	ck_assert(!guestfile_takes(longer));
	free(longer);
}
END_TEST

/* A file of this user, of mode @mode. */
static int read_back(const char *path, const char *text, mode_t mode, struct err *e)
{
	FILE *f = fopen(path, "w");
	char *back = NULL;
	size_t len = 0;

	ck_assert_ptr_nonnull(f);
	(void)fputs(text, f);
	(void)fclose(f);
	ck_assert_int_eq(chmod(path, mode), 0);
	int r = guestfile_read(path, &back, &len, e);
	if (r == 0)
		ck_assert_str_eq(back, text);
	free(back);
	return r;
}

START_TEST(a_file_that_others_may_write_is_refused)
{
	char folder[] = "/tmp/usher-guestfile.XXXXXX", path[64];
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/f", folder);
	ck_assert_int_eq(read_back(path, "[guest]\n", 0644, &e), 0);
	ck_assert_int_eq(read_back(path, "[guest]\n", 0664, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "can be written by other users of its group"));
	ck_assert_int_eq(read_back(path, "[guest]\n", 0646, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.hint, "chmod go-w"));
	if (geteuid() == 0) {
		ck_assert_int_eq(setenv("SUDO_UID", "77", 1), 0);
		ck_assert_int_eq(chown(path, 77, 0), 0);
		ck_assert_int_eq(read_back(path, "[guest]\n", 0644, &e), 0);
		ck_assert_int_eq(chown(path, 78, 0), 0);
		ck_assert_int_eq(read_back(path, "[guest]\n", 0644, &e), -EPERM);
		ck_assert_ptr_nonnull(strstr(e.msg, "belongs to another user (uid 78)"));
	}
	ck_assert_int_eq(guestfile_read(folder, &(char *){NULL}, &(size_t){0}, &e), -EINVAL);
	(void)unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(guestfile_read(path, &(char *){NULL}, &(size_t){0}, &e), -EINVAL);
	(void)unlink(path);
	(void)rmdir(folder);
}
END_TEST

SUITE("guestfile", sections_have_keys_in_order, an_empty_file_has_no_section,
	a_value_may_stand_in_quotation_marks, what_is_wrong_has_its_line,
	bytes_that_are_no_text_have_line_and_column, a_line_has_a_bound, a_long_name_shows_its_end,
	what_is_written_is_read_again, a_value_that_no_file_can_have_is_known,
	a_file_that_others_may_write_is_refused)
