/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * libvirt's daemon ends a domain some time after the connection of usher-libvirt has closed, and
 * never if it was restarted, or does not run. The devices are free only when QEMU is gone. Its
 * command line has the UUID that the keeper has chosen, and it has started after the keeper, so it
 * is no other domain's.
 */
#include "engine/libvirt/end.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/owner.h"
#include "engine/spec.h"
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

/* FNV-1a, with 128 bits. Ref: RFC 9923 */
static void hash_text(unsigned __int128 *hash, const char *text)
{
	static const unsigned __int128 prime = ((unsigned __int128)1 << 88) | 0x13b;

	do
		*hash = (*hash ^ (uint8_t)*text) * prime;
	while (*text++);
}

/* The same name on another host is another guest. */
static void uuid_derive(const char *name, uint8_t ret[16])
{
	unsigned __int128 hash = (unsigned __int128)0x6c62272e07bb0142 << 64 | 0x62b821756295c58d;
	char machine[64] = "";

	(void)file_read("/etc/machine-id", machine, sizeof(machine));
	hash_text(&hash, machine);
	hash_text(&hash, name);
	for (size_t i = 0; i < 16; i++)
		ret[i] = (uint8_t)(hash >> (8 * i));
}

void libvirt_end_name(const struct guest_spec *s, char ret[LIBVIRT_UUID_TEXT])
{
	uint8_t b[16] = {0};

	if (s->tpm)
		uuid_derive(s->name, b);
	else
		(void)!getrandom(b, sizeof(b), 0);
	/* Version 8: derived, or 4: random. Ref: RFC 9562 */
	b[6] = (uint8_t)((b[6] & 0x0f) | (s->tpm ? 0x80 : 0x40));
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

/* A guest with a TPM has its UUID for ever, and an earlier one of it may have been left behind. */
static bool process_is_new(pid_t pid)
{
	uint64_t keeper, start;

	return bind_owner_start(host_live(), getpid(), &keeper) == 0 &&
	       bind_owner_start(host_live(), pid, &start) == 0 && start >= keeper;
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
	if (fd < 0 || !process_has(pid, uuid) || !process_is_new(pid) ||
		process_await(fd, LIBVIRT_MS))
		return;
	(void)kill(pid, SIGKILL);
	(void)process_await(fd, KILL_MS);
}
