/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_PROCESS_H
#define LIBVIRT_PROCESS_H

#include <sys/types.h>

struct err;
struct host;

#define LIBVIRT_RUN_DIR "/run/libvirt/qemu"

/*
 * The QEMU of a running domain, as libvirt writes it into @run (LIBVIRT_RUN_DIR), before it calls
 * the hook. Return: 0, -ENOENT, -EINVAL, -errno.
 */
int libvirt_process_read(
	struct host *h, const char *run, const char *name, pid_t *ret, struct err *e);

#endif
