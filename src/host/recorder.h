/* SPDX-License-Identifier: MIT */
#ifndef HOST_RECORDER_H
#define HOST_RECORDER_H

#include "host/manifest.h"

/*
 * A host that asks another one, and remembers every answer: what was read through it, and nothing
 * else, replays. Who runs a reader over it has all that this reader needs.
 */

/*
 * @inner must outlive it. host_close() leaves it alone, so that it can be given to a reader that
 * closes its host; *@ret: host_recorder_free(). Return: 0, -ENOMEM.
 */
int host_recorder_new(struct host *inner, struct host **ret);
void host_recorder_free(struct host *recorder); /* NULL is fine */

/* All that was asked so far. @ret: manifest_fini(). Return: 0, -ENOMEM. */
int host_recorder_manifest(struct host *recorder, struct manifest *ret);

#endif
