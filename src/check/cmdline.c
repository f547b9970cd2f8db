/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/num.h"
#include "bind/module.h"
#include "check/bootadvice.h"
#include "check/bootowner.h"
#include "check/bootwords.h"
#include "check/option.h"
#include "check/rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rules about configuration that was not booted, and about ids that vfio-pci captures. */

/* True if the option affects passthrough. Used for files of loaders that do not boot this host. */
static bool word_matters(const char *word)
{
	static const char *const fronts[] = {"intel_iommu", "amd_iommu", "iommu", "vfio", "pci",
		"kvm", "hugepage", "default_hugepagesz", "initcall_blacklist", "video=", "isolcpus",
		"module_blacklist", "modprobe.blacklist", "rd.driver."};

	for (size_t i = 0; i < COUNT(fronts); i++)
		if (strncmp(word, fronts[i], strlen(fronts[i])) == 0)
			return true;
	return false;
}

/* The words of a line that were not booted, separated by blanks. */
static void missing_words(const struct boot *b, const struct boot_line *l, char *buf, size_t size)
{
	bool all = boot_owner_reads(b->owner, l->kind) && !l->is_replaced;
	const char *at = l->words;
	char word[256];

	buf[0] = '\0';
	while (boot_next_word(&at, word, sizeof(word))) {
		size_t n = strlen(buf);

		if (strchr(word, '$') || boot_has(b->booted, word, NULL, 0) ||
			(!all && !word_matters(word)))
			continue;
		(void)snprintf(buf + n, size - n, "%s%s", n ? " " : "", word);
	}
}

/* Those of the words that usher would keep; "" if there are none. */
static void wanted_words(struct check_case *c, const char *words, char *buf, size_t size)
{
	char word[256];

	buf[0] = '\0';
	while (boot_next_word(&words, word, sizeof(word))) {
		size_t n = strlen(buf);

		if (!option_is_unwanted(c, word))
			(void)snprintf(buf + n, size - n, "%s%s", n ? " " : "", word);
	}
}

/* How to boot with those of the words that usher would keep. */
static void suggest_move(struct check_case *c, const char *missing, char *fix, size_t size)
{
	char keep[512];

	wanted_words(c, missing, keep, sizeof(keep));
	if (keep[0])
		boot_how_to_add(&c->boot, keep, fix, size);
	else
		(void)snprintf(fix, size, "remove it there: it has no use on this host");
}

/* Words in a file that nothing on the way to the booted line reads. */
static void report_stray(struct check_case *c, const struct boot_line *l, const char *missing,
	char *fix, size_t size)
{
	const struct boot *b = &c->boot;

	if (!boot_owner_is_known(b->owner))
		check_found(c, CHECK_WARN, "host", "'%s' is configured for %s but was not booted",
			missing, boot_file_reader(l->kind));
	else if (strcmp(boot_file_reader(l->kind), b->owner->name) == 0)
		check_found(c, CHECK_WARN, "host",
			"'%s' is configured, but %s does not read that file on this host", missing,
			b->owner->name);
	else
		check_found(c, CHECK_WARN, "host",
			"'%s' is configured for %s, but this host boots with %s", missing,
			boot_file_reader(l->kind), b->owner->name);
	suggest_move(c, missing, fix, size);
}

/* True if @text has all of @words, each between blanks. */
static bool text_has_words(const char *text, const char *words)
{
	char word[256];

	while (boot_next_word(&words, word, sizeof(word))) {
		size_t n = strlen(word);
		const char *at = strstr(text, word);

		while (at && (at == text || !isspace((unsigned char)at[-1]) ||
				     (at[n] && !isspace((unsigned char)at[n]))))
			at = strstr(at + 1, word);
		if (!at)
			return false;
	}
	return true;
}

/*
 * With two systems on a host, the GRUB of the other one may boot this one, by options that it found
 * when it was configured. Return: the file of this system's GRUB that had @words at the boot; NULL.
 */
static const char *find_bypassed(struct check_case *c, const char *words)
{
	static const char *const files[] = {"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"};

	for (size_t i = 0; i < COUNT(files) && c->early.boot_time; i++) {
		cleanup_free char *text = NULL;
		int64_t t = host_modified(c->host, files[i]);

		if (t && t < c->early.boot_time && host_read_all(c->host, files[i], &text) >= 0 &&
			text_has_words(text, words))
			return files[i];
	}
	return NULL;
}

void check_how_to_apply(struct check_case *c, const char *words, char *buf, size_t size)
{
	bool is_grub = boot_owner_reads(c->boot.owner, BOOT_FILE_GRUB);
	const char *file = is_grub ? find_bypassed(c, words) : NULL;

	if (file)
		(void)snprintf(buf, size,
			"%s had it at this boot, so another loader booted this system, such as the "
			"GRUB of another one: add it there, or put this one first (efibootmgr -v "
			"lists them)",
			file);
	else
		boot_how_to_apply(&c->boot, buf, size);
}

/* Words in a file that the owner reads: the host was not booted since, or the file not applied. */
static void report_unapplied(struct check_case *c, const char *missing, char *fix, size_t size)
{
	char wanted[512];

	wanted_words(c, missing, wanted, sizeof(wanted));
	if (wanted[0]) {
		check_found(c, CHECK_WARN, "host", "'%s' is configured but was not booted", wanted);
		check_how_to_apply(c, wanted, fix, size);
	} else {
		check_found(c, CHECK_INFO, "host",
			"'%s' is configured but was not booted, and has no use on this host",
			missing);
		(void)snprintf(fix, size, "remove it there");
	}
}

/* Words in a line that a later one replaces. */
static void report_replaced(struct check_case *c, const struct boot_line *l, const char *missing,
	char *fix, size_t size)
{
	const struct boot_line *last = boot_line_instead(&c->boot, l);

	check_found(c, CHECK_WARN, "host", "'%s' has no effect there: line %u of %s sets %s again",
		missing, last ? last->number : 0, last ? last->file : "", l->key);
	suggest_move(c, missing, fix, size);
}

static void report_line(struct check_case *c, const struct boot_line *l, const char *missing)
{
	char path[200], fix[320];

	(void)snprintf(path, sizeof(path), "%s:%u", l->file, l->number);
	if (l->is_replaced)
		report_replaced(c, l, missing, fix, sizeof(fix));
	else if (boot_owner_reads(c->boot.owner, l->kind))
		report_unapplied(c, missing, fix, sizeof(fix));
	else
		report_stray(c, l, missing, fix, sizeof(fix));
	check_seen(c, path, l->words);
	check_fix(c, "%s", fix);
}

void check_configured(struct check_case *c)
{
	const struct boot *b = &c->boot;
	char missing[512];

	for (size_t i = 0; b->booted && i < b->line_count; i++) {
		const struct boot_line *l = &b->lines[i];

		if (boot_owner_makes(b->owner, l->kind) && !boot_owner_reads(b->owner, l->kind))
			continue;
		missing_words(b, l, missing, sizeof(missing));
		if (missing[0])
			report_line(c, l, missing);
	}
}

/* One id of a list "10de:2484,10de:228b"; more fields may follow. */
static bool next_id(const char **at, unsigned *vendor, unsigned *device, char word[40])
{
	for (;;) {
		size_t n = strcspn(*at, ",");
		const char *text = *at;

		if (!*text)
			return false;
		*at += n + (text[n] == ',');
		(void)snprintf(word, 40, "%.*s", n < 39 ? (int)n : 39, text);
		if (sscanf(word, "%x:%x", vendor, device) == 2)
			return true;
	}
}

#define IDS_TEXT 256

static void ids_append(char list[IDS_TEXT], unsigned vendor, unsigned device)
{
	size_t used = strlen(list);

	(void)snprintf(
		list + used, IDS_TEXT - used, "%s%04x:%04x", used ? ", " : "", vendor, device);
}

static void capture_prove(struct check_case *c, const char *path, const char *ids)
{
	check_seen(c, path, ids);
	check_fix(c, "remove it, and reserve a single device: usher claim ADDRESS");
}

/* Reports each id of a list; @path is the file of the list. */
static void capture_from(struct check_case *c, const char *path, const char *ids)
{
	const char *once = bind_driver_present(c->host, "vfio-pci") ? "" : "once it is loaded, ";
	const char *at = ids;
	unsigned vendor, device;
	char word[40];

	char single[IDS_TEXT] = "", absent[IDS_TEXT] = "";

	while (next_id(&at, &vendor, &device, word)) {
		size_t n = check_count_ids(c, vendor, device);

		if (n < 2) {
			ids_append(n ? single : absent, vendor, device);
			continue;
		}
		check_found(c, CHECK_WARN, "host",
			"%svfio-pci binds all %zu devices with id %04x:%04x, "
			"and any that is added later",
			once, n, vendor, device);
		capture_prove(c, path, ids);
	}
	if (single[0]) {
		check_found(c, CHECK_INFO, "host",
			"%svfio-pci binds every device with %s, at present one%s", once, single,
			strchr(single, ',') ? " of each" : "");
		capture_prove(c, path, ids);
	}
	if (absent[0]) {
		check_found(c, CHECK_INFO, "host",
			"%svfio-pci waits for devices with %s, of which this host has none", once,
			absent);
		capture_prove(c, path, ids);
	}
}

void check_capture(struct check_case *c)
{
	const struct modprobe_line *l;
	char ids[256], path[200];
	size_t at = 0;

	if (c->boot.booted && modprobe_value(c->boot.booted, "vfio_pci.ids", ids, sizeof(ids)))
		capture_from(c, "/proc/cmdline", ids);
	/* For a driver in the kernel, modprobe's configuration has no effect: see early.c. */
	if (modprobe_presence(c->host, &c->modprobe, "vfio_pci") == MODPROBE_BUILTIN)
		return;
	while ((l = modprobe_next(&c->modprobe, &at, "options", "vfio_pci"))) {
		if (!modprobe_value(l->rest, "ids", ids, sizeof(ids)))
			continue;
		(void)snprintf(path, sizeof(path), "%s:%u", l->file, l->number);
		capture_from(c, path, ids);
	}
}
