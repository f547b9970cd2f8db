/* SPDX-License-Identifier: MIT */
#include "engine/walls.h"

#include "engine/spec.h"
#include "host/host.h"
#include "replay.h"

#include <string.h>
#include <unistd.h>

#define LOCKED "file /sys/kernel/security/lsm lockdown,capability,landlock,yama\n"
#define MANY "file /proc/sys/user/max_user_namespaces 63000\n"

static struct wall_forecast walls[WALLS_MAX];
static struct guest_spec spec;

static void foretell(const char *text)
{
	struct host *h = replay_lines(text);

	ck_assert_uint_eq(walls_foretell(h, &spec, walls), WALLS_MAX);
	host_close(h);
}

/* Return: why the host has no wall of that name; "" it has one. */
static const char *why_not(const char *name)
{
	for (size_t i = 0; i < WALLS_MAX; i++)
		if (strcmp(walls[i].name, name) == 0)
			return walls[i].missing ? walls[i].missing : "";
	ck_abort_msg("no wall '%s'", name);
}

START_TEST(root_has_all_of_a_usual_kernel)
{
	if (geteuid() != 0)
		return;
	foretell(LOCKED MANY);
	for (size_t i = 0; i < WALLS_MAX; i++)
		ck_assert_msg(!walls[i].missing, "%s: %s", walls[i].name, walls[i].missing);
	foretell("file /sys/kernel/security/lsm lockdown,capability,yama\n"
		 "file /proc/sys/user/max_net_namespaces 0\n");
	ck_assert_str_eq(why_not("paths"), "this kernel has no landlock");
	ck_assert_str_eq(why_not("network"), "this host permits no such namespace");
	ck_assert_str_eq(why_not("processes"), "");
}
END_TEST

START_TEST(an_ordinary_user_depends_on_user_namespaces)
{
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	foretell(LOCKED MANY);
	ck_assert_str_eq(why_not("user"), "only root can become another user");
	ck_assert_str_eq(why_not("files"), "");
	foretell(LOCKED MANY "file /proc/sys/kernel/unprivileged_userns_clone 0\n");
	ck_assert_str_ne(why_not("files"), "");
	ck_assert_str_eq(why_not("calls"), "");
	foretell(LOCKED MANY "file /proc/sys/kernel/apparmor_restrict_unprivileged_userns 1\n");
	ck_assert_str_ne(why_not("processes"), "");
}
END_TEST

START_TEST(without_the_sandbox_there_is_none)
{
	spec.no_sandbox = true;
	foretell(LOCKED MANY);
	for (size_t i = 0; i < WALLS_MAX; i++)
		ck_assert_str_eq(walls[i].missing, "--no-sandbox");
}
END_TEST

SUITE("walls", root_has_all_of_a_usual_kernel, an_ordinary_user_depends_on_user_namespaces,
	without_the_sandbox_there_is_none)
