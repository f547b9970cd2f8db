/* SPDX-License-Identifier: MIT */
/* The keeper of a lease, around devices in memory: borrowers, keys, revocation, holders. */
#include "lease/keeper.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/lend.h"
#include "bind/owner.h"
#include "control/client.h"
#include "control/value.h"
#include "lease/borrow.h"
#include "lease/holders.h"
#include "lease/model_devices.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct guest_spec spec = {
	.name = "box", .device_count = 1, .devices = {{.address = {0, 2, 0, 1}}}};
static char log_path[96];
static struct lease lease;

static void lease_set(void)
{
	lease = (struct lease){.env = model_set(), .spec = &spec, .user = getuid()};
	(void)snprintf(log_path, sizeof(log_path), "%s/leases", stage_state);
	lease.log = log_path;
}

static pid_t keeper_start(const struct lease *l)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(lease_keep(l, -1) < 0 ? 1 : 0);
	return pid;
}

static int reap(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Waits until the keeper has the devices. */
static void lease_await(void)
{
	struct control_value *v = NULL;
	struct err e = {0};
	int r = -ENOENT;

	for (int64_t until = clock_ms() + 20000; r == -ENOENT && clock_ms() < until;) {
		r = borrow_state(stage_state, "box", &v, &e);
		if (r < 0)
			(void)usleep(2000);
	}
	ck_assert_msg(r == 0, "%s", e.msg);
	ck_assert_str_eq(control_value_text(v, "state"), "running");
	control_value_free(v);
}

static pid_t lease_start(void)
{
	pid_t pid = keeper_start(&lease);

	lease_await();
	return pid;
}

/* A process called @name that gets the descriptors as a borrower does, and keeps them. */
static pid_t borrower_named(uid_t uid, const char *name, int *ret_said)
{
	struct borrowed b;
	struct err e = {0};
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int r = borrow_descriptors(stage_state, "box", &b, &e);
		if (r == 0 && uid != getuid())
			r = setuid(uid);
		(void)prctl(PR_SET_NAME, name);
		(void)fd_write_full(ends[1], r == 0 ? "g" : "b", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	char said = 0;
	ck_assert_int_eq(read(ends[0], &said, 1), 1);
	ck_assert_int_eq(said, 'g');
	*ret_said = ends[0];
	return pid;
}

static pid_t borrower_start(uid_t uid, int *ret_said)
{
	return borrower_named(uid, "borrower", ret_said);
}

static bool log_has(const char *text)
{
	char log[8192] = "";

	(void)file_read(log_path, log, sizeof(log));
	return strstr(log, text) != NULL;
}

static void expect_given_back(void)
{
	lend_is_on(1, "e1000", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
	ck_assert_int_eq(model_counts->opened, 0);
	ck_assert_int_eq(model_counts->wiped, 1);
}

START_TEST(a_borrower_gets_the_descriptors)
{
	struct borrowed b;
	struct err e = {0};
	char text[32] = "";

	lease_set();
	pid_t keeper = lease_start();
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert_msg(borrow_descriptors(stage_state, "box", &b, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_int_eq(pread(b.container, text, sizeof(text), 0), 9);
	ck_assert_str_eq(text, "container");
	ck_assert_int_eq(pread(b.devices[0], text, sizeof(text), 0), 12);
	ck_assert_str_eq(text, "0000:02:00.1");
	ck_assert_int_eq(fcntl(b.devices[0], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(borrowed_inherit(&b), 0);
	ck_assert_int_eq(fcntl(b.devices[0], F_GETFD), 0);
	(void)snprintf(text, sizeof(text), "fd:%d,none,%d", b.container, b.devices[0]);
	ck_assert_ptr_nonnull(strstr(getenv("USHER_DEVICE"), text));
	borrowed_close(&b);
	ck_assert_msg(borrow_end(stage_state, "box", "{\"command\":\"return\"}\n", 60000, &e) == 0,
		"%s", e.msg);
	ck_assert_int_eq(reap(keeper), 0);
	expect_given_back();
	/* To give back twice is no error of the protocol: there is no such lease. */
	ck_assert_int_eq(
		borrow_end(stage_state, "box", "{\"command\":\"return\"}\n", 60000, &e), -ENOENT);
	ck_assert(log_has("\"event\":\"lent\"") && log_has("\"reason\":\"returned\""));
}
END_TEST

START_TEST(the_borrowers_end_ends_the_lease)
{
	lease_set();
	pid_t borrower = fork();
	if (borrower == 0)
		for (;;)
			(void)pause();
	lease.owner = borrower;
	ck_assert_int_eq(bind_owner_start(host_live(), borrower, &lease.owner_start), 0);
	pid_t keeper = lease_start();
	ck_assert_int_eq(kill(borrower, SIGKILL), 0);
	ck_assert_int_eq(reap(keeper), 0);
	ck_assert_int_eq(reap(borrower), 128 + SIGKILL);
	expect_given_back();
	ck_assert(log_has("\"reason\":\"owner-ended\""));
}
END_TEST

static rlim_t memlock_of(pid_t pid)
{
	struct rlimit now = {0};

	ck_assert_int_eq(prlimit(pid, RLIMIT_MEMLOCK, NULL, &now), 0);
	return now.rlim_cur;
}

START_TEST(the_limit_of_locked_memory_is_put_back)
{
	const struct rlimit before = {.rlim_cur = 65536, .rlim_max = 262144};
	struct err e = {0};

	lease_set();
	pid_t borrower = fork();
	if (borrower == 0)
		for (;;)
			(void)pause();
	ck_assert_int_eq(prlimit(borrower, RLIMIT_MEMLOCK, &before, NULL), 0);
	lease.owner = borrower;
	lease.memlock = 131072; /* below its hard limit: above, a container permits nothing */
	ck_assert_int_eq(bind_owner_start(host_live(), borrower, &lease.owner_start), 0);
	pid_t keeper = lease_start();
	ck_assert_uint_eq(memlock_of(borrower), 131072);
	ck_assert_int_eq(
		borrow_end(stage_state, "box", "{\"command\":\"return\"}\n", 60000, &e), 0);
	ck_assert_int_eq(reap(keeper), 0);
	ck_assert_uint_eq(memlock_of(borrower), 65536);
	lease.memlock = 4096;
	keeper = lease_start();
	ck_assert_uint_eq(memlock_of(borrower), 65536);
	ck_assert_int_eq(kill(borrower, SIGKILL), 0);
	ck_assert_int_eq(reap(keeper), 0);
	(void)reap(borrower);
}
END_TEST

START_TEST(a_later_process_of_that_id_is_no_borrower)
{
	lease_set();
	lease.owner = getpid();
	ck_assert_int_eq(bind_owner_start(host_live(), getpid(), &lease.owner_start), 0);
	lease.owner_start++;
	ck_assert_int_eq(reap(keeper_start(&lease)), 1);
	lend_is_on(1, "e1000", "");
}
END_TEST

START_TEST(a_name_is_one_lease)
{
	lease_set();
	pid_t first = lease_start();
	ck_assert_int_eq(reap(keeper_start(&lease)), 1);
	lease_await();
	ck_assert_int_eq(kill(first, SIGTERM), 0);
	ck_assert_int_eq(reap(first), 0);
	expect_given_back();
	ck_assert(log_has("\"reason\":\"stopped\""));
}
END_TEST

START_TEST(another_lease_does_not_get_the_group)
{
	static struct guest_spec other;
	struct lease second;

	lease_set();
	pid_t first = lease_start();
	other = spec;
	other.name = "other";
	second = lease;
	second.spec = &other;
	ck_assert_int_eq(reap(keeper_start(&second)), 1);
	ck_assert_int_eq(kill(first, SIGTERM), 0);
	ck_assert_int_eq(reap(first), 0);
	expect_given_back();
}
END_TEST

START_TEST(a_lease_expires)
{
	lease_set();
	lease.for_s = 1;
	const int64_t begun = clock_ms();
	ck_assert_int_eq(reap(lease_start()), 0);
	ck_assert_int_ge(clock_ms() - begun, 1000);
	expect_given_back();
	ck_assert(log_has("\"reason\":\"expired\""));
}
END_TEST

START_TEST(a_holder_is_asked_then_killed)
{
	struct err e = {0};
	int said;

	lease_set();
	pid_t keeper = lease_start();
	pid_t borrower = borrower_start(getuid(), &said);
	const int64_t begun = clock_ms();
	ck_assert_msg(borrow_end(stage_state, "box", "{\"command\":\"stop\",\"timeout\":1}\n",
			      60000, &e) == 0,
		"%s", e.msg);
	ck_assert_int_ge(clock_ms() - begun, 1000);
	ck_assert_int_eq(model_counts->requests, 1);
	ck_assert_int_eq(reap(borrower), 128 + SIGKILL);
	ck_assert_int_eq(reap(keeper), 0);
	expect_given_back();
	ck_assert(log_has("\"reason\":\"revoked\""));
}
END_TEST

/* Anybody may be sent a descriptor: a keeper that killed its holders would be a weapon. */
START_TEST(a_holder_of_another_user_is_named)
{
	char text[64];
	struct err e = {0};
	int said;

	if (getuid() != 0)
		return;
	lease_set();
	lease.user = 1001;
	pid_t keeper = lease_start();
	pid_t other = borrower_start(1000, &said);
	ck_assert_int_eq(borrow_end(stage_state, "box", "{\"command\":\"stop\",\"force\":true}\n",
				 60000, &e),
		-EUCLEAN);
	(void)snprintf(text, sizeof(text), "(process %d)", (int)other);
	ck_assert_msg(strstr(e.msg, text) != NULL, "%s", e.msg);
	ck_assert_int_eq(reap(keeper), 1);
	ck_assert_int_eq(kill(other, 0), 0);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert(lend_journal_exists(LEND_GROUP));
	ck_assert_int_eq(model_counts->wiped, 0);
	ck_assert(log_has("\"stuck\":"));
	ck_assert_int_eq(kill(other, SIGKILL), 0);
	(void)reap(other);
	/* What is left is for `usher restore`. */
	ck_assert_int_eq(lend_restore(&lease.env, LEND_GROUP, BIND_MANUAL_STAYS, &e), 0);
	lend_is_on(1, "e1000", "");
}
END_TEST

/* Neither by the bus's name, nor behind more processes of others than the keeper names. */
START_TEST(a_borrower_does_not_hide)
{
	pid_t others[HOLDERS_MAX + 1];
	struct err e = {0};
	int said;

	if (getuid() != 0)
		return;
	lease_set();
	lease.user = 1000;
	pid_t keeper = lease_start();
	for (size_t i = 0; i < COUNT(others); i++)
		others[i] = borrower_start(1001, &said);
	pid_t borrower = borrower_named(1000, "dbus-daemon", &said);
	ck_assert_int_eq(borrow_end(stage_state, "box", "{\"command\":\"stop\",\"force\":true}\n",
				 60000, &e),
		-EUCLEAN);
	ck_assert_int_eq(reap(keeper), 1);
	ck_assert_int_eq(waitpid(borrower, NULL, WNOHANG), borrower);
	for (size_t i = 0; i < COUNT(others); i++) {
		ck_assert_int_eq(kill(others[i], SIGKILL), 0);
		(void)reap(others[i]);
	}
}
END_TEST

/* A descriptor in a socket is in no process. */
START_TEST(a_descriptor_on_its_way_is_waited_for)
{
	struct err e = {0};

	lease_set();
	model_counts->held_looks = 3;
	pid_t keeper = lease_start();
	ck_assert_msg(borrow_end(stage_state, "box", "{\"command\":\"return\"}\n", 60000, &e) == 0,
		"%s", e.msg);
	ck_assert_int_eq(reap(keeper), 0);
	lend_is_on(1, "e1000", "");
	/* What its last holder has done is reset, too. */
	ck_assert_int_eq(model_counts->wiped, 2);
	ck_assert_int_eq(model_counts->held_looks, 0);
}
END_TEST

START_TEST(a_hidden_holder_is_told)
{
	struct err e = {0};

	lease_set();
	model_counts->held_looks = INT_MAX;
	pid_t keeper = lease_start();
	ck_assert_int_eq(borrow_end(stage_state, "box", "{\"command\":\"stop\",\"force\":true}\n",
				 60000, &e),
		-EUCLEAN);
	ck_assert_msg(strstr(e.msg, "still ha") != NULL, "%s", e.msg);
	ck_assert_int_eq(reap(keeper), 1);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert(lend_journal_exists(LEND_GROUP));
}
END_TEST

/* A process that has sent the descriptor @fd to itself, and closed it. */
static pid_t sender_start(int fd)
{
	int ends[2], ready[2];
	char said = 0;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} given = {.head = {.cmsg_level = SOL_SOCKET,
			   .cmsg_type = SCM_RIGHTS,
			   .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec part = {.iov_base = &said, .iov_len = 1};
	const struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &given,
		.msg_controllen = sizeof(given)};

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		memcpy(CMSG_DATA(&given.head), &fd, sizeof(int));
		(void)fd_write_full(ready[1], sendmsg(ends[0], &m, 0) == 1 ? "g" : "b", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(ready[1]);
	ck_assert_int_eq(read(ready[0], &said, 1), 1);
	ck_assert_int_eq(said, 'g');
	(void)close(ready[0]);
	return pid;
}

START_TEST(a_message_with_a_descriptor_is_a_guess)
{
	struct holders found;
	bool is_found = false;

	lease_set();
	const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = sender_start(fd);
	holders_guess(lease.env.host, &found);
	for (size_t i = 0; i < found.count && i < HOLDERS_MAX; i++)
		is_found = is_found || (found.list[i].pid == pid && found.list[i].unsure);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	(void)reap(pid);
	(void)close(fd);
	ck_assert(is_found);
}
END_TEST

/* The borrower alone is killed for a guess. */
START_TEST(a_guess_kills_the_borrower_alone)
{
	struct holders found = {.count = 2};

	pid_t other = fork();
	if (other == 0)
		for (;;)
			(void)pause();
	pid_t borrower = fork();
	if (borrower == 0)
		for (;;)
			(void)pause();
	found.list[0].pid = other;
	found.list[1].pid = borrower;
	const int pidfd = fd_pidfd_open(borrower);
	holders_kill_owner(&found, borrower, -1);
	found.count = 1;
	holders_kill_owner(&found, borrower, pidfd);
	ck_assert_int_eq(waitpid(borrower, NULL, WNOHANG), 0);
	found.count = 2;
	holders_kill_owner(&found, borrower, pidfd);
	ck_assert_int_eq(reap(borrower), 128 + SIGKILL);
	ck_assert_int_eq(waitpid(other, NULL, WNOHANG), 0);
	ck_assert_int_eq(kill(other, SIGKILL), 0);
	(void)reap(other);
	(void)close(pidfd);
}
END_TEST

/* Whoever ends a lease waits for no keeper that hangs. */
START_TEST(a_keeper_that_hangs_is_named)
{
	char text[48];
	struct err e = {0};

	lease_set();
	model_counts->hang_wipe = true;
	pid_t keeper = lease_start();
	const int64_t begun = clock_ms();
	ck_assert_int_eq(
		borrow_end(stage_state, "box", "{\"command\":\"return\"}\n", 500, &e), -ETIMEDOUT);
	ck_assert_int_lt(clock_ms() - begun, 10000);
	(void)snprintf(text, sizeof(text), "keeper (process %d) says nothing", (int)keeper);
	ck_assert_msg(strstr(e.msg, text) != NULL, "%s", e.msg);
	ck_assert_int_eq(kill(keeper, SIGKILL), 0);
	(void)reap(keeper);
}
END_TEST

START_TEST(an_unreset_device_stays)
{
	struct err e = {0};

	lease_set();
	model_counts->fail_wipe = -EIO;
	pid_t keeper = lease_start();
	ck_assert_int_eq(
		borrow_end(stage_state, "box", "{\"command\":\"return\"}\n", 60000, &e), -EUCLEAN);
	ck_assert_int_eq(reap(keeper), 1);
	lend_is_on(1, "vfio-pci", "vfio-pci");
}
END_TEST

START_TEST(a_device_that_does_not_open_goes_back)
{
	lease_set();
	model_counts->fail_open = -EIO;
	ck_assert_int_eq(reap(keeper_start(&lease)), 1);
	lend_is_on(1, "e1000", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}
END_TEST

static int socket_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "%.80s/lease/box/control", stage_state);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

START_TEST(a_client_that_never_reads_waits_alone)
{
	static const char ask[] = "{\"command\":\"descriptors\"}\n";
	struct borrowed b;
	struct err e = {0};

	lease_set();
	pid_t keeper = lease_start();
	int deaf = socket_connect();
	(void)fcntl(deaf, F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < 100000 && send(deaf, ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0; i++)
		;
	const int64_t begun = clock_ms();
	ck_assert_msg(borrow_descriptors(stage_state, "box", &b, &e) == 0, "%s", e.msg);
	ck_assert_int_lt(clock_ms() - begun, 5000);
	borrowed_close(&b);
	/* The descriptors in its queue are the kernel's, and go when the connection does. */
	ck_assert_int_eq(
		borrow_end(stage_state, "box", "{\"command\":\"return\"}\n", 60000, &e), 0);
	ck_assert_int_eq(reap(keeper), 0);
	(void)close(deaf);
	expect_given_back();
}
END_TEST

START_TEST(a_lease_is_no_guest)
{
	struct control_link link;
	struct err e = {0};

	lease_set();
	pid_t keeper = lease_start();
	ck_assert_int_eq(control_connect_at(&control_leases, stage_state, "box", &link, &e), 0);
	ck_assert_int_eq(control_ask(&link, "{\"command\":\"pause\"}\n", NULL, &e), -ENOTSUP);
	ck_assert_str_eq(e.msg, "pause: 'box' is a lease, and no guest");
	ck_assert_int_eq(control_ask(&link, "{\"command\":\"descriptors\",\"disk\":1}\n", NULL, &e),
		-EINVAL);
	ck_assert_int_eq(control_ask(&link, "gibberish\n", NULL, &e), -EINVAL);
	control_disconnect(&link);
	ck_assert_int_eq(kill(keeper, SIGTERM), 0);
	ck_assert_int_eq(reap(keeper), 0);
}
END_TEST

SUITE("lease/keeper", a_borrower_gets_the_descriptors, the_borrowers_end_ends_the_lease,
	the_limit_of_locked_memory_is_put_back, a_later_process_of_that_id_is_no_borrower,
	a_name_is_one_lease, another_lease_does_not_get_the_group, a_lease_expires,
	a_holder_is_asked_then_killed, a_holder_of_another_user_is_named, a_borrower_does_not_hide,
	a_descriptor_on_its_way_is_waited_for, a_hidden_holder_is_told,
	a_message_with_a_descriptor_is_a_guess, a_guess_kills_the_borrower_alone,
	a_keeper_that_hangs_is_named, an_unreset_device_stays,
	a_device_that_does_not_open_goes_back, a_client_that_never_reads_waits_alone,
	a_lease_is_no_guest)
