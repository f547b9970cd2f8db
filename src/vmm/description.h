/* SPDX-License-Identifier: MIT */
#ifndef VMM_DESCRIPTION_H
#define VMM_DESCRIPTION_H

#include "vmm/machine.h"
#include "wire/machine.h"

struct err;

/* The guest to run, as the keeper describes it. Texts of @spec lie in here. */
struct description {
	struct wire_machine message;
	char kernel[256]; /* the path of the file, for messages */
	char initrd[256];
	char disks[WIRE_VIRTIO_MAX][256]; /* likewise */
	struct machine_spec spec;
	bool timing; /* print at the end where the time went */
	bool stats; /* print exits, interrupts and mapped memory at the end */
	int stats_fd; /* the same as JSON into this file; -1: not */
	int refused_fd; /* the page of wire/refused.h; -1: none */
};

/*
 * Waits for the description on @keeper, a socket that becomes @ret's. All descriptors of the
 * message become @ret->spec's. Return: 0, -EPIPE the keeper is gone, -EPROTO, -errno.
 */
int description_receive(int keeper, struct description *ret, struct err *e);

/*
 * Waits until the keeper has opened the devices that it lends; then @d->spec has them.
 * *@ret_ready_ns: when it had, by CLOCK_MONOTONIC. Return: as above.
 */
int description_receive_devices(struct description *d, uint64_t *ret_ready_ns, struct err *e);

/* Return: device @w of a checked message with @fds. @m: the guest's message, or that one. */
struct pass_spec description_passed(
	const struct wire_machine *m, const struct wire_device *w, const struct wire_fds *fds);

#endif
