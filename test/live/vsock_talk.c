/* SPDX-License-Identifier: MIT */
/*
 * vsock_talk listen PORT: takes one connection, writes what comes to standard output until its
 * end, and answers with standard input. vsock_talk connect CID PORT: the other side of such a
 * talk. Tries to connect for ten seconds.
 */
#include <err.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

static int port_take(unsigned port)
{
	const struct sockaddr_vm at = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
	int door = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (door < 0 || bind(door, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(door, 1) < 0)
		err(1, "listen at port %u", port);
	int fd = accept(door, NULL, NULL);
	if (fd < 0)
		err(1, "accept");
	return fd;
}

static int port_call(unsigned cid, unsigned port)
{
	const struct sockaddr_vm at = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};

	for (int i = 0; i < TRIES; i++) {
		int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
		if (fd < 0)
			err(1, "socket");
		if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
			return fd;
		(void)close(fd);
		(void)usleep(100000);
	}
	err(1, "connect to %u, port %u", cid, port);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "listen") == 0) {
		int fd = port_take((unsigned)strtoul(argv[2], NULL, 10));
		bytes_move(fd, STDOUT_FILENO);
		bytes_move(STDIN_FILENO, fd);
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "connect") != 0)
		errx(2, "usage: vsock_talk listen PORT | connect CID PORT");
	int fd = port_call(
		(unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
	bytes_move(STDIN_FILENO, fd);
	(void)shutdown(fd, SHUT_WR);
	bytes_move(fd, STDOUT_FILENO);
	return 0;
}
