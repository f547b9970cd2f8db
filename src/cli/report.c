/* SPDX-License-Identifier: MIT */
#include "cli/report.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/utf8.h"
#include "bind/bind.h"
#include "cli/change.h"
#include "cli/verb.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* File names may be UTF-8: only characters that a terminal obeys or does not show are escaped. */
static void put_line(const char *text)
{
	uint32_t c;
	size_t n;

	for (; *text; text += n) {
		n = utf8_decode(text, &c);
		if (n && !utf8_is_hidden(c)) {
			(void)fwrite(text, 1, n, stderr);
			continue;
		}
		n = n ? n : 1;
		for (size_t i = 0; i < n; i++)
			(void)fprintf(stderr, "\\x%02x", (unsigned char)text[i]);
	}
	(void)fputc('\n', stderr);
}

/* Set by report_catch(). */
static struct err *caught;

struct err *report_catch(struct err *ret)
{
	struct err *before = caught;

	caught = ret;
	return before;
}

void report(const struct err *e)
{
	if (caught) {
		*caught = *e;
		return;
	}
	(void)fflush(stdout);
	(void)fputs("usher: ", stderr);
	put_line(e->msg);
	if (e->hint[0]) {
		(void)fputs("hint: ", stderr);
		put_line(e->hint);
	}
}

void report_note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fflush(stdout);
	put_line(text);
}

void report_problems(const struct bind_plan *p)
{
	struct err e = {0};

	for (size_t i = 0; i < p->problem_count; i++) {
		const struct bind_problem *b = &p->problems[i];
		err_say(&e, -EPERM, "%s%s: %s [%s]", b->refuses ? "" : "note: ", b->object, b->text,
			b->check);
		if (b->refuses || !b->liftable)
			err_hint(&e, "%s", b->fix);
		report(&e);
	}
}

int report_outcome(int r, bool refused, const struct err *e)
{
	if (refused)
		return LEAVE_REFUSED;
	if (r < 0)
		report(e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

void report_lines(void)
{
	(void)setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
}

int report_finish(int status, int failed)
{
	struct err e;

	int r = change_end();
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = errno ? -errno : -EIO;
	/* The machine has changed as it should. Who closed the output did not want the words. */
	if (r == 0 || (change_happened() && !fd_takes_output(STDOUT_FILENO)))
		return status;
	(void)err_set(&e, r, "write to standard output");
	e.hint[0] = '\0';
	report(&e);
	if (status == LEAVE_OK)
		status = failed ? failed : LEAVE_FAILED;
	return status;
}
