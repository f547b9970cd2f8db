/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_LEASE_MODEL_DEVICES_H
#define TEST_UNIT_LEASE_MODEL_DEVICES_H

#include "bind/stage.h"

#include <stdatomic.h>
#include <stdbool.h>

/*
 * Devices for a keeper without a kernel: the stage binds them, and files in memory stand for their
 * descriptors, with "container" and the device's address inside. What happens to them is counted
 * in memory that all processes share.
 */
struct model_counts {
	atomic_int opened, requests, wiped;
	int fail_open; /* -errno of devices_open(); 0: it succeeds */
	int fail_wipe; /* -errno of each reset */
	bool hang_wipe; /* a reset never ends */
	atomic_int held_looks; /* how many looks still find that somebody has a device */
};

extern struct model_counts *model_counts;

/* The stage, with the processes of this machine. */
struct bind_env model_set(void);

#endif
