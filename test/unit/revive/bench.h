/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_REVIVE_BENCH_H
#define TEST_UNIT_REVIVE_BENCH_H

#include "bind/env.h"
#include "revive/plan.h"

/*
 * A port with a slot, and a card that one kind of step heals. It is in memory that a forked child
 * shares, so that a test can kill a revival anywhere.
 */
struct bench {
	enum revive_kind cure; /* the step that heals; REVIVE_KINDS: none */
	bool heals; /* the card answers */
	bool there; /* in sysfs */
	char driver[32], override[32], control[8], cold[4], method[16];
	char port_control[8], port_cold[4];
	bool slot_on;
	uint16_t link_control;
	int writes;
	int fail_at; /* this write fails with -EIO */
	int reset_ms; /* how long the kernel takes for a reset */
};

extern struct bench *bench;

/* A dead card on vfio-pci by its override; its link is disabled. */
struct bind_env bench_set(enum revive_kind cure);

#endif
