/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_SETTLE_H
#define REVIVE_SETTLE_H

#include "revive/entry.h"

enum revive_ending {
	REVIVE_ENDING_BACK, /* it answers: its slot and its link stay as they are */
	REVIVE_ENDING_AWAKE, /* it answers because of its settings: they stay, too */
	REVIVE_ENDING_FAILED, /* it does not */
	REVIVE_ENDING_BROKEN, /* usher died: nobody knows who changed what since */
};

/*
 * Puts back what the steps of a revival changed and removes its entry. The entry of @w's armed
 * first worker. Goes on after a failure. Return: 0, the first -errno.
 */
int revive_settle(struct bind_transaction *w, const struct revive_entry *n,
	enum revive_ending ending, struct err *e);

#endif
