/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_PARTS_H
#define ENGINE_QEMU_PARTS_H

#include "engine/image_chain.h"
#include "engine/spec.h"

#include <stdbool.h>

struct bind_env;
struct engine_run;
struct err;

/*
 * What QEMU inherits: the descriptors of a guest's files, networks and ports. QEMU reads a path
 * where there is no descriptor: in a plan, and where usher leaves it the caller's rights.
 */
struct qemu_parts {
	bool sandbox;
	int kernel, initrd; /* -1: by the description's path, if it has one */
	char cmdline[SPEC_CMDLINE_MAX + 1];
	int iommu; /* -1: QEMU opens the devices by their groups */
	int devices[SPEC_DEVICES_MAX]; /* -1: likewise */
	int roms[SPEC_DEVICES_MAX]; /* -1: likewise */
	struct qemu_disk {
		int fd; /* -1: likewise, or it is an image of @file_count files */
		bool is_block, direct;
		size_t file_count; /* 0: it is raw, or not open yet */
		struct qemu_file {
			int fd;
			bool is_block, direct;
			bool has_backing; /* its format may have one: the next file, or none */
			char format[IMAGE_FORMAT_MAX];
		} files[IMAGE_CHAIN_MAX];
	} disks[SPEC_VIRTIO_MAX];
	struct qemu_net {
		size_t count; /* of pairs of queues; 0: by the description's name */
		int fds[SPEC_QUEUES_MAX], vhosts[SPEC_QUEUES_MAX]; /* no vhost: -1 */
		int passt;
		bool left_out; /* a default that this host does not give */
	} nets[SPEC_VIRTIO_MAX];
	int vsock; /* /dev/vhost-vsock, which has the guest's address; -1: QEMU opens it */
	int shares[SPEC_VIRTIO_MAX]; /* connections to the servers of folders */
	const char *firmware; /* path of its code; NULL: none */
	int variables; /* of the firmware; -1: none */
	int tpm; /* the control channel of the guest's TPM; -1: none */
	int monitor; /* QEMU's end of QMP; -1: none */
	int console; /* QEMU's end of the console; -1: standard input and output */
	int console_orders; /* of the process between; the translator's alone */
	int display; /* the folder for the socket of its display; -1: none */
	int usb[SPEC_USB_MAX];
	int ports[SPEC_PORTS_MAX]; /* -1: QEMU makes its end */
};

/* A description's parts, before anything is open. */
void qemu_parts_init(struct qemu_parts *p);

/*
 * Opens the devices, if QEMU takes their descriptors (engine/qemu/backend.h). Return: 0, -errno.
 */
int qemu_parts_devices(const struct bind_env *env, const struct guest_spec *s,
	struct engine_run *run, struct qemu_parts *ret, struct err *e);

/*
 * Opens what else QEMU gets by descriptor; engine_finish() closes it. @run->confine says which user
 * QEMU is going to be, if it gets one of its own. Return: 0, -errno.
 */
int qemu_parts_open(const struct bind_env *env, const struct guest_spec *s, struct engine_run *run,
	struct qemu_parts *ret, struct err *e);

#endif
