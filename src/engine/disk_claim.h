/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DISK_CLAIM_H
#define ENGINE_DISK_CLAIM_H

#include <stdbool.h>
#include <sys/types.h>

#define DISK_CLAIM_PATIENCE_MS 2000
#define DISK_CLAIM_SHARED_MS 200

struct err;
struct stat;

/* Who else uses a disk that a guest is to have: see struct disk. */

/* Whether the host uses it, as far as the host shows. Return: 0, -EINVAL, -ENOMEM, -errno. */
int disk_claim_check(const char *path, const struct stat *st, struct err *e);

/* The kernel did not grant a block device: says why. Return: -EINVAL. */
int disk_claim_refuse(const char *path, dev_t number, struct err *e);

/* Locks an image, until @fd is closed everywhere. Return: 0, -EINVAL another guest has it. */
int disk_claim_lock(int fd, const char *path, bool readonly, struct err *e);

/*
 * The guest that had the disk of @path has ended. Returns when its claim has, but after
 * DISK_CLAIM_PATIENCE_MS at the latest; after DISK_CLAIM_SHARED_MS if it only read an image, for
 * then the claim may be another guest's.
 */
void disk_claim_await_end(const char *path, bool readonly);

#endif
