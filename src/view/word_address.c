/* SPDX-License-Identifier: MIT */
#include "view/word_address.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 4
#define HEX "0123456789abcdefABCDEF"

/* Numbers between separators: "0000:01:00.0" is four of them, with the separators "::.". */
struct fields {
	size_t count;
	uint64_t value[FIELDS_MAX];
	size_t digits[FIELDS_MAX];
	char separators[FIELDS_MAX];
};

static bool fields_read(const char *text, const char *separators, unsigned base, struct fields *ret)
{
	char one[16];

	*ret = (struct fields){0};
	for (;;) {
		size_t len = strcspn(text, separators);
		if (ret->count == FIELDS_MAX || len == 0 || len >= sizeof(one))
			return false;
		(void)snprintf(one, sizeof(one), "%.*s", (int)len, text);
		if (num_parse(one, base, UINT32_MAX, &ret->value[ret->count]) < 0)
			return false;
		ret->digits[ret->count++] = len;
		if (!text[len])
			return true;
		ret->separators[ret->count - 1] = text[len];
		text += len + 1;
	}
}

static bool address_fill(const uint64_t *n, struct pci_address *ret)
{
	if (n[0] > UINT32_MAX || n[1] > UINT8_MAX || n[2] > 31 || n[3] > 7)
		return false;
	*ret = (struct pci_address){(uint32_t)n[0], (uint8_t)n[1], (uint8_t)n[2], (uint8_t)n[3]};
	return true;
}

/* "01:00.0", "0000:01:00.0"; without the function, it is a slot. */
static struct word_shape hex_shape(const char *text)
{
	struct word_shape s = {.form = WORD_BROKEN};
	struct fields f;

	if (!fields_read(text, ":.", 16, &f))
		return s;
	size_t colons = 0;
	while (f.separators[colons] == ':')
		colons++;
	bool has_function = f.separators[colons] == '.';
	if (colons == 0 || colons > 2 || f.count != colons + 1 + has_function)
		return s;
	if (colons == 1 && !has_function && f.digits[0] == 4 && f.digits[1] == 4) {
		s.form = WORD_IDS;
		s.ids[0] = (uint16_t)f.value[0];
		s.ids[1] = (uint16_t)f.value[1];
		return s;
	}
	const uint64_t n[FIELDS_MAX] = {colons == 2 ? f.value[0] : 0, f.value[colons - 1],
		f.value[colons], has_function ? f.value[colons + 1] : 0};
	/* "1:2:3" is no slot: a domain has four digits at least, unless the function follows. */
	if (colons == 2 && !has_function && f.digits[0] < 4)
		return s;
	if (f.digits[colons - 1] <= 2 && f.digits[colons] <= 2 && address_fill(n, &s.address))
		s.form = has_function ? WORD_ADDRESS : WORD_SLOT;
	return s;
}

/* Xorg's BusID: "PCI:1:0:0", "PCI:1@0:0:0" with a domain. */
static struct word_shape xorg_shape(const char *text)
{
	struct word_shape s = {.form = WORD_BROKEN};
	struct fields f;

	if (!fields_read(text, ":@", 10, &f) || f.count < 3)
		return s;
	bool has_domain = f.separators[0] == '@';
	const uint64_t n[FIELDS_MAX] = {has_domain ? f.value[1] : 0, f.value[0],
		f.value[f.count - 2], f.value[f.count - 1]};
	if (f.count == 3U + has_domain && address_fill(n, &s.address))
		s.form = WORD_ADDRESS;
	return s;
}

/* libvirt's name of a node device: "pci_0000_01_00_0". */
static struct word_shape libvirt_shape(const char *text)
{
	struct word_shape s = {.form = WORD_OTHER};
	struct fields f;

	if (fields_read(text, "_", 16, &f) && f.count == FIELDS_MAX &&
		address_fill(f.value, &s.address))
		s.form = WORD_ADDRESS;
	return s;
}

static bool is_hex_form(const char *word)
{
	return strchr(word, ':') && word[strspn(word, HEX ":.")] == '\0';
}

struct word_shape word_shape(const char *word)
{
	struct word_shape s = {.form = WORD_OTHER};

	if (strncmp(word, "PCI:", 4) == 0)
		return xorg_shape(word + 4);
	if (strncmp(word, "pci_", 4) == 0)
		return libvirt_shape(word + 4);
	if (strncmp(word, "pci@", 4) == 0 || strncmp(word, "pci-", 4) == 0)
		return hex_shape(word + 4);
	if (is_hex_form(word))
		return hex_shape(word);
	/* The kernel refuses colons in names of interfaces, and nodes are named with a path. */
	if (strchr(word, ':') && word[0] != '/')
		s.form = WORD_BROKEN;
	return s;
}

const char *word_last_address(const char *path, struct pci_address *ret)
{
	const char *rest = NULL;
	char part[PCI_ADDRESS_TEXT];

	while (*path) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (len < sizeof(part)) {
			(void)snprintf(part, sizeof(part), "%.*s", (int)len, path);
			if (pci_address_parse(part, ret) == 0)
				rest = path + len;
		}
		path += len;
	}
	return rest;
}
