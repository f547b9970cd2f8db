/* SPDX-License-Identifier: MIT */
#ifndef HOST_WAY_H
#define HOST_WAY_H

#include <stdint.h>

/*
 * Asks this machine's kernel which interface its packets to an address leave by. It applies routing
 * rules and all tables, as for a socket without a source address or a mark.
 * Return: 0; -ENOENT the address is ours, or no host's; -ENETUNREACH, -errno.
 */
int way_find(int family, const uint8_t to[16], char interface[16]);

#endif
