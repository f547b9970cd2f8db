/* SPDX-License-Identifier: MIT */
#ifndef HOST_RECORDER_H
#define HOST_RECORDER_H

#include "host/manifest.h"

/*
 * A host that asks another one and remembers each answer. Its manifest holds what was read through
 * it, and nothing else: run a reader over it, and the manifest replays that reader.
 */

/*
 * @inner must outlive the recorder. host_close() ignores a recorder, because some readers close
 * their host: the caller calls host_recorder_free(). Return: 0, -ENOMEM.
 */
int host_recorder_new(struct host *inner, struct host **ret);
void host_recorder_free(struct host *recorder); /* NULL is fine */

/* Copies all answers so far. The caller calls manifest_fini(). Return: 0, -ENOMEM. */
int host_recorder_manifest(struct host *recorder, struct manifest *ret);

#endif
