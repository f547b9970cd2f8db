/* SPDX-License-Identifier: MIT */
#include "pci/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Parses @min to @max hex digits. Return: how many, -EINVAL. */
static int hex_field(const char *text, int min, int max, uint32_t *ret)
{
	uint32_t value = 0;
	int len = 0;

	while (len < max && hex_digit(text[len]) >= 0)
		value = value << 4 | (uint32_t)hex_digit(text[len++]);
	if (len < min || hex_digit(text[len]) >= 0)
		return -EINVAL;
	*ret = value;
	return len;
}

int pci_address_parse(const char *text, struct pci_address *ret)
{
	uint32_t domain = 0, bus, dev, fn;
	const char *colon = strchr(text, ':');

	if (colon && strchr(colon + 1, ':')) {
		int len = hex_field(text, 4, 8, &domain);
		if (len < 0 || text[len] != ':')
			return -EINVAL;
		text += len + 1;
	}
	if (hex_field(text, 2, 2, &bus) < 0 || text[2] != ':' ||
		hex_field(text + 3, 2, 2, &dev) < 0 || text[5] != '.' ||
		hex_field(text + 6, 1, 1, &fn) < 0 || text[7] != '\0')
		return -EINVAL;
	if (dev > 31 || fn > 7)
		return -EINVAL;
	*ret = (struct pci_address){
		.domain = domain,
		.bus = (uint8_t)bus,
		.dev = (uint8_t)dev,
		.fn = (uint8_t)fn,
	};
	return 0;
}

const char *pci_address_format(struct pci_address a, char buf[PCI_ADDRESS_TEXT])
{
	(void)snprintf(
		buf, PCI_ADDRESS_TEXT, "%04x:%02x:%02x.%x", a.domain, a.bus, a.dev & 31, a.fn & 7);
	return buf;
}

static uint64_t address_rank(struct pci_address a)
{
	return (uint64_t)a.domain << 24 | (uint64_t)a.bus << 16 | (uint64_t)a.dev << 8 | a.fn;
}

int pci_address_compare(struct pci_address a, struct pci_address b)
{
	uint64_t x = address_rank(a), y = address_rank(b);

	return x < y ? -1 : x > y;
}
