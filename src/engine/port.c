/* SPDX-License-Identifier: MIT */
#include "engine/port.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static const char *const kinds[] = {
	[GUEST_PORT_NONE] = "none",
	[GUEST_PORT_SOCKET] = "socket",
	[GUEST_PORT_PTY] = "pty",
	[GUEST_PORT_FILE] = "file",
	[GUEST_PORT_STDIO] = "stdio",
};

static const char *const consoles[] = {
	[GUEST_CONSOLE_SERIAL] = "serial",
	[GUEST_CONSOLE_VIRTIO] = "virtio",
	[GUEST_CONSOLE_NONE] = "none",
};

const char *port_kind_name(enum guest_port_kind kind)
{
	return kinds[kind];
}

const char *port_console_name(enum guest_console console)
{
	return consoles[console];
}

int port_parse_console(const char *text, enum guest_console *ret)
{
	for (size_t i = 0; i < COUNT(consoles); i++) {
		if (strcmp(consoles[i], text) == 0) {
			*ret = (enum guest_console)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* udev makes a file of that name in the guest, and so does usher on the host. */
static int name_check(const char *name, struct err *e)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const size_t len = strlen(name);

	if (len && len <= PORT_NAME_MAX && name[0] != '.' && strspn(name, allowed) == len)
		return 0;
	err_say(e, -EINVAL, "--port: '%.80s' cannot be a port's name", name);
	err_hint(e, "1 to %d of letters, digits, '-', '_' and '.', not starting with '.'",
		PORT_NAME_MAX);
	return -EINVAL;
}

static int path_parse(const char *key, const char *path, struct guest_port *p, struct err *e)
{
	if (!path[0])
		return err_say(e, -EINVAL, "--port: %s= without a path", key);
	if (strlen(path) >= sizeof(p->path))
		return err_say(e, -EINVAL, "--port: the path of %s= has more than %zu bytes", key,
			sizeof(p->path) - 1);
	(void)snprintf(p->path, sizeof(p->path), "%s", path);
	return 0;
}

static int kind_parse(const char *key, struct guest_port *p, struct err *e)
{
	const size_t len = strcspn(key, "=");

	for (enum guest_port_kind kind = GUEST_PORT_SOCKET; kind <= GUEST_PORT_STDIO; kind++) {
		if (strlen(kinds[kind]) != len || strncmp(kinds[kind], key, len) != 0)
			continue;
		const bool has_path = key[len] == '=';
		if ((kind == GUEST_PORT_STDIO && has_path) ||
			(kind == GUEST_PORT_FILE && !has_path))
			break;
		if (p->kind != GUEST_PORT_NONE)
			return err_say(e, -EINVAL, "--port: '%s' has two ends: %s and %s", p->name,
				kinds[p->kind], kinds[kind]);
		p->kind = kind;
		return has_path ? path_parse(kinds[kind], key + len + 1, p, e) : 0;
	}
	err_say(e, -EINVAL, "--port: unknown key '%.80s'", key);
	err_hint(e,
		"keys: socket, socket=PATH, pty, pty=PATH, file=PATH, limit=SIZE, stdio; a path "
		"cannot have a comma");
	return -EINVAL;
}

static int key_parse(const char *key, struct guest_port *p, struct err *e)
{
	if (strncmp(key, "limit=", 6) != 0)
		return kind_parse(key, p, e);
	if (num_parse_size(key + 6, &p->limit) < 0 || !p->limit)
		return err_say(e, -EINVAL, "--port: limit=%.40s: not a size such as 64M", key + 6);
	return 0;
}

int port_parse(const char *text, struct guest_port *ret, struct err *e)
{
	char copy[PORT_PATH_MAX + 256];
	char *rest = copy;
	struct guest_port p = {0};

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_say(e, -EINVAL, "--port: '%.40s…' is too long", text);
	const char *name = strsep(&rest, ",");
	int r = name_check(name, e);
	if (r < 0)
		return r;
	(void)snprintf(p.name, sizeof(p.name), "%s", name);
	while (rest) {
		r = key_parse(strsep(&rest, ","), &p, e);
		if (r < 0)
			return r;
	}
	if (p.limit && p.kind != GUEST_PORT_FILE)
		return err_say(e, -EINVAL, "--port: limit= is for file=");
	*ret = p;
	return 0;
}

int port_path(
	const struct guest_port *p, const char *run_dir, const char *guest, char *ret, size_t size)
{
	const int n = p->path[0] ? snprintf(ret, size, "%s", p->path)
				 : snprintf(ret, size, "%s/vm/%s/port-%s", run_dir, guest, p->name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

/* A socket that nobody listens to is what a keeper has left that was killed. */
static bool socket_is_left(const char *path)
{
	const struct sockaddr_un a = address_of(path);
	struct stat st;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 && errno == ECONNREFUSED;
}

/* So is a link to a pseudo terminal that is not there any more. */
static bool link_is_left(const char *path)
{
	char to[PORT_SLAVE_MAX];
	struct stat st;
	const ssize_t len = readlink(path, to, sizeof(to) - 1);

	return len > 9 && strncmp(to, "/dev/pts/", 9) == 0 && stat(path, &st) < 0 &&
	       errno == ENOENT;
}

static bool link_leads_to(const char *path, const char *slave)
{
	char to[PORT_SLAVE_MAX];
	const ssize_t len = readlink(path, to, sizeof(to));

	return len > 0 && (size_t)len == strlen(slave) && memcmp(to, slave, (size_t)len) == 0;
}

static bool path_is_free(const char *path, bool (*is_left)(const char *path))
{
	struct stat st;

	return lstat(path, &st) < 0 ? errno == ENOENT : is_left(path);
}

/* @what: begins the messages. @made: what usher makes there. */
static int path_refuse(const char *what, const char *made, const char *path, struct err *e)
{
	err_say(e, -EEXIST, "%s: there is something at '%s' already", what, path);
	err_hint(e, "choose another path; usher makes the %s itself", made);
	return -EEXIST;
}

static int folder_check(const char *what, const char *path, struct err *e)
{
	const int len = (int)(file_base(path) - path);
	char folder[FILE_PATH_MAX];

	if (file_path(folder, sizeof(folder), "%.*s.", len, path) < 0)
		return err_say(e, -EINVAL, "%s: the path '%s' is too long", what, path);
	if (access(folder, W_OK | X_OK) == 0)
		return 0;
	(void)err_set(e, -errno, "%s: make '%s'", what, path);
	return -EINVAL;
}

int port_check_socket(const char *what, const char *path, struct err *e)
{
	if (path_is_free(path, socket_is_left))
		return folder_check(what, path, e);
	(void)path_refuse(what, "socket", path, e);
	return -EINVAL;
}

#define WHAT_MAX (PORT_NAME_MAX + 16)

static const char *port_what(const struct guest_port *p, char buf[WHAT_MAX])
{
	(void)snprintf(buf, WHAT_MAX, "--port: '%s'", p->name);
	return buf;
}

int port_check(const struct guest_port *p, struct err *e)
{
	char what[WHAT_MAX];
	struct stat st;

	if (!p->path[0])
		return 0;
	(void)port_what(p, what);
	if (p->kind == GUEST_PORT_FILE && stat(p->path, &st) == 0 &&
		(S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)))
		return err_say(e, -EINVAL, "%s: '%s' is a %s", what, p->path,
			S_ISDIR(st.st_mode) ? "folder" : "disk");
	if (p->kind == GUEST_PORT_SOCKET)
		return port_check_socket(what, p->path, e);
	if (p->kind == GUEST_PORT_PTY && !path_is_free(p->path, link_is_left)) {
		(void)path_refuse(what, "link", p->path, e);
		return -EINVAL;
	}
	return folder_check(what, p->path, e);
}

static int socket_bind(int fd, const char *path)
{
	const struct sockaddr_un a = address_of(path);
	const mode_t before = umask(0177);
	const int r = bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;

	(void)umask(before);
	return r;
}

static int socket_open(
	const char *what, const char *path, int waiting, struct port *o, struct err *e)
{
	o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (o->fd < 0)
		return err_set(e, -errno, "%s: make a socket", what);
	int r = socket_bind(o->fd, path);
	if (r == -EADDRINUSE && socket_is_left(path) && unlink(path) == 0)
		r = socket_bind(o->fd, path);
	if (r == -EADDRINUSE)
		return path_refuse(what, "socket", path, e);
	if (r == 0 && listen(o->fd, waiting) < 0)
		r = -errno;
	if (r < 0)
		return err_set(e, r, "%s: listen at '%s'", what, path);
	(void)snprintf(o->path, sizeof(o->path), "%s", path);
	return 0;
}

int port_listen(const char *what, const char *path, int waiting, struct port *ret, struct err *e)
{
	*ret = PORT_OPEN_NONE;
	int r = socket_open(what, path, waiting, ret, e);
	if (r < 0)
		port_close(ret);
	return r;
}

/*
 * The kernel reports a slave as closed only after it was open once. Its line discipline must change
 * nothing, and echo nothing to the guest.
 */
static int slave_prepare(const char *slave)
{
	struct termios settings;
	cleanup_fd int fd = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &settings) < 0)
		return -errno;
	cfmakeraw(&settings);
	return tcsetattr(fd, TCSANOW, &settings) < 0 ? -errno : 0;
}

static int master_open(struct port *o)
{
	o->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (o->fd < 0 || grantpt(o->fd) < 0 || unlockpt(o->fd) < 0)
		return -errno;
	int r = -ptsname_r(o->fd, o->slave, sizeof(o->slave));
	if (r == 0)
		r = slave_prepare(o->slave);
	if (r < 0)
		return r;
	o->door_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return o->door_fd < 0 || inotify_add_watch(o->door_fd, o->slave, IN_OPEN) < 0 ? -errno : 0;
}

static int pty_open(const struct guest_port *p, const char *path, struct port *o, struct err *e)
{
	char what[WHAT_MAX];

	int r = master_open(o);
	if (r < 0)
		return err_set(e, r, "--port: '%s': make a pseudo terminal", p->name);
	r = symlink(o->slave, path) < 0 ? -errno : 0;
	if (r == -EEXIST && link_is_left(path) && unlink(path) == 0)
		r = symlink(o->slave, path) < 0 ? -errno : 0;
	if (r == -EEXIST)
		return path_refuse(port_what(p, what), "link", path, e);
	if (r < 0)
		return err_set(e, r, "--port: '%s': link '%s' to %s", p->name, path, o->slave);
	(void)snprintf(o->path, sizeof(o->path), "%s", path);
	return 0;
}

int port_open(const struct guest_port *p, const char *path, struct port *ret, struct err *e)
{
	char what[WHAT_MAX];
	int r = 0;

	*ret = PORT_OPEN_NONE;
	if (p->kind == GUEST_PORT_SOCKET)
		r = socket_open(port_what(p, what), path, 1, ret, e);
	else if (p->kind == GUEST_PORT_PTY)
		r = pty_open(p, path, ret, e);
	else if (p->kind == GUEST_PORT_FILE)
		r = ret->fd = output_open("port", path, 0600, e);
	if (r >= 0)
		return 0;
	port_close(ret);
	return r;
}

void port_close(struct port *p)
{
	fd_close(&p->fd);
	fd_close(&p->door_fd);
	if (p->path[0] &&
		(p->slave[0] ? link_leads_to(p->path, p->slave) : socket_is_left(p->path)))
		(void)unlink(p->path);
	p->path[0] = '\0';
}
