/* SPDX-License-Identifier: MIT */
/*
 * How QEMU gets devices: the host is one of two lines, and QEMU a script that says its version.
 * How usher connects to a vhost-user back end.
 */
#include "engine/backend.h"
#include "engine/qemu/backend.h"

#include "base/err.h"
#include "engine/spec.h"
#include "host/host.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool has_iommufd;

static int node_look(struct host *h, const char *path, struct host_node *ret)
{
	*ret = (struct host_node){0};
	return has_iommufd && strcmp(path, "/dev/iommu") == 0 ? 0 : -ENOENT;
}

static const struct host_ops ops = {.node = node_look};
static struct host host = {.ops = &ops};
static char script[] = "/tmp/usher-qemu-XXXXXX";

static void qemu_says(const char *text)
{
	int fd = mkstemp(script);
	FILE *f = fdopen(fd, "w");

	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "#!/bin/sh\n[ \"$1\" = --version ] && echo '%s'\n", text);
	(void)fclose(f);
	ck_assert_int_eq(chmod(script, 0755), 0);
	ck_assert_int_eq(setenv("QEMU_SYSTEM", script, 1), 0);
}

static void expect_reason(const struct guest_spec *s, const char *part)
{
	const char *reason = qemu_backend_lacks(&host, s);

	if (part)
		ck_assert_msg(reason && strstr(reason, part), "'%s'", reason ? reason : "");
	else
		ck_assert_msg(!reason, "'%s'", reason ? reason : "");
	(void)unlink(script);
}

START_TEST(a_version_is_read)
{
	ck_assert_uint_eq(qemu_backend_version("QEMU emulator version 7.2.17 (Debian 1:7.2)"), 7);
	ck_assert_uint_eq(qemu_backend_version("QEMU emulator version 10.0.2\nCopyright"), 10);
	ck_assert_uint_eq(qemu_backend_version("QEMU emulator version"), 0);
	ck_assert_uint_eq(qemu_backend_version("version x.y"), 0);
	ck_assert_uint_eq(qemu_backend_version(""), 0);
}
END_TEST

START_TEST(descriptors_need_iommufd_and_a_qemu_that_takes_them)
{
	const struct guest_spec s = {.name = "box", .device_count = 1};

	expect_reason(&s, "this host has no iommufd"); /* no program is started for that */
	has_iommufd = true;
	qemu_says("QEMU emulator version 9.0.0");
	expect_reason(&s, NULL);
}
END_TEST

START_TEST(an_old_qemu_opens_groups)
{
	const struct guest_spec s = {.name = "box", .device_count = 1};

	has_iommufd = true;
	qemu_says("QEMU emulator version 8.2.2 (Debian 1:8.2.2+ds-0ubuntu1)");
	expect_reason(&s, "QEMU before 9.0");
}
END_TEST

START_TEST(a_machine_of_the_callers_opens_groups)
{
	char *const words[] = {(char[]){"-M"}, (char[]){"q35"}, NULL};
	const struct guest_spec s = {.name = "box", .device_count = 1, .engine_args = words};

	has_iommufd = true;
	expect_reason(&s, "the caller's words");
}
END_TEST

/* Who would wait for it holds the devices: the guest's end could not return them. */
START_TEST(nobody_waits_for_a_back_end_that_accepts_nothing)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	static struct backends s = {.count = 1};
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err e = {0};

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/usher-backend-%d", getpid());
	ck_assert_int_eq(bind(server, (const struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(server, 0), 0);
	ck_assert_int_eq(backend_connect(&s.list[0], a.sun_path, &e), 0);
	ck_assert_int_eq(fcntl(s.list[0].end, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(backends_reconnect(&s, 0), -EAGAIN);
	ck_assert_int_eq(backend_connect(&s.list[0], a.sun_path, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "accepts no connection"));
	(void)unlink(a.sun_path);
}
END_TEST

/* A back end that is back is where it was: a link in its place leads nowhere. */
START_TEST(a_connection_is_made_again_at_the_same_place)
{
	char folder[] = "/tmp/usher-backend-XXXXXX", link[64];
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	static struct backends s = {.count = 1};
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/real", folder);
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	ck_assert_int_eq(bind(server, (const struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(server, 4), 0);
	ck_assert_int_eq(symlink("real", link), 0);
	ck_assert_msg(backend_connect(&s.list[0], link, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(s.list[0].path, a.sun_path);
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_ge(backends_reconnect(&s, 0), 0);
	(void)snprintf(link, sizeof(link), "%s/moved", folder);
	ck_assert_int_eq(rename(a.sun_path, link), 0);
	ck_assert_int_eq(symlink("moved", a.sun_path), 0);
	ck_assert_int_eq(backends_reconnect(&s, 0), -ELOOP);
	ck_assert_int_eq(unlink(link) | unlink(a.sun_path) | rmdir(folder), 0);
}
END_TEST

SUITE("engine_backend", a_version_is_read, descriptors_need_iommufd_and_a_qemu_that_takes_them,
	an_old_qemu_opens_groups, a_machine_of_the_callers_opens_groups,
	nobody_waits_for_a_back_end_that_accepts_nothing,
	a_connection_is_made_again_at_the_same_place)
