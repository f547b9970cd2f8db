/* SPDX-License-Identifier: MIT */
/*
 * net_load serve PORT: takes connections. Each begins with a byte for what to do: 's' the other end
 * sends, 'g' it gets, 'a' each of its messages is answered.
 *
 * net_load s|g|a HOST PORT SECONDS: is the other end, of one connection. Prints how many bytes a
 * second went, or how many answers came, and of how many in all.
 */
#include "clock.h"

#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 65536 /* [bytes] a call */
#define MESSAGE 64 /* [bytes] */

static uint8_t bytes[PIECE];

static bool message_take(int fd)
{
	return recv(fd, bytes, MESSAGE, MSG_WAITALL) == MESSAGE;
}

static bool message_send(int fd)
{
	return send(fd, bytes, MESSAGE, MSG_NOSIGNAL) == MESSAGE;
}

static void connection_serve(int fd)
{
	char what;

	if (read(fd, &what, 1) != 1)
		return;
	while (what == 's' && read(fd, bytes, PIECE) > 0)
		;
	while (what == 'g' && send(fd, bytes, PIECE, MSG_NOSIGNAL) > 0)
		;
	while (what == 'a' && message_take(fd) && message_send(fd))
		;
}

static void address_set(struct sockaddr_in *a, const char *host, const char *port)
{
	*a = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	if (inet_pton(AF_INET, host, &a->sin_addr) != 1)
		errx(1, "not an address: %s", host);
}

static int serve(const char *port)
{
	struct sockaddr_in a;
	const int on = 1;
	int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)signal(SIGCHLD, SIG_IGN);
	(void)setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	address_set(&a, "0.0.0.0", port);
	if (door < 0 || bind(door, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(door, 16) < 0)
		err(1, "serve at port %s", port);
	for (;;) {
		int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0 && fork() == 0) {
			(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			connection_serve(fd);
			_exit(0);
		}
		(void)close(fd);
	}
}

/* What was sent counts when the other end has it. */
static void drain(int fd)
{
	int left = 1;

	while (ioctl(fd, SIOCOUTQ, &left) == 0 && left)
		(void)poll(NULL, 0, 1);
}

static uint64_t step_take(int fd, char what)
{
	if (what == 'a')
		return message_send(fd) && message_take(fd) ? 1 : 0;
	const ssize_t count =
		what == 's' ? send(fd, bytes, PIECE, MSG_NOSIGNAL) : read(fd, bytes, PIECE);
	return count > 0 ? (uint64_t)count : 0;
}

static int load(char what, const char *host, const char *port, double seconds)
{
	struct sockaddr_in a;
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address_set(&a, host, port);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || write(fd, &what, 1) != 1)
		err(1, "connect to %s", host);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	const double begun = clock_now();
	uint64_t all = 0, step = 1;
	while (step && clock_now() < begun + seconds) {
		step = step_take(fd, what);
		all += step;
	}
	if (what == 's')
		drain(fd);
	(void)printf("rate %.0f of %" PRIu64 "\n", (double)all / (clock_now() - begun), all);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc != 5)
		errx(2, "net_load serve PORT, net_load s|g|a HOST PORT SECONDS");
	return load(argv[1][0], argv[2], argv[3], strtod(argv[4], NULL));
}
