/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_FILTER_H
#define VMM_VIRTIO_NET_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which frames of a guest a user-mode network may have.
 *
 * The stack connects a socket of the host to whatever address a frame names, and the passt of 2023
 * does not look at it: --no-map-gw is about the gateway's address alone. The kernel delivers what a
 * socket sends to 127.0.0.1, to 0.0.0.0 or to ::1 on the host's loopback. A driver can send such a
 * frame, so it ends here.
 */
#define NET_FILTER_HEAD 54 /* [bytes] what it looks at: Ethernet's header and that of IPv6 */

/* @head: the beginning of a frame of @size bytes, NET_FILTER_HEAD of them or all. */
bool net_filter_passes(const uint8_t *head, size_t size);

#endif
