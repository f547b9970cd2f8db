/* SPDX-License-Identifier: MIT */
#ifndef PCI_ALIAS_H
#define PCI_ALIAS_H

#include <stddef.h>
#include <stdint.h>

#define ALIAS_KEY 16 /* [bytes] */

/*
 * Pseudonyms by a keyed hash: under one key, equal values get equal names. Without the key nobody
 * can find a value by hashing guesses.
 */

/* SipHash-2-4, a keyed hash. Ref: Aumasson and Bernstein, "SipHash: a fast short-input PRF". */
uint64_t alias_hash(const uint8_t key[ALIAS_KEY], const void *data, size_t len);

/*
 * Replaces in place, each by one of the same form and length:
 * - MAC addresses, "52:54:00:12:34:56" or in a name "enx525400123456": the vendor's half stays;
 * - UUIDs;
 * - interface parts of IPv6 addresses in hex that are made of a MAC.
 */
void alias_scrub(const uint8_t key[ALIAS_KEY], char *text, size_t len);

/* The same for the 16 bytes of an IPv6 address. */
void alias_ipv6(const uint8_t key[ALIAS_KEY], uint8_t bytes[16]);

#define ALIAS_TEXT 24

/* Makes "@kind-1a2b3c4d"; @kind: at most 12 letters. Return: @buf. */
const char *alias_name(const uint8_t key[ALIAS_KEY], const char *kind, const void *data, size_t len,
	char buf[ALIAS_TEXT]);

#endif
