/* SPDX-License-Identifier: MIT */
#ifndef LEASE_KEEPER_H
#define LEASE_KEEPER_H

#include "lease/lease.h"

/*
 * Makes this process the keeper of a lease, to its end: it takes the devices, holds them for the
 * borrower, and gives them back. It prints nothing. @watch_fd, a socket to whoever started it, gets
 * its news (engine/follow.h), and is taken over; nobody has to read there.
 * Return: 0 with everything given back; -EPERM when the plan refuses; -EBUSY when there is a lease
 * of that name; -EUCLEAN when a device could not be given back; -errno otherwise.
 */
int lease_keep(const struct lease *l, int watch_fd);

#endif
