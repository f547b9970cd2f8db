/* SPDX-License-Identifier: MIT */
#include "check/bootadvice.h"

#include "check/bootowner.h"
#include "check/bootwords.h"

#include <stdio.h>
#include <string.h>

const struct boot_line *boot_line_with(const struct boot *b, const char *word)
{
	for (size_t i = 0; i < b->line_count; i++)
		if (boot_owner_reads(b->owner, b->lines[i].kind) && !b->lines[i].is_replaced &&
			boot_has(b->lines[i].words, word, NULL, 0))
			return &b->lines[i];
	return NULL;
}

/* The line of the owner that a person would edit; NULL if there is none. */
static const struct boot_line *line_to_edit(const struct boot *b)
{
	for (size_t i = 0; i < b->line_count; i++)
		if (boot_owner_reads(b->owner, b->lines[i].kind) && !b->lines[i].is_replaced)
			return &b->lines[i];
	return NULL;
}

/* "line 2 of /etc/default/grub (GRUB_CMDLINE_LINUX)" */
static void put_line(const struct boot_line *l, char *buf, size_t size)
{
	(void)snprintf(buf, size, "line %u of %s%s%s%s", l->number, l->file, l->key[0] ? " (" : "",
		l->key, l->key[0] ? ")" : "");
}

/* Where a person edits: the line @l, else the owner's place; "" if neither is known. */
static void put_place(const struct boot *b, const struct boot_line *l, char *buf, size_t size)
{
	if (l)
		put_line(l, buf, size);
	else
		(void)snprintf(buf, size, "%s", b->owner->place ? b->owner->place : "");
}

/* ", run 'update-grub' and reboot" */
static void put_end(const struct boot *b, char *buf, size_t size)
{
	size_t n = strlen(buf);

	if (b->tool[0])
		(void)snprintf(buf + n, size - n, ", run '%s' and reboot", b->tool);
	else
		(void)snprintf(buf + n, size - n, " and reboot");
}

/* "run "grubby --update-kernel=ALL --args='iommu=pt'" and reboot" */
static void put_command(const char *format, const char *words, char *buf, size_t size)
{
	const char *at = strstr(format, "%s");

	(void)snprintf(buf, size, "run \"%.*s%s%s\" and reboot", (int)(at - format), format, words,
		at + 2);
}

void boot_how_to_add(const struct boot *b, const char *words, char *buf, size_t size)
{
	char place[256];

	if (b->owner->add) {
		put_command(b->owner->add, words, buf, size);
		return;
	}
	put_place(b, line_to_edit(b), place, sizeof(place));
	if (place[0]) {
		(void)snprintf(buf, size, "add '%s' to %s", words, place);
		put_end(b, buf, size);
		return;
	}
	(void)snprintf(buf, size,
		"boot with '%s' on the kernel command line; usher does not know what writes that "
		"line on this host",
		words);
}

void boot_how_to_drop(const struct boot *b, const char *word, char *buf, size_t size)
{
	const struct boot_line *l = boot_line_with(b, word);
	char place[256];

	if (b->owner->drop) {
		put_command(b->owner->drop, word, buf, size);
		return;
	}
	put_place(b, l, place, sizeof(place));
	if (place[0]) {
		(void)snprintf(buf, size, "remove '%s' from %s", word, place);
		put_end(b, buf, size);
	} else if (boot_owner_is_known(b->owner)) {
		(void)snprintf(buf, size,
			"remove '%s' from the kernel command line in the configuration of %s and "
			"reboot",
			word, b->owner->name);
	} else {
		(void)snprintf(buf, size,
			"boot without '%s' on the kernel command line; usher does not know what "
			"writes that line on this host",
			word);
	}
}

void boot_how_to_apply(const struct boot *b, char *buf, size_t size)
{
	if (b->tool[0])
		(void)snprintf(buf, size, "run '%s' and reboot", b->tool);
	else
		(void)snprintf(buf, size, "reboot");
}
