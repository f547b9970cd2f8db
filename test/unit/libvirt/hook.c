/* SPDX-License-Identifier: MIT */
#include "libvirt/hook.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/journal.h"
#include "bind/kernel_ops.h"
#include "bind/lend.h"
#include "bind/owner.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE                                                                         \
	"<domain><devices><hostdev type='pci' managed='yes'><source><address bus='2' " \
	"function='1'/></source></hostdev></devices></domain>"

static unsigned returned, failures; /* that libvirt_hook_release() has reported */

static unsigned wrong_line; /* of the file of allowed checks */

static void count_returned(const struct bind_report *done, const struct err *failure)
{
	returned += (unsigned)done->returned_count;
	failures += failure != NULL;
}

static struct libvirt_hook hook_of(const struct bind_env *env, pid_t caller, const char *name)
{
	return (struct libvirt_hook){env, stage_state, caller, name};
}

static int prepare(const struct libvirt_hook *k, struct err *e)
{
	struct bind_plan plan;

	*e = (struct err){0};
	int r = libvirt_hook_prepare(k, DEVICE, strlen(DEVICE), &plan, &wrong_line, e);
	bind_plan_fini(&plan);
	return r;
}

static void release_all(const struct libvirt_hook *k)
{
	struct err e = {0};

	ck_assert_msg(libvirt_hook_release(k, count_returned, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(failures, 0);
}

/* A process that lives until it is killed. */
static pid_t process_start(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	ck_assert_int_gt(pid, 0);
	return pid;
}

static void process_end(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void owner_is(const struct bind_env *env, const char *domain, pid_t pid)
{
	struct bind_entry n = BIND_ENTRY_NONE;
	struct err e = {0};

	ck_assert_msg(bind_journal_read(env, LEND_GROUP, &n, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(n.owner.domain, domain);
	ck_assert_int_eq(n.owner.pid, pid);
	bind_entry_fini(&n);
}

static void is_home(void)
{
	lend_is_on(1, "e1000", "");
	lend_is_on(2, "sib", "sib");
	lend_is_on(3, "", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}

static void write_qemu(const char *name, pid_t pid)
{
	char path[FILE_PATH_MAX], text[16];

	ck_assert_int_eq(file_path(path, sizeof(path), "%s/%s.pid", stage_state, name), 0);
	(void)snprintf(text, sizeof(text), "%d\n", pid);
	ck_assert_int_eq(file_replace(path, text, strlen(text), 0600), 0);
}

START_TEST(lends_from_prepare_to_release)
{
	struct bind_env env = stage_set();
	struct libvirt_hook k = hook_of(&env, getpid(), "web");
	struct bind_lease *leases = NULL;
	size_t count = 0;
	struct err e;

	ck_assert_msg(prepare(&k, &e) == 0, "%s", e.msg);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	lend_is_on(2, "vfio-pci", "vfio-pci");
	owner_is(&env, "web", getpid());
	ck_assert_int_eq(bind_leases(&env, &leases, &count, &e), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_ptr_nonnull(strstr(leases[0].text, "lent to domain 'web' of libvirt (process "));
	free(leases);

	pid_t qemu = process_start();
	write_qemu("web", qemu);
	ck_assert_msg(libvirt_hook_follow(&k, &e) == 0, "%s", e.msg);
	owner_is(&env, "web", qemu);
	k.caller = getppid(); /* another libvirtd */
	ck_assert_msg(libvirt_hook_follow(&k, &e) == 0, "%s", e.msg);
	owner_is(&env, "web", qemu);
	process_end(qemu);
	release_all(&k);
	ck_assert_uint_eq(returned, 3);
	is_home();
	release_all(&k);
	ck_assert_uint_eq(returned, 3);
}
END_TEST

START_TEST(returns_only_what_the_domain_has)
{
	struct bind_env env = stage_set();
	struct libvirt_hook k = hook_of(&env, getpid(), "web"),
			    other = hook_of(&env, getpid(), "db");
	struct err e;

	ck_assert_msg(prepare(&k, &e) == 0, "%s", e.msg);
	release_all(&other);
	ck_assert_msg(libvirt_hook_follow(&other, &e) == 0, "%s", e.msg);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	owner_is(&env, "web", getpid());
	ck_assert_int_eq(prepare(&other, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "lent to domain 'web' of libvirt"));
	/* The same domain, again: libvirt was killed meanwhile. */
	ck_assert_msg(prepare(&k, &e) == 0, "%s", e.msg);
	release_all(&k);
	is_home();
}
END_TEST

START_TEST(refuses_a_device_in_use)
{
	struct bind_env env = stage_set();
	struct libvirt_hook k = hook_of(&env, getpid(), "web");
	struct err e;

	stage->held = true;
	ck_assert_int_eq(prepare(&k, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "its group is open"));
	is_home();
	release_all(&k);
}
END_TEST

START_TEST(refuses_what_it_does_not_understand)
{
	static const char *const bad[] = {
		"<domain><devices><hostdev type='pci'/></devices></domain>",
		"<domain><devices><hostdev type='pci'>",
		("<domain><devices><hostdev type='pci'><source><address domain='9'/></source>"
		 "</hostdev></devices></domain>"),
	};
	struct bind_env env = stage_set();
	struct libvirt_hook k = hook_of(&env, getpid(), "web");
	struct bind_plan plan;
	struct err e = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_lt(
			libvirt_hook_prepare(&k, bad[i], strlen(bad[i]), &plan, &wrong_line, &e),
			0);
		ck_assert_str_ne(e.msg, "");
		bind_plan_fini(&plan);
	}
	is_home();
}
END_TEST

START_TEST(names_domains_that_are_hostile)
{
	static const struct {
		const char *name, *kept;
	} rows[] = {
		{"a b", "a b"},
		{"a\nend\n", "a\\x0aend\\x0a"},
		{"\\x0a", "\\x5cx0a"},
		{"\x1b[2J\xff", "\\x1b[2J\\xff"},
		{"-", "-"},
		{"../../etc", "../../etc"},
		{"\xe6\x9c\x8d", "\\xe6\\x9c\\x8d"},
	};
	char name[BIND_DOMAIN_MAX + 1];
	struct bind_env env;
	struct err e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		env = stage_set();
		struct libvirt_hook k = hook_of(&env, getpid(), rows[i].name);
		ck_assert_msg(prepare(&k, &e) == 0, "%s", e.msg);
		owner_is(&env, rows[i].kept, getpid());
		ck_assert_int_lt(libvirt_hook_follow(&k, &e), 0); /* there is no such file */
		release_all(&k);
		is_home();
	}
	memset(name, 0xe6, 251); /* as long as libvirt takes it: with ".xml" a name of a file */
	name[251] = '\0';
	env = stage_set();
	struct libvirt_hook longest = hook_of(&env, getpid(), name);
	ck_assert_msg(prepare(&longest, &e) == 0, "%s", e.msg);
	release_all(&longest);
	memset(name, 'x', sizeof(name));
	name[BIND_DOMAIN_MAX] = '\0';
	env = stage_set();
	struct libvirt_hook k = hook_of(&env, getpid(), name);
	ck_assert_int_eq(prepare(&k, &e), -ENAMETOOLONG);
	k.name = "";
	ck_assert_int_eq(prepare(&k, &e), -EINVAL);
	is_home();
	name[BIND_DOMAIN_MAX - 1] = '\0';
	k.name = name;
	ck_assert_msg(prepare(&k, &e) == 0, "%s", e.msg);
	release_all(&k);
	is_home();
}
END_TEST

static pid_t dying_caller;

static int prepare_dying(const struct bind_env *env, struct err *e)
{
	struct libvirt_hook k = hook_of(env, dying_caller, "web");

	return prepare(&k, e);
}

static int release_dying(const struct bind_env *env, struct err *e)
{
	struct libvirt_hook k = hook_of(env, dying_caller, "web");

	return libvirt_hook_release(&k, count_returned, e);
}

/* The hook dies at each change; then libvirt reports the end of the domain. */
START_TEST(releases_after_its_own_death)
{
	struct bind_env env = stage_set();
	unsigned n = 1;

	dying_caller = getpid();
	for (; lend_dies_at(&env, n, prepare_dying); n++) {
		struct libvirt_hook k = hook_of(&env, getpid(), "web");
		release_all(&k);
		is_home();
		env = stage_set();
	}
	ck_assert_uint_gt(n, 10);
	for (n = 1; lend_dies_at(&env, n, release_dying); n++) {
		struct libvirt_hook k = hook_of(&env, getpid(), "web");
		release_all(&k);
		is_home();
		ck_assert_int_eq(prepare(&k, &(struct err){0}), 0);
	}
	ck_assert_uint_gt(n, 5);
	is_home();
}
END_TEST

/* libvirt dies before QEMU runs; no hook is called for that domain again. */
START_TEST(returns_what_a_dead_libvirt_had)
{
	static const char none[] = "<domain><devices><hostdev type='pci'><source><address bus='9'/>"
				   "</source></hostdev></devices></domain>";
	struct bind_env env = stage_set();
	pid_t caller = process_start();
	struct libvirt_hook k = hook_of(&env, caller, "web"), other = hook_of(&env, getpid(), "db");
	struct bind_plan plan;
	struct err e;

	ck_assert_msg(prepare(&k, &e) == 0, "%s", e.msg);
	process_end(caller);
	stage->held = true; /* its QEMU has just started */
	ck_assert_int_lt(
		libvirt_hook_prepare(&other, none, strlen(none), &plan, &wrong_line, &e), 0);
	bind_plan_fini(&plan);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	stage->held = false;
	ck_assert_int_lt(
		libvirt_hook_prepare(&other, none, strlen(none), &plan, &wrong_line, &e), 0);
	bind_plan_fini(&plan);
	is_home();
}
END_TEST

static int prepare_text(const struct libvirt_hook *k, const char *metadata, struct err *e)
{
	char text[512];
	struct bind_plan plan;

	(void)snprintf(
		text, sizeof(text), "<domain>%s%s", metadata, &DEVICE[sizeof("<domain>") - 1]);
	*e = (struct err){0};
	int r = libvirt_hook_prepare(k, text, strlen(text), &plan, &wrong_line, e);
	bind_plan_fini(&plan);
	return r;
}

/* Of `usher run --engine=libvirt`. A domain that only says so is like any other. */
START_TEST(leaves_the_devices_of_a_guest_to_its_keeper)
{
	struct bind_env env = stage_set();
	struct libvirt_hook k = hook_of(&env, getppid(), "web"),
			    other = hook_of(&env, getppid(), "db");
	struct bind_request q = LEND_REQUEST;
	char mine[128];
	struct err e;

	(void)snprintf(mine, sizeof(mine),
		"<metadata><u:guest xmlns:u='urn:usher' keeper='%d'/></metadata>", getpid());
	ck_assert_int_eq(bind_owner_self(&env, "web", &q.owner), 0);
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	ck_assert_msg(prepare_text(&k, mine, &e) == 0, "%s", e.msg);
	owner_is(&env, "", getpid());
	release_all(&k);
	lend_is_on(1, "vfio-pci", "vfio-pci");

	ck_assert_int_eq(prepare_text(&other, mine, &e), -EPERM);
	ck_assert_int_eq(prepare_text(&k, "", &e), -EPERM);
	ck_assert_int_eq(
		prepare_text(
			&k, "<metadata><u:guest xmlns:u='urn:usher' keeper='1'/></metadata>", &e),
		-EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "lent to VM 'web'"));
	ck_assert_int_eq(
		lend_release(&env,
			(struct bind_release_request){.how = BIND_RETURN_DRIVER, .owner = q.owner},
			&e),
		0);
	is_home();
	/* Nobody has them now: the hook takes them. */
	ck_assert_msg(prepare_text(&k, mine, &e) == 0, "%s", e.msg);
	owner_is(&env, "web", getppid());
	release_all(&k);
	is_home();
}
END_TEST

/* Each file, and whether a device that is held may be taken for domain "a\\x0a b". */
START_TEST(skips_checks_that_the_file_has)
{
	static const struct {
		const char *text;
		bool allows;
		unsigned wrong;
	} rows[] = {
		{"", false, 0},
		{"# 0000:02:00.1 block a\\x0a b\n", false, 0},
		{"0000:02:00.1 block a\\x0a b\n", true, 0},
		{"\n  02:00.1\tblock   a\\x0a b \t\n", true, 0},
		{"0000:02:00.1 block a\\x0a b", true, 0},
		{"0000:02:00.1 block a\n", false, 0},
		{"0000:02:00.1 net a\\x0a b\n", false, 0},
		{"0000:02:00.0 block a\\x0a b\n", false, 0},
		{"0000:02:00.1 block\nnonsense block a\n0000:02:00.1 block a\\x0a b\n", true, 1},
		{"# a comment\nall block a\\x0a b\n", false, 2},
	};
	char path[FILE_PATH_MAX];
	struct err e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bind_env env = stage_set();
		struct libvirt_hook k = hook_of(&env, getpid(), "a\n b");
		(void)snprintf(path, sizeof(path), "%s/allow", stage_state);
		k.allow = path;
		ck_assert_int_eq(file_replace(path, rows[i].text, strlen(rows[i].text), 0600), 0);
		stage->disk = stage->disk_mounted = true;
		ck_assert_msg((prepare(&k, &e) == 0) == rows[i].allows, "%zu: %s", i, e.msg);
		ck_assert_uint_eq(wrong_line, rows[i].wrong);
		stage->disk = false;
		release_all(&k);
		is_home();
	}
}
END_TEST

static const struct bind_kernel_ops *real_ops;
static int writes_until_death;

static int ask_and_kill(struct bind_writer *w, const char *path, const char *text, struct err *e)
{
	if (writes_until_death-- == 0)
		process_end(dying_caller);
	return real_ops->ask(w, path, text, e);
}

/* `usher restore` came while the hook worked, so nobody else returns them. */
START_TEST(returns_what_it_took_for_a_libvirt_that_died)
{
	struct bind_env env = stage_set();
	struct bind_kernel_ops ops = *env.kernel;
	struct err e;

	real_ops = env.kernel;
	ops.ask = ask_and_kill;
	env.kernel = &ops;
	for (int i = 0; i < 4; i++) {
		dying_caller = process_start();
		writes_until_death = i;
		struct libvirt_hook k = hook_of(&env, dying_caller, "web");
		ck_assert_int_eq(prepare(&k, &e), -ESRCH);
		ck_assert_ptr_nonnull(strstr(e.msg, "has ended"));
		ck_assert_int_lt(writes_until_death, 0);
		is_home();
	}
}
END_TEST

/* Of a libvirt that was killed while the hook began: init, which never ends, takes nothing. */
START_TEST(takes_nothing_for_init)
{
	struct bind_env env = stage_set();
	struct libvirt_hook k = hook_of(&env, 1, "web");
	struct err e;

	ck_assert_int_eq(prepare(&k, &e), -ESRCH);
	ck_assert_ptr_nonnull(strstr(e.msg, "has ended"));
	is_home();
}
END_TEST

SUITE("hook", takes_nothing_for_init, returns_what_it_took_for_a_libvirt_that_died,
	skips_checks_that_the_file_has, leaves_the_devices_of_a_guest_to_its_keeper,
	lends_from_prepare_to_release, returns_only_what_the_domain_has, refuses_a_device_in_use,
	refuses_what_it_does_not_understand, names_domains_that_are_hostile,
	releases_after_its_own_death, returns_what_a_dead_libvirt_had)
