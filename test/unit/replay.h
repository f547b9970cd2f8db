/* SPDX-License-Identifier: MIT */
/* Hosts for tests: snapshots that are fixtures, and snapshots of a few lines. */
#ifndef TEST_UNIT_REPLAY_H
#define TEST_UNIT_REPLAY_H

#include "base/err.h"
#include "base/file.h"
#include "host/host.h"
#include "suite.h"

#include <string.h>

/* The fixture host/NAME.host. */
static inline struct host *replay_fixture(const char *name)
{
	char path[FILE_PATH_MAX];
	struct host *h = NULL;
	struct err e = {0};

	ck_assert_int_eq(file_path(path, sizeof(path), "%s/host/%s.host", suite_fixtures, name), 0);
	ck_assert_msg(host_snapshot_open(path, &h, &e) == 0, "%s", e.msg);
	return h;
}

/* The lines of a snapshot, below its header. */
static inline struct host *replay_lines(const char *lines)
{
	char text[16384];
	struct host *h = NULL;
	struct err e = {0};

	int len = snprintf(text, sizeof(text), "usher-host 1\n%s", lines);
	ck_assert_int_lt(len, (int)sizeof(text));
	ck_assert_msg(host_snapshot_from(text, (size_t)len, &h, &e) == 0, "%s", e.msg);
	return h;
}

#endif
