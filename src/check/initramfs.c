/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/bootadvice.h"
#include "check/bootwords.h"
#include "check/earlyowner.h"
#include "check/option.h"
#include "check/rule.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Rules about the configuration of early boot as a whole: earlyrule.c has those of a device. */

static void seen_line(struct check_case *c, const char *file, unsigned number, const char *value)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s:%u", file, number) < 0)
		path[0] = '\0';
	check_seen(c, path, value);
}

/* A module of passthrough that a list names and that this kernel does not have. */
static void report_absent(struct check_case *c, const struct early_line *l, const char *module)
{
	bool late = l->list == EARLY_LIST_LATE;
	char make[200] = "it has no effect";

	if (strcmp(module, "vfio_virqfd") == 0 && check_kernel_since(c, 6, 2))
		check_found(c, CHECK_WARN, "host",
			"a list of modules names vfio_virqfd, which is a part of vfio since "
			"Linux 6.2");
	else
		check_found(c, CHECK_WARN, "host",
			"a list of modules names %s, which this kernel does not have", module);
	seen_line(c, l->file, l->number, l->words);
	if (!late)
		early_how_to_make(&c->early, make, sizeof(make));
	check_fix(c, "remove '%s' from line %u of %s%s%s%s, %s", module, l->number, l->file,
		l->key[0] ? " (" : "", l->key, l->key[0] ? ")" : "", make);
}

static bool is_of_passthrough(const char *module)
{
	static const char *const fronts[] = {"vfio", "kvm", "pci_stub"};

	for (size_t i = 0; i < COUNT(fronts); i++)
		if (strncmp(module, fronts[i], strlen(fronts[i])) == 0)
			return true;
	return false;
}

/* systemd takes the whole line for the name of a module; OpenRC and initramfs-tools do not. */
static void check_list_options(struct check_case *c, const struct early_line *l)
{
	if (l->list != EARLY_LIST_LATE || l->key[0] || !l->options[0] ||
		!is_of_passthrough(l->words) ||
		!check_exists(c->host, "/usr/lib/systemd/systemd-modules-load"))
		return;
	check_found(c, CHECK_WARN, "host",
		"systemd loads no module by that line, because it takes no options there");
	seen_line(c, l->file, l->number, l->options);
	check_fix(c, "leave '%s' there, and put 'options %s %s' into /etc/modprobe.d/vfio.conf",
		l->words, l->words, l->options);
}

static void check_lists(struct check_case *c)
{
	const struct early *y = &c->early;
	char word[64];

	for (size_t i = 0; i < y->line_count; i++) {
		const struct early_line *l = &y->lines[i];
		const char *at = l->words;

		if (l->list == EARLY_LIST_HOOKS ||
			(l->list != EARLY_LIST_LATE && !early_owner_reads(y->owner, l->list)))
			continue;
		check_list_options(c, l);
		while (boot_next_word(&at, word, sizeof(word)))
			if (is_of_passthrough(word) &&
				modprobe_presence(c->host, &c->modprobe, word) == MODPROBE_ABSENT)
				report_absent(c, l, word);
	}
}

/*
 * "ids=1:2 disable_vga=1" as words of the kernel's command line, without those that it has. The
 * caller frees it.
 */
static char *words_to_boot(const char *booted, const char *module, const char *rest)
{
	char word[256], full[336], *buf = NULL;
	size_t size;
	bool any = false;
	FILE *f = open_memstream(&buf, &size);

	while (f && boot_next_word(&rest, word, sizeof(word))) {
		(void)snprintf(full, sizeof(full), "%s.%s", module, word);
		if (booted && boot_has(booted, full, NULL, 0))
			continue;
		(void)fprintf(f, "%s%s", any ? " " : "", full);
		any = true;
	}
	return f && fclose(f) == 0 ? buf : NULL;
}

/* What helps an option to its effect is no help where the option does harm. */
static bool any_unwanted(struct check_case *c, const char *words)
{
	char word[256];

	while (boot_next_word(&words, word, sizeof(word)))
		if (option_is_unwanted(c, word))
			return true;
	return false;
}

static void check_builtin(struct check_case *c, const struct modprobe_line *l)
{
	cleanup_free char *words = words_to_boot(c->boot.booted, l->module, l->rest);
	char fix[320];

	if (!words || modprobe_presence(c->host, &c->modprobe, l->module) != MODPROBE_BUILTIN)
		return;
	check_found(c, words[0] ? CHECK_WARN : CHECK_INFO, "host",
		"an option of %s has no effect there: it is built into this kernel, which does not "
		"read modprobe's configuration",
		l->module);
	seen_line(c, l->file, l->number, l->rest);
	if (any_unwanted(c, words)) {
		check_fix(c, "remove that line: usher advises against the option");
		return;
	}
	boot_how_to_add(&c->boot, words, fix, sizeof(fix));
	if (words[0])
		check_fix(c, "%s", fix);
	else
		check_fix(c, "remove it there: the command line of this kernel has it");
}

static bool is_id(const char *word)
{
	return strspn(word, "0123456789abcdefABCDEF") == 4 && word[4] == ':' &&
	       strspn(word + 5, "0123456789abcdefABCDEF") == 4;
}

/* A list of ids ends at a blank, and has ids alone. */
static void check_ids(
	struct check_case *c, const char *file, unsigned number, const char *words, const char *key)
{
	struct pci_address a;
	char word[256], ids[256], one[40];
	bool after = false;

	for (const char *at = words; boot_next_word(&at, word, sizeof(word));) {
		if (after && is_id(word)) {
			check_found(c, CHECK_WARN, "host",
				"a blank ends the list of ids: vfio-pci does not get '%s'", word);
			seen_line(c, file, number, words);
			check_fix(c, "remove the blank in front of '%s'", word);
		}
		after = boot_has(word, key, NULL, 0);
	}
	if (!boot_has(words, key, ids, sizeof(ids)))
		return;
	for (char *at = ids + strlen(key), *end; *at; at = end) {
		size_t n = strcspn(at, ",");

		end = at + n + (at[n] == ',');
		(void)snprintf(one, sizeof(one), "%.*s", (int)min_u64(n, 39), at);
		if (is_id(one) || pci_address_parse(one, &a) < 0)
			continue;
		check_found(c, CHECK_WARN, "host",
			"'%s' in the list of ids is an address: vfio-pci wants VENDOR:DEVICE", one);
		seen_line(c, file, number, words);
		check_fix(c, "to reserve that device: usher claim %s", one);
	}
}

static bool names_vfio(const char *text)
{
	return strstr(text, "vfio-pci") || strstr(text, "vfio_pci");
}

static void check_softdep(struct check_case *c, const struct modprobe_line *l)
{
	if (!names_vfio(l->rest) || strstr(l->rest, "pre:"))
		return;
	check_found(c, CHECK_WARN, "host",
		strstr(l->rest, "post:")
			? "a softdep makes vfio-pci load after %s, which has its devices then"
			: "a softdep of %s says neither 'pre:' nor 'post:', so it has no effect",
		l->module);
	seen_line(c, l->file, l->number, l->rest);
	check_fix(c, "write 'softdep %s pre: vfio-pci' in line %u of %s", l->module, l->number,
		l->file);
}

static void check_options(struct check_case *c)
{
	for (size_t i = 0; i < c->modprobe.count; i++) {
		const struct modprobe_line *l = &c->modprobe.list[i];

		if (strcmp(l->verb, "softdep") == 0)
			check_softdep(c, l);
		if (strcmp(l->verb, "options") != 0 || !is_of_passthrough(l->module))
			continue;
		check_builtin(c, l);
		if (strcmp(l->module, "vfio_pci") == 0)
			check_ids(c, l->file, l->number, l->rest, "ids=");
	}
	if (c->boot.booted)
		check_ids(c, "/proc/cmdline", 1, c->boot.booted, "vfio-pci.ids=");
}

/* dracut's own word on the line of a host whose initramfs is another tool's. */
static void check_foreign_word(struct check_case *c)
{
	const struct early_owner *o = c->early.owner;
	char word[160], fix[320];

	if (!c->boot.booted || !boot_has(c->boot.booted, "rd.driver.pre=", word, sizeof(word)) ||
		!(o->reads || o->place) || early_owner_reads(o, EARLY_LIST_DRACUT))
		return;
	check_found(c, CHECK_WARN, "host",
		"'%s' is an option of dracut, but %s makes the initramfs of this host", word,
		o->name);
	check_seen(c, "/proc/cmdline", word);
	if (early_line_with(&c->early, "vfio_pci", false))
		boot_how_to_drop(&c->boot, word, fix, sizeof(fix));
	else
		early_how_to_add(&c->early, fix, sizeof(fix));
	check_fix(c, "%s", fix);
}

struct newest {
	const char *file;
	unsigned number;
	const char *value;
	int64_t time;
};

static void newest_try(struct check_case *c, struct newest *n, const char *file, unsigned number,
	const char *value)
{
	int64_t t = host_modified(c->host, file);

	if (t > n->time)
		*n = (struct newest){file, number, value, t};
}

/* The image has copies of these files, as they were when it was made. */
static void check_image(struct check_case *c)
{
	const struct early *y = &c->early;
	struct newest n = {0};
	char fix[320];

	if (!y->image_time)
		return;
	for (size_t i = 0; i < c->modprobe.count; i++) {
		const struct modprobe_line *l = &c->modprobe.list[i];

		if (names_vfio(l->module) || names_vfio(l->rest))
			newest_try(c, &n, l->file, l->number, l->rest);
	}
	for (size_t i = 0; i < y->line_count; i++)
		if (early_owner_reads(y->owner, y->lines[i].list) &&
			strstr(y->lines[i].words, "vfio"))
			newest_try(c, &n, y->lines[i].file, y->lines[i].number, y->lines[i].words);
	if (n.time <= y->image_time)
		return;
	check_found(c, CHECK_WARN, "host",
		"%s was made before the configuration of vfio-pci changed", y->image);
	seen_line(c, n.file, n.number, n.value);
	early_how_to_make(y, fix, sizeof(fix));
	check_fix(c, "%s", fix);
}

struct scripts {
	struct check_case *c;
	const char *folder;
};

/* A script that writes an override and leaves the rest to the load of a module. */
static int check_script(void *arg, const char *name)
{
	const struct scripts *s = arg;
	struct check_case *c = s->c;
	cleanup_free char *text = NULL;
	char path[FILE_PATH_MAX], make[200];
	unsigned number = 1;

	if (file_path(path, sizeof(path), "%s/%s", s->folder, name) < 0 ||
		host_read_all(c->host, path, &text) < 0)
		return 0;
	char *at = strstr(text, "driver_override");
	if (!at || !names_vfio(text) || strstr(text, "drivers_probe") || strstr(text, "/bind") ||
		modprobe_presence(c->host, &c->modprobe, "vfio_pci") != MODPROBE_BUILTIN)
		return 0;
	for (const char *p = text; p < at; p++)
		number += *p == '\n';
	check_found(c, CHECK_WARN, "host",
		"a script of the initramfs writes overrides and expects vfio-pci to load, but it "
		"is built into this kernel: nothing probes the devices again");
	while (at > text && at[-1] != '\n')
		at--;
	at[strcspn(at, "\n")] = '\0';
	seen_line(c, path, number, at);
	early_how_to_make(&c->early, make, sizeof(make));
	check_fix(c, "write each address to /sys/bus/pci/drivers_probe there, too, %s", make);
	return 0;
}

static void check_scripts(struct check_case *c)
{
	static const char *const folders[] = {"/etc/initramfs-tools/scripts/init-top",
		"/etc/initramfs-tools/scripts/init-premount",
		"/etc/initramfs-tools/scripts/local-top", "/etc/initcpio/hooks"};

	for (size_t i = 0; i < COUNT(folders); i++) {
		struct scripts s = {c, folders[i]};

		(void)c->host->ops->list(c->host, folders[i], check_script, &s);
	}
}

/* modprobe passes over a file whose name does not end in .conf. */
static void check_unread(struct check_case *c)
{
	if (!c->modprobe.unread[0])
		return;
	check_found(c, CHECK_WARN, "host",
		"modprobe does not read that file, because its name does not end in .conf");
	check_seen(c, c->modprobe.unread, "names vfio-pci");
	check_fix(c, "mv %s %s.conf", c->modprobe.unread, c->modprobe.unread);
}

void check_early_boot(struct check_case *c)
{
	check_unread(c);
	check_lists(c);
	check_options(c);
	check_foreign_word(c);
	check_image(c);
	check_scripts(c);
}
