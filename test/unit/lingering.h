/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_LINGERING_H
#define TEST_UNIT_LINGERING_H

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_S 8

/* A connection whose last close() waits: nobody reads what was sent. Return: -1, none to be had. */
static inline int lingering_socket(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct linger wait = {.l_onoff = 1, .l_linger = LINGER_S};
	static const char bytes[1 << 16];
	socklen_t len = sizeof(at);

	/* Never closed: its connection is never reset. */
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
		(connect(fd, (struct sockaddr *)&at, len) < 0 && errno != EINPROGRESS))
		return -1;
	(void)usleep(100000);
	while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		;
	(void)fcntl(fd, F_SETFL, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)), 0);
	return fd;
}

#endif
