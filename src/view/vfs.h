/* SPDX-License-Identifier: MIT */
#ifndef VIEW_VFS_H
#define VIEW_VFS_H

#include "vfs/plan.h"

struct err;

/* The virtual functions of a device, on standard output. */
void vfs_text(const struct vfs_plan *p);

/*
 * The same as a document, with the problems of @p. @q: NULL when no number is asked for. @steps:
 * NULL for none.
 * Return: 0, -ENOMEM, -ENOPKG.
 */
int vfs_json(const struct vfs_plan *p, const struct vfs_request *q, bool dry_run,
	const struct bind_step *steps, size_t count, struct err *e);

#endif
