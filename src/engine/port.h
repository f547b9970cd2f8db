/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_PORT_H
#define ENGINE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define PORT_NAME_MAX 63
#define PORT_PATH_MAX 108 /* with the NUL, as the path of a socket has it */
#define PORT_SLAVE_MAX 32 /* of /dev/pts/N, with the NUL */
#define PORT_LIMIT_DEFAULT (UINT64_C(64) << 20)

enum guest_port_kind {
	GUEST_PORT_NONE, /* whoever looks: usher console */
	GUEST_PORT_SOCKET,
	GUEST_PORT_PTY,
	GUEST_PORT_FILE,
	GUEST_PORT_STDIO,
};

/* A port of a virtio console, as --port describes it. */
struct guest_port {
	char name[PORT_NAME_MAX + 1]; /* in the guest */
	enum guest_port_kind kind;
	char path[PORT_PATH_MAX]; /* of the socket, link or file; "": in the guest's folder */
	uint64_t limit; /* [bytes] of a file; 0: PORT_LIMIT_DEFAULT */
};

/* What standard input and output are for the guest, as --console says. */
enum guest_console { GUEST_CONSOLE_SERIAL, GUEST_CONSOLE_VIRTIO, GUEST_CONSOLE_NONE };

/*
 * "NAME[,socket[=PATH]|,pty[=PATH]|,file=PATH[,limit=SIZE]|,stdio]", as --port takes it.
 * Return: 0, -EINVAL.
 */
int port_parse(const char *text, struct guest_port *ret, struct err *e);

/* Return: static, as "socket". */
const char *port_kind_name(enum guest_port_kind kind);

/* "serial", "virtio" or "none". Return: 0, -EINVAL. */
int port_parse_console(const char *text, enum guest_console *ret);
const char *port_console_name(enum guest_console console);

/* Where the socket or the link of @p is. @run_dir: BIND_STATE_DIR. Return: 0, -ENAMETOOLONG. */
int port_path(
	const struct guest_port *p, const char *run_dir, const char *guest, char *ret, size_t size);

/*
 * A port that is open for a guest.
 *
 * How it works. usher-vmm opens no path, so it gets a socket that listens, or the master of a
 * pseudo terminal with an inotify that wakes when a process opens the slave: the kernel tells the
 * master nothing of that. A symbolic link leads to the slave. What was made at a path is removed
 * again when nobody listens there any more, and the link if it still leads to this slave.
 */
struct port {
	int fd; /* -1: none */
	int door_fd; /* -1: none */
	char path[PORT_PATH_MAX]; /* what was made there; "": nothing */
	char slave[PORT_SLAVE_MAX]; /* where the link leads; "": it is a socket */
};

#define PORT_OPEN_NONE ((struct port){.fd = -1, .door_fd = -1})

/* Whether port_open() could work, as far as that shows without a change. Return: 0, -EINVAL. */
int port_check(const struct guest_port *p, struct err *e);

/* @path: of port_path(). Return: 0; -EADDRINUSE, -EEXIST somebody has the path; -errno. */
int port_open(const struct guest_port *p, const char *path, struct port *ret, struct err *e);

/*
 * The same for a socket alone, which no port has. @what: the option, for messages: "--vsock".
 * @waiting: how many connections may wait.
 */
int port_check_socket(const char *what, const char *path, struct err *e);
int port_listen(const char *what, const char *path, int waiting, struct port *ret, struct err *e);

/* After the guest's end. Removes what was made. The descriptors are closed, too. */
void port_close(struct port *p);

#endif
