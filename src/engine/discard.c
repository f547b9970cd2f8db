/* SPDX-License-Identifier: MIT */
#include "engine/discard.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* Without room for descriptors, a look takes none of them out of the message. */
static bool socket_is_pending(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * Has a process of its own close @fd last: after us, and without anything else of ours. It is not
 * waited for. The exit of a process does not linger.
 */
static void socket_leave(int fd)
{
	int ends[2];
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		if (dup2(ends[0], 0) == 0 && dup2(fd, 1) == 1)
			(void)close_range(2, ~0U, 0);
		/* End of file: ours is closed. */
		ssize_t n = read(0, &byte, 1);
		_exit(n != 0 ? 1 : 0);
	}
	(void)close(fd);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

void discard_socket(int *fd)
{
	if (*fd >= 0 && socket_is_pending(*fd)) {
		socket_leave(*fd);
		*fd = -1;
	}
	fd_close(fd);
}
