/* SPDX-License-Identifier: MIT */
#include "engine/qemu/backend.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "bind/env.h"
#include "engine/qemu/board.h"
#include "engine/qemu/words.h"
#include "engine/spec.h"
#include "host/host.h"
#include "program/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IOMMU "/dev/iommu"
#define DEVICES "/sys/bus/pci/devices"
#define VERSION_MIN 9
#define VERSION_MS 5000

unsigned qemu_backend_version(const char *text)
{
	const char *at = strstr(text, "version ");
	unsigned major;

	return at && sscanf(at, "version %3u.", &major) == 1 ? major : 0;
}

static size_t version_read(int fd, char *text, size_t size)
{
	const int64_t end = clock_ms() + VERSION_MS;
	size_t used = 0;

	while (used < size - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_ms();
		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			break;
		ssize_t n = read(fd, text + used, size - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	return used;
}

/* Only asked on a host with iommufd: it starts a program. */
static unsigned version_ask(void)
{
	struct process process;
	char text[4096]; /* it may complain first */
	int ends[2];

	cleanup_free struct program *p = calloc(1, sizeof(*p));
	if (!p || pipe2(ends, O_CLOEXEC) < 0)
		return 0;
	cleanup_fd int in = ends[0];
	cleanup_fd int out = ends[1];
	program_word(p, qemu_program());
	program_word(p, "--version");
	p->stdout_fd = p->stderr_fd = out;
	p->die_signal = SIGKILL;
	if (process_start(p, &process, NULL) < 0)
		return 0;
	fd_close(&out);
	(void)version_read(in, text, sizeof(text));
	(void)kill(process.pid, SIGKILL);
	(void)process_reap(&process);
	return qemu_backend_version(text);
}

const char *qemu_backend_lacks(struct host *h, const struct guest_spec *s)
{
	struct host_node n;

	if (h->ops->node(h, IOMMU, &n) < 0)
		return "this host has no iommufd";
	if (!qemu_board_is_ours(s))
		return "the machine is of the caller's words";
	return version_ask() < VERSION_MIN ? "QEMU before 9.0 takes no descriptors" : NULL;
}

/* "vfio3", of DEVICES/ADDRESS/vfio-dev. Return: 0, -ENOENT. */
static int node_find(struct pci_address a, char *ret, size_t size)
{
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX];
	const struct dirent *entry;

	(void)file_path(path, sizeof(path), DEVICES "/%s/vfio-dev", pci_address_format(a, address));
	cleanup_dir DIR *d = opendir(path);
	while (d && (entry = readdir(d)))
		if (strncmp(entry->d_name, "vfio", 4) == 0)
			return file_path(ret, size, "/dev/vfio/devices/%s", entry->d_name);
	return -ENOENT;
}

static int nodes_open(const struct guest_spec *s, int *ret, struct err *e)
{
	char path[FILE_PATH_MAX];

	for (size_t i = 0; i < s->device_count; i++) {
		if (node_find(s->devices[i].address, path, sizeof(path)) < 0)
			return 0;
		ret[i] = open(path, O_RDWR | O_CLOEXEC);
		if (ret[i] < 0)
			return errno == ENOENT ? 0 : err_set(e, -errno, "open '%s'", path);
	}
	return 1;
}

int qemu_backend_open(const struct bind_env *env, const struct guest_spec *s, int *ret_iommu,
	int *ret, struct err *e)
{
	for (size_t i = 0; i < s->device_count; i++)
		ret[i] = -1;
	if (!s->device_count || qemu_backend_lacks(env->host, s))
		return 0;
	int r = nodes_open(s, ret, e);
	if (r == 1) {
		*ret_iommu = open(IOMMU, O_RDWR | O_CLOEXEC);
		if (*ret_iommu >= 0)
			return 1;
		r = err_set(e, -errno, "open '" IOMMU "'");
	}
	for (size_t i = 0; i < s->device_count; i++)
		fd_close(&ret[i]);
	return r;
}
