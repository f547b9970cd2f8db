/* SPDX-License-Identifier: MIT */
#ifndef CLI_LEASE_H
#define CLI_LEASE_H

/* Calls @each with the name of every lease that has a folder, by name. */
void leases_each(void (*each)(void *arg, const char *name), void *arg);

#endif
