/* SPDX-License-Identifier: MIT */
#include "bind/stuck_writer.h"

#include "base/err.h"
#include "bind/lease.h"
#include "host/host.h"
#include "suite.h"
#include "vfs/entry.h"

#include <stdio.h>
#include <string.h>

#define BOOT "11111111-2222-3333-4444-555555555555"
#define STAT " 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 900"

/* A writer with process id 812 in @state, child of 700. */
static struct host *set(char state, const char *adopter, const char *place)
{
	struct host *h = NULL;
	char text[1024];
	struct err e = {0};

	(void)snprintf(text, sizeof(text),
		"usher-host 1\n"
		"file /proc/812/stat 812 (us) her) %c 700" STAT "\n"
		"file /proc/812/comm us) her\n"
		"file /proc/700/comm %s\n%s",
		state, adopter, place);
	ck_assert_msg(host_snapshot_from(text, strlen(text), &h, &e) == 0, "%s", e.msg);
	return h;
}

static void says(struct host *h, const char *expected)
{
	char text[160];

	ck_assert_str_eq(bind_stuck_writer_format(h, 812, "it", text, sizeof(text)), expected);
	host_close(h);
}

#define PLACE "file /proc/812/wchan vfio_unregister_group_dev\n"

START_TEST(says_which_process_is_stuck_where)
{
	says(set('D', "init", PLACE),
		"process 812 of usher is stuck in the kernel (vfio_unregister_group_dev)");
	says(set('D', "us) her", PLACE),
		"process 812 of usher waits in the kernel (vfio_unregister_group_dev)");
	says(set('D', "init", ""), "process 812 of usher is stuck in the kernel");
	says(set('D', "init", "file /proc/812/wchan 0\n"),
		"process 812 of usher is stuck in the kernel");
	says(set('S', "us) her", PLACE), "process 812 of usher is at work on it");
	says(set('D', "init", "file /proc/812/wchan \\x1b[2Jx\n"),
		"process 812 of usher is stuck in the kernel (\\x1b[2Jx)");
}
END_TEST

START_TEST(judges_an_entry_by_it)
{
	static const char where[] = "is stuck in the kernel (vfio_unregister_group_dev)";
	const struct bind_env env = {.host = set('D', "init", PLACE)};
	const struct bind_entry n = {.writer = 812, .writer_start = 900, .boot = BOOT};
	const struct vfs_entry f = {.writer = 812, .writer_start = 900, .boot = BOOT};
	char text[160], hint[128];

	ck_assert_int_eq(bind_lease_judge(&env, &n, BOOT, text, sizeof(text)), BIND_LEASE_BUSY);
	ck_assert_msg(strstr(text, where), "%s", text);
	ck_assert_int_eq(vfs_entry_judge(&env, &f, BOOT, text, sizeof(text)), BIND_LEASE_BUSY);
	ck_assert_msg(strstr(text, where), "%s", text);
	ck_assert_str_eq(bind_stuck_writer_hint(812, hint, sizeof(hint)),
		"see /proc/812/stack; when the device is no longer in use, run usher restore");
	host_close(env.host);
}
END_TEST

SUITE("stuck", says_which_process_is_stuck_where, judges_an_entry_by_it)
