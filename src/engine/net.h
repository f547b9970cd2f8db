/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_NET_H
#define ENGINE_NET_H

#include "engine/spec.h"

struct err;

/*
 * A guest's network cards: at a tap, which the host's administrator has made, or at a user-mode
 * network (engine/net/passt.h).
 */

/*
 * "tap=NAME" or "user", each with keys, as --net takes it; appended to @s. Or "none", alone.
 * Return: 0, -EINVAL (malformed, unknown key), -EEXIST (twice), -E2BIG.
 */
int net_add(struct guest_spec *s, const char *text, struct err *e);

/* Whether a card is at a user-mode network. */
bool net_is_user(const struct guest_net *n);

/* Whether @s has a card, of whatever kind. */
bool net_has_card(const struct guest_spec *s);

/* When the guest has its name: each card without an address gets one that follows from it. */
void net_settle(struct guest_spec *s);

#define NET_MAC_TEXT 18
const char *net_mac_text(const uint8_t mac[6], char text[NET_MAC_TEXT]);

/* Whether this host has what the cards of @s need. Return: 0, -EINVAL; -EADDRINUSE a port. */
int net_check(const struct guest_spec *s, struct err *e);

/*
 * Opens one queue of the tap or macvtap of a card: frames have a virtio header of 12 bytes in
 * front. @first: of this guest's. Return: descriptor; -EBUSY another program has it; -errno.
 */
int net_open_tap(const struct guest_net *n, bool first, struct err *e);

/* Whether vhost-net is to serve the queues of this card: this host has it. */
bool net_wants_vhost(const struct guest_net *n);

/* Opens it, for one pair of queues. Return: descriptor, -errno. */
int net_open_vhost(struct err *e);

#endif
