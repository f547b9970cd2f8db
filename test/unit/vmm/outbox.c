/* SPDX-License-Identifier: MIT */
#include "vmm/outbox.h"

#include "shortage.h"
#include "suite.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct outbox o;
static char block[OUTBOX_SIZE];
static int from; /* the reader's end */

static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	/* It takes all that an outbox holds. */
	ck_assert_int_ge(fcntl(fds[1], F_SETPIPE_SZ, OUTBOX_SIZE), OUTBOX_SIZE);
	from = fds[0];
	memset(block, 'x', sizeof(block));
	ck_assert_int_eq(outbox_init(&o, "outbox", fds[1]), 0);
	shortage = SHORTAGE_LASTS;
}

static void put_line(const char *text)
{
	(void)outbox_put(&o, text, strlen(text));
	outbox_flush(&o);
}

static const char *received(void)
{
	static char text[64];
	const ssize_t n = read(from, text, sizeof(text) - 1);

	ck_assert_int_ge((int)n, 0);
	text[n] = '\0';
	return text;
}

START_TEST(output_waits_for_a_thread)
{
	setup();
	put_line("one\n");
	put_line("two\n");
	shortage = 0;
	put_line("three\n");
	ck_assert(outbox_drain(&o, 60000, 60000));
	ck_assert_str_eq(received(), "one\ntwo\nthree\n");
	ck_assert_uint_eq(o.dropped, 0);
	outbox_fini(&o);
}
END_TEST

/* The processors have ended, but the limit counts them for a moment. */
START_TEST(the_end_tries_more_than_once)
{
	setup();
	put_line("last\n");
	shortage = 5;
	ck_assert(outbox_drain(&o, 60000, 60000));
	ck_assert_str_eq(received(), "last\n");
	outbox_fini(&o);
}
END_TEST

START_TEST(the_end_without_a_thread_does_not_hang)
{
	setup();
	put_line("lost\n");
	ck_assert(!outbox_drain(&o, 50, 60000));
	outbox_fini(&o);
	ck_assert_uint_eq(o.dropped, strlen("lost\n"));
}
END_TEST

static void is_ready(struct outbox *of)
{
	(void)of;
}

/* A caller that waited for room would wait for ever. */
START_TEST(a_full_outbox_without_a_thread_makes_nobody_wait)
{
	setup();
	o.ready = is_ready;
	o.low = 16;
	ck_assert_uint_eq(outbox_put(&o, block, sizeof(block)), OUTBOX_SIZE);
	ck_assert_uint_eq(outbox_put(&o, "more", 4), OUTBOX_SIZE);
	ck_assert(outbox_offer(&o, "again", 5));
	ck_assert(!o.starved);
	ck_assert_uint_eq(o.dropped, 9);
	shortage = 0;
	ck_assert(outbox_drain(&o, 60000, 60000));
	ck_assert_uint_eq(o.written, sizeof(block));
	outbox_fini(&o);
}
END_TEST

SUITE("outbox", output_waits_for_a_thread, the_end_tries_more_than_once,
	the_end_without_a_thread_does_not_hang, a_full_outbox_without_a_thread_makes_nobody_wait)
