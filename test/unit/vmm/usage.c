/* SPDX-License-Identifier: MIT */
/* Messages of usher-vmm when its caller makes a mistake. Only the last test needs KVM. */
#include "suite.h"
#include "vmm/vmm_run.h"

#define expect_bare(status, word, ...)                                                      \
	do {                                                                                \
		int status_ = run_bare(__VA_ARGS__);                                        \
		ck_assert_msg(status_ == (status), "exit status %d: %s", status_, run_out); \
		ck_assert_msg(strstr(run_out, word), "'%s' is not in '%s'", word, run_out); \
	} while (0)

/* Starts usher-vmm with a socket that has @message, @then and the end. */
static int run_messages(
	void *message, size_t size, const struct wire_fds *fds, struct wire_machine *then)
{
	int line[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, line), 0);
	if (message)
		ck_assert_int_eq(wire_send(line[0], message, size, fds), 0);
	if (then)
		ck_assert_int_eq(wire_send(line[0], then, sizeof(*then), NULL), 0);
	(void)close(line[0]);
	pid_t pid = run_words(NULL, line[1]);
	(void)close(line[1]);
	return run_finish(pid);
}

static int run_message(void *message, size_t size, int fd)
{
	const struct wire_fds fds = {.count = fd >= 0, .fds = {fd}};

	return run_messages(message, size, &fds, NULL);
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

/* Describes a guest that could run, and then sends @then, or nothing. Return: the exit status. */
static int run_guest_then(struct wire_machine *then)
{
	const char *kernel = getenv("USHER_HOSTILE");
	struct wire_fds fds = {0};
	struct wire_machine m;

	wire_machine_init(&m, WIRE_MACHINE);
	(void)strcpy(m.name, "guest");
	m.memory = 1 << 24;
	m.cpus = 1;
	m.kvm = send_open(&fds, "/dev/kvm", O_RDWR);
	m.kernel = send_open(&fds, kernel, O_RDONLY);
	int status = run_messages(&m, sizeof(m), &fds, then);
	wire_close(&fds);
	return status;
}

/* All that the guest needs is there but for the word that its devices are open. */
START_TEST(a_keeper_that_opens_no_device)
{
	struct wire_machine then;

	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return;
	ck_assert_int_eq(run_guest_then(NULL), 125);
	ck_assert_msg(
		strstr(run_out, "description of the guest: Broken pipe") != NULL, "%s", run_out);
	wire_machine_init(&then, WIRE_ATTACH);
	ck_assert_int_eq(run_guest_then(&then), 125);
	ck_assert_msg(strstr(run_out, "is invalid") != NULL, "%s", run_out);
	wire_machine_init(&then, WIRE_DEVICES);
	then.cpus = 1;
	ck_assert_int_eq(run_guest_then(&then), 125);
	ck_assert_msg(strstr(run_out, "beside the devices is invalid") != NULL, "%s", run_out);
}
END_TEST

SUITE("usage", help_and_version, wrong_words, a_keeper_that_says_nothing,
	a_message_of_another_version, a_descriptor_that_is_not_kvm, a_keeper_that_opens_no_device)
