/* SPDX-License-Identifier: MIT */
/*
 * vsock_talk listen PORT: takes one connection, writes what comes to standard output until its
 * end, and answers with standard input. vsock_talk connect CID PORT: the other side of such a
 * talk. Tries to connect for ten seconds. A path in place of a listener's PORT, or of CID, is that
 * of a unix socket, as usher-vmm has it for a guest. vsock_talk through PATH PORT: moves bytes both
 * ways at once, as ssh wants it.
 */
#include <err.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TRIES 100

static void bytes_move(int from, int to)
{
	static char bytes[65536];
	ssize_t got;

	while ((got = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t sent = 0, step; sent < got; sent += step) {
			step = write(to, bytes + sent, (size_t)(got - sent));
			if (step < 0)
				err(1, "write");
		}
	if (got < 0)
		err(1, "read");
}

/* An address of either kind. @cid: NULL is any. */
union address {
	struct sockaddr any;
	struct sockaddr_vm vm;
	struct sockaddr_un un;
};

static union address address_of(const char *cid, const char *port)
{
	union address a = {.vm = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY}};
	const char *path = cid ? cid : port;

	if (path[0] == '/') {
		a.un = (struct sockaddr_un){.sun_family = AF_UNIX};
		(void)snprintf(a.un.sun_path, sizeof(a.un.sun_path), "%s", path);
		return a;
	}
	if (cid)
		a.vm.svm_cid = (unsigned)strtoul(cid, NULL, 10);
	a.vm.svm_port = (unsigned)strtoul(port, NULL, 10);
	return a;
}

static socklen_t address_size(const union address *a)
{
	return a->any.sa_family == AF_UNIX ? sizeof(a->un) : sizeof(a->vm);
}

static int port_take(const char *port)
{
	const union address at = address_of(NULL, port);
	int door = socket(at.any.sa_family, SOCK_STREAM, 0);

	if (door < 0 || bind(door, &at.any, address_size(&at)) < 0 || listen(door, 1) < 0)
		err(1, "listen at port %s", port);
	int fd = accept(door, NULL, NULL);
	if (fd < 0)
		err(1, "accept");
	return fd;
}

/* Return: whether the guest has a program at that port. */
static int door_pass(int fd, const char *port)
{
	char byte = 0, answer[32] = "";

	if (dprintf(fd, "CONNECT %s\n", port) < 0)
		return 0;
	for (size_t i = 0; byte != '\n' && i + 1 < sizeof(answer); i++) {
		if (read(fd, &byte, 1) != 1)
			return 0;
		answer[i] = byte;
	}
	return strncmp(answer, "OK ", 3) == 0;
}

static int port_call(const char *cid, const char *port)
{
	const union address at = address_of(cid, port);

	for (int i = 0; i < TRIES; i++) {
		int fd = socket(at.any.sa_family, SOCK_STREAM, 0);
		if (fd < 0)
			err(1, "socket");
		if (connect(fd, &at.any, address_size(&at)) == 0 &&
			(at.any.sa_family == AF_VSOCK || door_pass(fd, port)))
			return fd;
		(void)close(fd);
		(void)usleep(100000);
	}
	err(1, "connect to %s, port %s", cid, port);
}

/* Until the other side ends. */
static void bytes_exchange(int fd)
{
	struct pollfd ends[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {fd, POLLIN, 0}};
	static char bytes[65536];

	for (;;) {
		if (poll(ends, 2, -1) < 0)
			err(1, "poll");
		for (int i = 0; i < 2; i++) {
			if (!ends[i].revents)
				continue;
			ssize_t got = read(ends[i].fd, bytes, sizeof(bytes));
			if (got <= 0 && i == 1)
				return;
			if (got <= 0) {
				(void)shutdown(fd, SHUT_WR);
				ends[0].fd = -1;
			} else if (write(i ? STDOUT_FILENO : fd, bytes, (size_t)got) != got) {
				err(1, "write");
			}
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "listen") == 0) {
		int fd = port_take(argv[2]);
		bytes_move(fd, STDOUT_FILENO);
		bytes_move(STDIN_FILENO, fd);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "through") == 0) {
		bytes_exchange(port_call(argv[2], argv[3]));
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "connect") != 0)
		errx(2, "usage: vsock_talk listen PORT | connect CID PORT | through PATH PORT");
	int fd = port_call(argv[2], argv[3]);
	bytes_move(STDIN_FILENO, fd);
	(void)shutdown(fd, SHUT_WR);
	bytes_move(fd, STDOUT_FILENO);
	return 0;
}
