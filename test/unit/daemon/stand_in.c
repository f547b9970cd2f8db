/* SPDX-License-Identifier: MIT */
/*
 * The host of `usher` and usherd in test/unit/daemon/service.py: devices of the stage in place of
 * sysfs, all else as on this machine. Below /run/usher each process has the same files; what the
 * stage has bound each process has for itself, so a lease's keeper finds what it left.
 *
 * 0000:02:00.1 to .5 are NVMe disks, .6 is a network card; each is in a group of its own. With
 * STAND_IN_GROUP=N the first N are in one; with STAND_IN_FAIL=N the Nth write of a process fails.
 */
#include "bind/stage.h"
#include "lease/model_devices.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host *__real_host_live(void);
struct host *__wrap_host_live(void);
struct bind_env __wrap_bind_env_live(void);

/* The stage checks itself as in a test of Check, which does not run here. */
void _mark_point(const char *file, int line)
{
}

void _ck_assert_failed(const char *file, int line, const char *expression, const char *message, ...)
{
	(void)fprintf(stderr, "%s:%d: %s\n", file, line, expression);
	abort();
}

static struct host_ops ops;
static struct host stand_in = {&ops};
static struct bind_env env;

static bool path_is_ours(const char *path)
{
	return strncmp(path, "/sys/", 5) == 0;
}

static ssize_t any_read(struct host *h, const char *path, void *buf, size_t size)
{
	struct host *of = path_is_ours(path) ? &stage_host : __real_host_live();

	return of->ops->read(of, path, buf, size);
}

static ssize_t any_link(struct host *h, const char *path, char *buf, size_t size)
{
	struct host *of = path_is_ours(path) ? &stage_host : __real_host_live();

	return of->ops->link(of, path, buf, size);
}

static int any_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	struct host *of = path_is_ours(path) ? &stage_host : __real_host_live();

	return of->ops->list(of, path, each, arg);
}

static int setting_of(const char *name)
{
	const char *text = getenv(name);

	return text ? atoi(text) : 0;
}

static void devices_make(void)
{
	const int together = setting_of("STAND_IN_GROUP");

	stage->count = 0;
	stage->fail_at = setting_of("STAND_IN_FAIL");
	for (uint8_t fn = 1; fn <= 6; fn++) {
		stage_add(fn, "e1000", "e1000", "");
		stage->devices[fn - 1].d.group = fn <= together ? 1 : fn;
		stage->devices[fn - 1].d.class = fn < 6 ? 0x010802 : 0x020000;
	}
}

struct host *__wrap_host_live(void)
{
	if (ops.read)
		return &stand_in;
	/* The stage asks for the host of this machine, too. */
	ops.read = any_read;
	env = model_set();
	ops = *stage_host.ops;
	ops.read = any_read;
	ops.link = any_link;
	ops.list = any_list;
	/* The stage has no owners of nodes, which 'usher check' asks for: those of this machine. */
	ops.node = __real_host_live()->ops->node;
	devices_make();
	env.host = &stand_in;
	env.state = BIND_STATE_DIR;
	return &stand_in;
}

struct bind_env __wrap_bind_env_live(void)
{
	(void)__wrap_host_live();
	return env;
}
