/* SPDX-License-Identifier: MIT */
/*
 * How QEMU gets devices: the host is one of two lines, and QEMU a script that says its version.
 * How usher connects to a vhost-user back end.
 */
#include "engine/backend.h"
#include "engine/qemu/backend.h"

#include "base/err.h"
#include "engine/engine.h"
#include "engine/inherited.h"
#include "engine/spec.h"
#include "host/host.h"
#include "lingering.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
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

#define ANSWER 20 /* [bytes] */

/* Sends @size bytes of an answer over @fd, with descriptor @sent, if there is one. */
static void piece_send(int fd, size_t size, int sent)
{
	char bytes[ANSWER] = {0};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = {.bytes = {0}};
	struct iovec part = {bytes, size};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (sent >= 0) {
		m.msg_control = room.bytes;
		m.msg_controllen = sizeof(room.bytes);
		room.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&room.head), &sent, sizeof(int));
	}
	ck_assert_int_eq(sendmsg(fd, &m, 0), (ssize_t)size);
}

/* Nobody asked for it. The keeper would have the last one, and has devices to return. */
START_TEST(a_descriptor_that_lingers_holds_up_no_start)
{
	const time_t begun = time(NULL);

	for (size_t first = 0; first < ANSWER; first += 12) {
		struct engine_run run = ENGINE_RUN_NONE;
		struct backend b = BACKEND_NONE;
		struct err e = {0};
		int ends[2], lingers = lingering_socket();
		if (lingers < 0)
			return;
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		if (first)
			piece_send(ends[1], first, -1);
		piece_send(ends[1], ANSWER - first, lingers);
		(void)close(lingers);
		b.end = ends[0];
		(void)snprintf(b.path, sizeof(b.path), "/run/switch");
		ck_assert_int_eq(backend_await(&b, &e), -EIO);
		ck_assert_str_eq(
			e.msg, "the back end at '/run/switch' sends a descriptor with its answer");
		/* Neither does its end. */
		(void)inherited_add(&run, ends[0]);
		engine_finish(&run);
		(void)close(ends[1]);
	}
	ck_assert_int_lt((int)(time(NULL) - begun), LINGER_S / 2);
}
END_TEST

/* An answer in pieces is one; what comes behind it is for who has the connection then. */
START_TEST(an_answer_is_read_and_nothing_behind_it)
{
	struct backend b = BACKEND_NONE;
	struct err e = {0};
	char left[ANSWER];
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	piece_send(ends[1], 1, -1);
	piece_send(ends[1], ANSWER - 1, -1);
	piece_send(ends[1], 3, -1);
	b.end = ends[0];
	ck_assert_msg(backend_await(&b, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(b.end, -1);
	ck_assert_int_eq(recv(ends[0], left, sizeof(left), MSG_DONTWAIT), 3);
	/* One that ends says less. */
	piece_send(ends[1], ANSWER - 1, -1);
	ck_assert_int_eq(shutdown(ends[1], SHUT_RDWR), 0);
	b.end = ends[0];
	(void)snprintf(b.path, sizeof(b.path), "/run/switch");
	ck_assert_int_eq(backend_await(&b, &e), -EIO);
	ck_assert_ptr_nonnull(strstr(e.msg, "'/run/switch' closes the connection"));
	(void)close(ends[0]);
	(void)close(ends[1]);
	/* So does one that closes with the question unread. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(send(ends[0], "", 1, 0), 1);
	(void)close(ends[1]);
	b.end = ends[0];
	(void)snprintf(b.path, sizeof(b.path), "/run/switch");
	ck_assert_int_eq(backend_await(&b, &e), -EIO);
	ck_assert_ptr_nonnull(strstr(e.msg, "'/run/switch' closes the connection"));
	(void)close(ends[0]);
}
END_TEST

SUITE("engine_backend", a_version_is_read, descriptors_need_iommufd_and_a_qemu_that_takes_them,
	an_old_qemu_opens_groups, a_machine_of_the_callers_opens_groups,
	nobody_waits_for_a_back_end_that_accepts_nothing,
	a_connection_is_made_again_at_the_same_place, a_descriptor_that_lingers_holds_up_no_start,
	an_answer_is_read_and_nothing_behind_it)
