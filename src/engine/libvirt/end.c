/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * libvirt's daemon ends a domain some time after the connection of usher-libvirt has closed, and
 * never if it was restarted, or does not run. The devices are free only when QEMU is gone. Its
 * command line has the UUID that the keeper has chosen, so it is no other domain's.
 */
#include "engine/libvirt/end.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/host.h"
#include "libvirt/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define CMDLINE_MAX 65536
#define LIBVIRT_MS 5000 /* for libvirt's daemon to end it */
#define KILL_MS 10000 /* QEMU unpins the guest's memory after it is killed */

void libvirt_end_name(char ret[LIBVIRT_UUID_TEXT])
{
	uint8_t b[16] = {0};

	(void)!getrandom(b, sizeof(b), 0);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4: random. Ref: RFC 9562 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret, LIBVIRT_UUID_TEXT,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
}

static bool process_has(pid_t pid, const char *uuid)
{
	char path[FILE_PATH_MAX];
	cleanup_free char *words = malloc(CMDLINE_MAX);

	(void)file_path(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = words && fd >= 0 ? read(fd, words, CMDLINE_MAX) : -1;
	return n > 0 && memmem(words, (size_t)n, uuid, strlen(uuid));
}

/* The kernel reports a process that has ended. */
static bool process_await(int pidfd, int ms)
{
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};

	return poll(&wait, 1, ms) > 0;
}

void libvirt_end_await(const char *name, const char *uuid)
{
	pid_t pid;

	if (libvirt_process_read(host_live(), LIBVIRT_RUN_DIR, name, &pid, NULL) < 0)
		return;
	/* The descriptor comes first: then it is of the process that is looked at. */
	cleanup_fd int fd = fd_pidfd_open(pid);
	if (fd < 0 || !process_has(pid, uuid) || process_await(fd, LIBVIRT_MS))
		return;
	(void)kill(pid, SIGKILL);
	(void)process_await(fd, KILL_MS);
}
