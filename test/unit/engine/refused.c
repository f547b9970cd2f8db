/* SPDX-License-Identifier: MIT */
#include "engine/refused.h"

#include "base/err.h"
#include "engine/callname.h"
#include "suite.h"
#include "wire/refused.h"

#include <linux/audit.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct wire_refused call = {.made = 1,
	.call = SYS_openat,
	.arch = AUDIT_ARCH_X86_64,
	.thread = "vcpu",
	.argument = 0x1234};

static int page_read(const struct wire_refused *r, struct err *e)
{
	int fd = refused_page();

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, r, sizeof(*r), 0), sizeof(*r));
	int said = refused_read(fd, e);
	(void)close(fd);
	return said;
}

START_TEST(names_the_call)
{
	struct wire_refused other = call;
	struct err e = {0};

	ck_assert_int_eq(page_read(&call, &e), 1);
	ck_assert_str_eq(e.msg,
		"a vcpu thread of usher-vmm made system call 'openat' (second argument 0x1234), "
		"which its filter refuses");
	other.arch = AUDIT_ARCH_I386;
	ck_assert_int_eq(page_read(&other, &e), 1);
	ck_assert_ptr_nonnull(strstr(e.msg, "system call 257 of architecture 0x40000003 ("));
}
END_TEST

/* A guest that has taken over usher-vmm writes there what it likes. */
START_TEST(believes_nothing_of_a_strange_page)
{
	struct wire_refused r = {0};
	struct err e = {0};

	ck_assert_int_eq(page_read(&r, &e), 0);
	r = call;
	memset(r.thread, 'a', sizeof(r.thread));
	ck_assert_int_eq(page_read(&r, &e), 0);
	(void)strcpy(r.thread, "a\033[2J");
	ck_assert_int_eq(page_read(&r, &e), 0);
	r.thread[0] = '\0';
	ck_assert_int_eq(page_read(&r, &e), 0);
	ck_assert_int_eq(refused_read(-1, &e), 0);
	ck_assert_str_eq(e.msg, "");
}
END_TEST

START_TEST(the_page_keeps_its_size)
{
	int fd = refused_page();

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), -1);
	(void)close(fd);
}
END_TEST

START_TEST(knows_the_names_of_calls)
{
	ck_assert_str_eq(callname_find(SYS_read), "read");
	ck_assert_str_eq(callname_find(SYS_io_uring_setup), "io_uring_setup");
	ck_assert_ptr_null(callname_find(UINT32_MAX));
	ck_assert_ptr_null(callname_find(400)); /* between x86-64's and everybody's */
}
END_TEST

SUITE("refused", names_the_call, believes_nothing_of_a_strange_page, the_page_keeps_its_size,
	knows_the_names_of_calls)
