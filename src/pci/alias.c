/* SPDX-License-Identifier: MIT */
#include "pci/alias.h"

#include "base/endian.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static uint64_t rotate_left(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void mix_rounds(uint64_t v[4], unsigned count)
{
	while (count--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate_left(v[1], 13) ^ v[0];
		v[3] = rotate_left(v[3], 16) ^ v[2];
		v[0] = rotate_left(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate_left(v[1], 17) ^ v[2];
		v[3] = rotate_left(v[3], 21) ^ v[0];
		v[2] = rotate_left(v[2], 32);
	}
}

uint64_t alias_hash(const uint8_t key[ALIAS_KEY], const void *data, size_t len)
{
	uint64_t k0 = le64_get(key), k1 = le64_get(key + 8);
	uint64_t v[4] = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	const uint8_t *p = data;

	for (size_t left = len;; left -= 8, p += 8) {
		uint8_t block[8] = {0};
		size_t n = left < 8 ? left : 8;

		memcpy(block, p, n);
		if (n < 8)
			block[7] = (uint8_t)len;
		uint64_t m = le64_get(block);
		v[3] ^= m;
		mix_rounds(v, 2);
		v[0] ^= m;
		if (n < 8)
			break;
	}
	v[2] ^= 0xff;
	mix_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

const char *alias_name(const uint8_t key[ALIAS_KEY], const char *kind, const void *data, size_t len,
	char buf[ALIAS_TEXT])
{
	(void)snprintf(buf, ALIAS_TEXT, "%.12s-%08x", kind, (uint32_t)alias_hash(key, data, len));
	return buf;
}

static bool is_hex(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)p[i]))
			return false;
	return true;
}

static uint8_t hex_byte(const char *p)
{
	unsigned n = 0;

	(void)sscanf(p, "%2x", &n);
	return (uint8_t)n;
}

static void put_hex(char *p, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	p[0] = digits[byte >> 4];
	p[1] = digits[byte & 15];
}

/* Keeps the vendor's half. The null and the broadcast address identify no device: they stay. */
static void alias_mac(const uint8_t key[ALIAS_KEY], uint8_t mac[6])
{
	static const uint8_t none[6], all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (memcmp(mac, none, 6) == 0 || memcmp(mac, all, 6) == 0)
		return;
	uint64_t hash = alias_hash(key, mac, 6);
	memcpy(mac + 3, &hash, 3);
}

/* @step: distance from one byte's digits to the next byte's. */
static void scrub_mac(const uint8_t key[ALIAS_KEY], char *p, size_t step)
{
	uint8_t mac[6];

	for (size_t i = 0; i < 6; i++)
		mac[i] = hex_byte(p + i * step);
	alias_mac(key, mac);
	for (size_t i = 0; i < 6; i++)
		put_hex(p + i * step, mac[i]);
}

/* Modified EUI-64: bit 1 of the first byte is flipped, and ff:fe is in the middle. RFC 4291. */
void alias_ipv6(const uint8_t key[ALIAS_KEY], uint8_t bytes[16])
{
	uint8_t *id = bytes + 8, mac[6];

	if (id[3] != 0xff || id[4] != 0xfe)
		return;
	memcpy(mac, id, 3);
	memcpy(mac + 3, id + 5, 3);
	mac[0] ^= 2;
	alias_mac(key, mac);
	mac[0] ^= 2;
	memcpy(id, mac, 3);
	memcpy(id + 5, mac + 3, 3);
}

static void scrub_ipv6(const uint8_t key[ALIAS_KEY], char *p)
{
	uint8_t bytes[16];

	for (size_t i = 0; i < 16; i++)
		bytes[i] = hex_byte(p + 2 * i);
	alias_ipv6(key, bytes);
	for (size_t i = 0; i < 16; i++)
		put_hex(p + 2 * i, bytes[i]);
}

static bool is_mac(const char *p, size_t left)
{
	for (size_t i = 0; i < 6; i++)
		if (left < 17 || !is_hex(p + 3 * i, 2) || (i < 5 && p[3 * i + 2] != ':'))
			return false;
	return true;
}

static bool is_uuid(const char *p, size_t left)
{
	static const uint8_t parts[] = {8, 4, 4, 4, 12};

	if (left < 36)
		return false;
	for (size_t i = 0; i < sizeof(parts); i++) {
		if (!is_hex(p, parts[i]) || (i < 4 && p[parts[i]] != '-'))
			return false;
		p += parts[i] + 1;
	}
	return true;
}

static void scrub_uuid(const uint8_t key[ALIAS_KEY], char *p)
{
	uint64_t hash[2] = {alias_hash(key, p, 36), alias_hash(key, p, 35)};
	unsigned n = 0;

	for (size_t i = 0; i < 36; i++) {
		if (p[i] == '-')
			continue;
		p[i] = "0123456789abcdef"[hash[n / 16] >> 4 * (n % 16) & 15];
		n++;
	}
}

/* Replaces a MAC, UUID or address at @p. Return: its length, 0 when there is none. */
static size_t scrub_name(const uint8_t key[ALIAS_KEY], char *p, size_t left)
{
	if (is_mac(p, left) && (left == 17 || p[17] != ':')) {
		scrub_mac(key, p, 3);
		return 17;
	}
	if (is_uuid(p, left)) {
		scrub_uuid(key, p);
		return 36;
	}
	if (left >= 32 && is_hex(p, 32)) {
		scrub_ipv6(key, p);
		return 32;
	}
	return 0;
}

void alias_scrub(const uint8_t key[ALIAS_KEY], char *text, size_t len)
{
	bool inside = false; /* of a word */

	for (size_t i = 0; i < len;) {
		char *p = text + i;
		size_t left = len - i, n = 0;

		if (left >= 15 && memcmp(p, "enx", 3) == 0 && is_hex(p + 3, 12)) {
			scrub_mac(key, p + 3, 2);
			n = 15;
		} else if (!inside) {
			n = scrub_name(key, p, left);
		}
		n = n ? n : 1;
		i += n;
		inside = isalnum((unsigned char)text[i - 1]) || text[i - 1] == ':';
	}
}
