/* SPDX-License-Identifier: MIT */
#ifndef BIND_HANDOVER_H
#define BIND_HANDOVER_H

#include "bind/env.h"

/*
 * Makes another process the owner of a lease, for the same domain or guest. libvirt takes the
 * devices of a domain before its QEMU exists: until then libvirt itself is the owner.
 * Return: 0, -ENOENT without an entry, -EPERM if @from is not its owner, -ESRCH if @pid has ended,
 * -EBUSY, -errno.
 */
int bind_hand_over(const struct bind_env *env, int group, const struct bind_owner *from, pid_t pid,
	struct err *e);

#endif
