/* SPDX-License-Identifier: MIT */
#include "engine/port.h"

#include "base/err.h"
#include "base/num.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/usher-port-XXXXXX";
static char path[PORT_PATH_MAX];

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/end", folder);
}

static void teardown(void)
{
	ck_assert_int_eq(rmdir(folder), 0);
}

static const struct {
	const char *text;
	struct guest_port port;
} good[] = {
	{"agent", {.name = "agent"}},
	{"agent,socket", {.name = "agent", .kind = GUEST_PORT_SOCKET}},
	{"a.b-c_9,socket=/x", {.name = "a.b-c_9", .kind = GUEST_PORT_SOCKET, .path = "/x"}},
	{"t,pty", {.name = "t", .kind = GUEST_PORT_PTY}},
	{"t,pty=link", {.name = "t", .kind = GUEST_PORT_PTY, .path = "link"}},
	{"l,file=f", {.name = "l", .kind = GUEST_PORT_FILE, .path = "f"}},
	{"l,limit=1M,file=f",
		{.name = "l", .kind = GUEST_PORT_FILE, .path = "f", .limit = 1 << 20}},
	{"s,stdio", {.name = "s", .kind = GUEST_PORT_STDIO}},
};

static const char *const bad[] = {"", ",socket", "a b", ".a", "a/b", "a,", "a,sock",
	"a,socket=", "a,file", "a,file=", "a,stdio=x", "a,socket,pty", "a,socket,socket=/x",
	"a,limit=1M", "a,socket,limit=1M", "a,file=f,limit=0", "a,file=f,limit=x",
	"a,file=f,limit=", "a,none"};

START_TEST(parses_its_words)
{
	struct guest_port p;
	char text[6 + PORT_PATH_MAX + 1] = "";

	for (size_t i = 0; i < COUNT(good); i++) {
		ck_assert_int_eq(port_parse(good[i].text, &p, NULL), 0);
		ck_assert_str_eq(p.name, good[i].port.name);
		ck_assert_str_eq(p.path, good[i].port.path);
		ck_assert_int_eq((int)p.kind, (int)good[i].port.kind);
		ck_assert_uint_eq(p.limit, good[i].port.limit);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(port_parse(bad[i], &p, NULL) == -EINVAL, "'%s'", bad[i]);
	memset(text, 'n', PORT_NAME_MAX);
	ck_assert_int_eq(port_parse(text, &p, NULL), 0);
	text[PORT_NAME_MAX] = 'n';
	ck_assert_int_eq(port_parse(text, &p, NULL), -EINVAL);
	/* No program could connect to a path that is longer than a socket's may be. */
	memset(text, 'n', sizeof(text) - 1);
	memcpy(text, "a,pty=", 6);
	ck_assert_int_eq(port_parse(text, &p, NULL), -EINVAL);
}
END_TEST

START_TEST(knows_where_it_is)
{
	struct guest_port p = {.name = "agent", .kind = GUEST_PORT_SOCKET};
	char at[PORT_PATH_MAX];

	ck_assert_int_eq(port_path(&p, "/run/usher", "box", at, sizeof(at)), 0);
	ck_assert_str_eq(at, "/run/usher/vm/box/port-agent");
	(void)strcpy(p.path, "here");
	ck_assert_int_eq(port_path(&p, "/run/usher", "box", at, sizeof(at)), 0);
	ck_assert_str_eq(at, "here");
	ck_assert_int_eq(port_path(&p, "/run/usher", "box", at, 4), -ENAMETOOLONG);
}
END_TEST

static int visit(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int r = connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

START_TEST(listens_at_a_socket)
{
	const struct guest_port p = {.name = "agent", .kind = GUEST_PORT_SOCKET};
	struct port one, two;
	struct stat st;

	setup();
	ck_assert_int_eq(port_open(&p, path, &one, NULL), 0);
	ck_assert_int_eq(visit(), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	(void)close(accept(one.fd, NULL, NULL));
	/* Another guest does not get it. */
	ck_assert_int_eq(port_open(&p, path, &two, NULL), -EEXIST);
	(void)close(accept(one.fd, NULL, NULL));
	ck_assert_int_eq(visit(), 0);
	/* One whose keeper was killed is no obstacle. */
	(void)close(one.fd);
	one.fd = -1;
	ck_assert_int_eq(visit(), -ECONNREFUSED);
	ck_assert_int_eq(port_open(&p, path, &two, NULL), 0);
	/* Whose place was taken removes nothing. */
	port_close(&one);
	ck_assert_int_eq(visit(), 0);
	port_close(&two);
	ck_assert_int_eq(visit(), -ENOENT);
	teardown();
}
END_TEST

START_TEST(makes_a_pseudo_terminal)
{
	const struct guest_port p = {.name = "line", .kind = GUEST_PORT_PTY};
	char text[16] = "";
	struct port o;

	setup();
	ck_assert_int_eq(port_open(&p, path, &o, NULL), 0);
	struct pollfd master = {.fd = o.fd, .events = POLLIN},
		      door = {.fd = o.door_fd, .events = POLLIN};
	/* Nobody has it open, and that shows. */
	ck_assert_int_eq(poll(&master, 1, 0), 1);
	ck_assert(master.revents & POLLHUP);
	ck_assert_int_eq(poll(&door, 1, 0), 0);
	const int slave = open(path, O_RDWR | O_NOCTTY);
	ck_assert_int_ge(slave, 0);
	ck_assert_int_eq(poll(&door, 1, 20000), 1);
	ck_assert_int_eq(poll(&master, 1, 0), 0);
	/* Nothing is echoed, and no byte is changed. */
	ck_assert_int_eq((int)write(o.fd, "a\003\n", 3), 3);
	ck_assert_int_eq((int)read(slave, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "a\003\n");
	ck_assert_int_eq(poll(&master, 1, 0), 0);
	(void)close(slave);
	port_close(&o);
	ck_assert_int_eq(access(path, F_OK), -1);
	teardown();
}
END_TEST

START_TEST(removes_only_what_it_made)
{
	const struct guest_port pty = {.name = "line", .kind = GUEST_PORT_PTY},
				socket = {.name = "agent", .kind = GUEST_PORT_SOCKET};
	struct guest_port checked = socket;
	struct port o;

	setup();
	(void)strcpy(checked.path, path);
	ck_assert_int_eq(port_check(&checked, NULL), 0);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	(void)close(fd);
	ck_assert_int_eq(port_check(&checked, NULL), -EINVAL);
	ck_assert_int_eq(port_open(&socket, path, &o, NULL), -EEXIST);
	ck_assert_int_eq(port_open(&pty, path, &o, NULL), -EEXIST);
	ck_assert_int_eq(unlink(path), 0);
	/* A link to something else than a terminal that is gone is the user's. */
	ck_assert_int_eq(symlink("/nowhere", path), 0);
	ck_assert_int_eq(port_open(&pty, path, &o, NULL), -EEXIST);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/dev/pts/99999", path), 0);
	ck_assert_int_eq(port_open(&pty, path, &o, NULL), 0);
	/* What has its path meanwhile stays. */
	ck_assert_int_eq(unlink(path), 0);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	(void)close(fd);
	port_close(&o);
	ck_assert_int_eq(unlink(path), 0);
	(void)snprintf(checked.path, sizeof(checked.path), "%s/no/end", folder);
	ck_assert_int_eq(port_check(&checked, NULL), -EINVAL);
	ck_assert_int_eq(port_open(&socket, checked.path, &o, NULL), -ENOENT);
	(void)strcpy(checked.path, folder);
	checked.kind = GUEST_PORT_FILE;
	ck_assert_int_eq(port_check(&checked, NULL), -EINVAL);
	teardown();
}
END_TEST

SUITE("port", parses_its_words, knows_where_it_is, listens_at_a_socket, makes_a_pseudo_terminal,
	removes_only_what_it_made)
