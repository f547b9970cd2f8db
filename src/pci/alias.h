/* SPDX-License-Identifier: MIT */
#ifndef PCI_ALIAS_H
#define PCI_ALIAS_H

#include <stddef.h>
#include <stdint.h>

#define ALIAS_KEY 16 /* [bytes] */

/*
 * Pseudonyms: what is equal stays equal under one key, and without the key nobody finds the way
 * back by trying what it may have been.
 */

/* SipHash-2-4, a keyed hash. Ref: Aumasson and Bernstein, "SipHash: a fast short-input PRF". */
uint64_t alias_hash(const uint8_t key[ALIAS_KEY], const void *data, size_t len);

/*
 * In place, each by one of the same form and length:
 * MAC addresses "52:54:00:12:34:56" (the vendor's half stays), alone or in a name "enx525400123456",
 * UUIDs, and the interface parts of IPv6 addresses in hex that are made of a MAC.
 */
void alias_scrub(const uint8_t key[ALIAS_KEY], char *text, size_t len);

/* The same for the 16 bytes of an IPv6 address. */
void alias_ipv6(const uint8_t key[ALIAS_KEY], uint8_t bytes[16]);

#define ALIAS_TEXT 24

/* "@kind-1a2b3c4d"; @kind: at most 12 letters. Return: @buf. */
const char *alias_name(const uint8_t key[ALIAS_KEY], const char *kind, const void *data, size_t len,
	char buf[ALIAS_TEXT]);

#endif
