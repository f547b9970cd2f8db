/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_WALL_H
#define IMAGE_WALL_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The walls of usher-image: from here on it only reads and writes descriptors that are open.
 * It has no capability, no network and no path; its memory, its time and the size of what it writes
 * are bounded. Return: 0; -errno with the step that failed: it must not look at an image then.
 *
 * @uid: the user to become, 0: stay this one.
 */
#define WALL_FILE_MAX ((size_t)512 << 20) /* [bytes] of a file that it writes */
#define WALL_SECONDS 120 /* of a processor; an emulated one is slow */

int wall_raise(uid_t uid, const char **ret_step);

#endif
