/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "check/bootadvice.h"
#include "check/bootowner.h"
#include "check/bootwords.h"
#include "check/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Rules about the kernel command line: harmful options, and configured options that were not
 * booted.
 */

/* An option that affects passthrough; with '=' at the end, it matches all values. */
struct word {
	const char *word;
	enum check_severity severity;
	const char *text;
	bool drop; /* it had better go */
};

static const struct word words[] = {
	{"amd_iommu=on", CHECK_WARN,
		"is not a kernel option: the kernel uses an AMD IOMMU whenever the firmware "
		"enables it",
		true},
	{"intel_iommu=off", CHECK_WARN, "turns the IOMMU off", true},
	{"amd_iommu=off", CHECK_WARN, "turns the IOMMU off", true},
	{"iommu=off", CHECK_WARN, "turns the IOMMU off", true},
	{"intel_iommu=igfx_off", CHECK_WARN,
		"excludes the integrated graphics from the IOMMU, so it cannot be passed through",
		true},
	{"iommu=1", CHECK_INFO, "is not a kernel option and has no effect", true},
	{"pcie_acs_override=", CHECK_WARN,
		"splits groups that the hardware does not isolate: "
		"a device in one guest may reach the memory of another through its neighbour",
		true},
	{"vfio-pci.ids=", CHECK_INFO, "binds every device with these ids to vfio-pci at boot",
		false},
	{"vfio_iommu_type1.allow_unsafe_interrupts=", CHECK_WARN,
		"lets a guest forge host interrupts", true},
	{"vfio.enable_unsafe_noiommu_mode=", CHECK_WARN,
		"allows passthrough without an IOMMU: a device can reach all memory", true},
	{"initcall_blacklist=", CHECK_INFO,
		"skips a kernel init function; sysfb_init is the one that sets up the firmware "
		"framebuffer",
		false},
	{"video=efifb:off", CHECK_WARN,
		"has no effect where simpledrm or sysfb drives the framebuffer (since Linux 5.19)",
		true},
	{"video=vesafb:off", CHECK_WARN,
		"has no effect where simpledrm or sysfb drives the framebuffer (since Linux 5.19)",
		true},
	{"nomodeset", CHECK_INFO, "keeps graphics drivers from binding to their cards", false},
	{"iommu.passthrough=", CHECK_INFO,
		"affects only devices that the host uses; devices on VFIO are isolated all the "
		"same",
		false},
	{"iommu=pt", CHECK_INFO,
		"affects only devices that the host uses; devices on VFIO are isolated all the "
		"same",
		false},
	{"module_blacklist=", CHECK_INFO, "prevents these modules from being loaded", false},
};

void check_cmdline(struct check_case *c)
{
	char got[256], fix[256];

	if (!c->boot.booted) {
		check_blind(c, "/proc/cmdline", -ENOENT);
		return;
	}
	for (size_t i = 0; i < COUNT(words); i++) {
		if (!boot_has(c->boot.booted, words[i].word, got, sizeof(got)))
			continue;
		check_found(c, words[i].severity, "host", "'%s' %s", got, words[i].text);
		check_seen(c, "/proc/cmdline", got);
		if (!words[i].drop)
			continue;
		boot_how_to_drop(&c->boot, got, fix, sizeof(fix));
		check_fix(c, "%s", fix);
	}
}

/* True if the option affects passthrough. Used for files of loaders that do not boot this host. */
static bool word_matters(const char *word)
{
	static const char *const fronts[] = {"intel_iommu", "amd_iommu", "iommu", "vfio", "pci",
		"kvm", "hugepage", "default_hugepagesz", "initcall_blacklist", "video=", "isolcpus",
		"module_blacklist", "modprobe.blacklist"};

	for (size_t i = 0; i < COUNT(fronts); i++)
		if (strncmp(word, fronts[i], strlen(fronts[i])) == 0)
			return true;
	return false;
}

/* The words of a line that were not booted, separated by blanks. */
static void missing_words(const struct boot *b, const struct boot_line *l, char *buf, size_t size)
{
	bool all = boot_owner_reads(b->owner, l->kind);
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

/* True if check_cmdline() would ask to remove @word again. */
static bool word_is_unwanted(const char *word)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].drop && boot_has(word, words[i].word, NULL, 0))
			return true;
	return false;
}

/* How to boot with those of the words that usher would keep. */
static void suggest_move(const struct boot *b, const char *missing, char *fix, size_t size)
{
	char keep[512] = "", word[256];

	while (boot_next_word(&missing, word, sizeof(word))) {
		size_t n = strlen(keep);

		if (!word_is_unwanted(word))
			(void)snprintf(keep + n, sizeof(keep) - n, "%s%s", n ? " " : "", word);
	}
	if (keep[0])
		boot_how_to_add(b, keep, fix, size);
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
	suggest_move(b, missing, fix, size);
}

static void report_line(struct check_case *c, const struct boot_line *l, const char *missing)
{
	char path[200], fix[320];

	(void)snprintf(path, sizeof(path), "%s:%u", l->file, l->number);
	if (boot_owner_reads(c->boot.owner, l->kind)) {
		check_found(
			c, CHECK_WARN, "host", "'%s' is configured but was not booted", missing);
		boot_how_to_apply(&c->boot, fix, sizeof(fix));
	} else {
		report_stray(c, l, missing, fix, sizeof(fix));
	}
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

/* Reports each id of a list; @path is the file of the list. */
static void capture_from(struct check_case *c, const char *path, const char *ids)
{
	const char *at = ids;
	unsigned vendor, device;
	char word[40];

	while (next_id(&at, &vendor, &device, word)) {
		size_t n = check_count_ids(c, vendor, device);

		if (n > 1)
			check_found(c, CHECK_WARN, "host",
				"vfio-pci binds all %zu devices with id %04x:%04x, "
				"and any that is added later",
				n, vendor, device);
		else
			check_found(c, CHECK_INFO, "host",
				n ? "vfio-pci binds every device with id %04x:%04x, at present one"
				  : "vfio-pci is configured for id %04x:%04x, "
				    "but no such device exists",
				vendor, device);
		check_seen(c, path, ids);
		check_fix(c, "remove it, and reserve a single device: usher claim ADDRESS");
	}
}

void check_capture(struct check_case *c)
{
	const struct modprobe_line *l;
	char ids[256], path[200];
	size_t at = 0;

	if (c->boot.booted && modprobe_value(c->boot.booted, "vfio_pci.ids", ids, sizeof(ids)))
		capture_from(c, "/proc/cmdline", ids);
	while ((l = modprobe_next(&c->modprobe, &at, "options", "vfio_pci"))) {
		if (!modprobe_value(l->rest, "ids", ids, sizeof(ids)))
			continue;
		(void)snprintf(path, sizeof(path), "%s:%u", l->file, l->number);
		capture_from(c, path, ids);
	}
}
