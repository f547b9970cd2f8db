/* SPDX-License-Identifier: MIT */
/* Messages of usher-vmm when its caller makes a mistake. Needs no KVM. */
#include "suite.h"
#include "vmm/vmm_run.h"

#define expect_bare(status, word, ...)                                                      \
	do {                                                                                \
		int status_ = run_bare(__VA_ARGS__);                                        \
		ck_assert_msg(status_ == (status), "exit status %d: %s", status_, run_out); \
		ck_assert_msg(strstr(run_out, word), "'%s' is not in '%s'", word, run_out); \
	} while (0)

/* Starts usher-vmm with a socket that has @message and then ends. */
static int run_message(void *message, size_t size, int fd)
{
	struct wire_fds fds = {.count = fd >= 0, .fds = {fd}};
	int line[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, line), 0);
	if (message)
		ck_assert_int_eq(wire_send(line[0], message, size, &fds), 0);
	(void)close(line[0]);
	pid_t pid = run_words(NULL, line[1]);
	(void)close(line[1]);
	return run_finish(pid);
}

START_TEST(help_and_version)
{
	expect_bare(0, "usage: usher-vmm", "--help");
	expect_bare(0, "usher-vmm ", "--version");
}
END_TEST

START_TEST(wrong_words)
{
	expect_bare(2, "--keeper is missing", NULL);
	expect_bare(2, "--keeper is missing", "--memory", "64M");
	expect_bare(2, "'' is not a descriptor", "--keeper");
	expect_bare(2, "'x' is not a descriptor", "--keeper", "x");
	expect_bare(2, "'-1' is not a descriptor", "--keeper", "-1");
	expect_bare(2, "'more': unexpected argument", "--keeper", "3", "more");
	expect_bare(125, "Bad file descriptor", "--keeper", "77");
}
END_TEST

START_TEST(a_keeper_that_says_nothing)
{
	ck_assert_int_eq(run_message(NULL, 0, -1), 125);
	ck_assert_msg(
		strstr(run_out, "description of the guest: Broken pipe") != NULL, "%s", run_out);
}
END_TEST

START_TEST(a_message_of_another_version)
{
	struct wire_header h = {.kind = WIRE_MACHINE};

	ck_assert_int_eq(run_message(&h, sizeof(h), -1), 125);
	ck_assert_msg(strstr(run_out, "not of this version") != NULL, "%s", run_out);
}
END_TEST

START_TEST(a_descriptor_that_is_not_kvm)
{
	struct wire_machine m;

	wire_machine_init(&m, WIRE_MACHINE);
	(void)strcpy(m.name, "guest");
	m.memory = 1 << 24;
	m.cpus = 1;
	m.kvm = 0;
	ck_assert_int_eq(run_message(&m, sizeof(m), 0), 125);
	ck_assert_msg(strstr(run_out, "a descriptor is invalid") != NULL, "%s", run_out);
	expect_run(125, "ask KVM for its version", "--memory", "16M", "--kernel", "/dev/null",
		"--kvm", "/dev/null");
}
END_TEST

SUITE("usage", help_and_version, wrong_words, a_keeper_that_says_nothing,
	a_message_of_another_version, a_descriptor_that_is_not_kvm)
