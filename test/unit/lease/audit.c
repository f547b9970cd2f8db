/* SPDX-License-Identifier: MIT */
/* The log of all leases: its bound, and what is in it of devices that a lease has left. */
#include "lease/audit.h"

#include "base/file.h"
#include "base/num.h"
#include "lease/model_devices.h"
#include "suite.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct guest_spec spec = {
	.name = "box", .device_count = 1, .devices = {{.address = {0, 2, 0, 1}}}};
static char log_path[96];
static struct lease lease;

static void log_set(void)
{
	lease = (struct lease){.env = model_set(), .spec = &spec, .user = getuid()};
	(void)snprintf(log_path, sizeof(log_path), "%s/leases", stage_state);
	lease.log = log_path;
}

static bool log_has(const char *text)
{
	char log[8192] = "";

	(void)file_read(log_path, log, sizeof(log));
	return strstr(log, text) != NULL;
}

START_TEST(the_log_is_bounded)
{
	const struct audit a = {.lease = &lease, .since = 1000};
	char old[112];
	struct stat st;

	log_set();
	for (unsigned i = 0; i < 16000; i++)
		ck_assert_int_eq(audit_write(&a), 0);
	ck_assert_int_eq(stat(log_path, &st), 0);
	ck_assert_int_le(st.st_size, AUDIT_MAX);
	(void)snprintf(old, sizeof(old), "%s.1", log_path);
	ck_assert_int_eq(stat(old, &st), 0);
	ck_assert_int_le(st.st_size, AUDIT_MAX);
	ck_assert_int_ge(st.st_size, AUDIT_MAX / 2);
}
END_TEST

START_TEST(the_log_has_what_is_restored)
{
	struct bind_returned members[] = {
		{.address = {0, 2, 0, 1}}, {.address = {0, 2, 0, 2}, .left = true}};
	struct bind_report done = {
		.returned_count = COUNT(members), .returned = members, .owner.name = "lease+box"};

	log_set();
	ck_assert_int_eq(audit_write_restored(log_path, -EPERM, &done), 0);
	ck_assert(log_has(
		"\"event\":\"restored\",\"lease\":\"box\",\"devices\":[\"0000:02:00.1\"]}"));
	/* Bound manually before the lease, and still. */
	done.returned_count = 0;
	ck_assert_int_eq(audit_write_restored(log_path, 0, &done), 0);
	ck_assert(log_has("\"devices\":[]}"));
	/* Refused, left alone, or of a guest. */
	(void)file_remove(log_path);
	ck_assert_int_eq(audit_write_restored(log_path, -EPERM, &done), 0);
	ck_assert_int_eq(audit_write_restored(log_path, 1, &done), 0);
	(void)snprintf(done.owner.name, sizeof(done.owner.name), "box");
	ck_assert_int_eq(audit_write_restored(log_path, 0, &done), 0);
	ck_assert(!log_has("restored"));
}
END_TEST

SUITE("lease/audit", the_log_is_bounded, the_log_has_what_is_restored)
