/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "bind/gate.h"
#include "bind/module.h"
#include "check/bootadvice.h"
#include "check/bootwords.h"
#include "check/earlyowner.h"
#include "check/intent.h"
#include "check/rule.h"

#include <stdio.h>
#include <string.h>

/*
 * How it works: the invariant is that the reason for a lost race at boot comes with its evidence,
 * and with one command of the tool that makes this host's initramfs, or none.
 *
 * A device is meant for vfio-pci if its ids are on the command line, in modprobe's configuration or
 * in a list of the distribution (intent.c), and another driver has it. reasons[] is a table of what
 * may explain that, from what leaves no doubt to what is likely; the first one that speaks wins.
 */
struct lost_race {
	struct check_case *c;
	struct intent intent;
	char module[64]; /* of the driver that bound the device; "" if no driver did */
	bool was_later; /* the driver did not come first, but after vfio-pci */
	char text[200]; /* the reason */
	char path[176], value[160]; /* its evidence, if it is not the intent */
	char fix[320];
};

static const struct early *early_of(const struct lost_race *w)
{
	return &w->c->early;
}

static void evidence_set(struct lost_race *w, const char *file, unsigned line, const char *value)
{
	if (line)
		(void)snprintf(w->path, sizeof(w->path), "%s:%u", file, line);
	else
		(void)snprintf(w->path, sizeof(w->path), "%s", file);
	(void)snprintf(w->value, sizeof(w->value), "%s", value);
}

__attribute__((format(printf, 2, 3))) static void reason_set(
	struct lost_race *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void fix_set(struct lost_race *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(w->fix, sizeof(w->fix), fmt, ap);
	va_end(ap);
}

/* ", run 'update-initramfs -u -k all' and reboot" */
static void fix_add_make(struct lost_race *w)
{
	size_t n = strlen(w->fix);

	n += (size_t)snprintf(w->fix + n, sizeof(w->fix) - n, ", ");
	if (n < sizeof(w->fix))
		early_how_to_make(early_of(w), w->fix + n, sizeof(w->fix) - n);
}

static bool vfio_is_builtin(struct lost_race *w)
{
	return modprobe_presence(w->c->host, &w->c->modprobe, "vfio_pci") == MODPROBE_BUILTIN;
}

static bool vfio_is_loaded(const struct lost_race *w)
{
	return bind_driver_present(w->c->host, "vfio-pci");
}

/* A softdep that loads vfio-pci first; of @module, or of any if it is NULL. */
static const struct modprobe_line *softdep_find(const struct lost_race *w, const char *module)
{
	const struct modprobe *m = &w->c->modprobe;

	for (size_t i = 0; i < m->count; i++) {
		const struct modprobe_line *l = &m->list[i];
		const char *pre = strcmp(l->verb, "softdep") == 0 ? strstr(l->rest, "pre:") : NULL;

		if (pre && (strstr(pre, "vfio-pci") || strstr(pre, "vfio_pci")) &&
			(!module || strcmp(l->module, module) == 0))
			return l;
	}
	return NULL;
}

/* dracut's list add_drivers copies a module; force_drivers and rd.driver.pre= load it. */
static bool list_loads(const struct early_line *l)
{
	return l && strcmp(l->key, "add_drivers") != 0;
}

static bool dracut_is_told(const struct lost_race *w)
{
	char word[160];

	return w->c->boot.booted &&
	       boot_has(w->c->boot.booted, "rd.driver.pre=", word, sizeof(word)) &&
	       (strstr(word, "vfio-pci") || strstr(word, "vfio_pci"));
}

/* The list of the initramfs that loads vfio-pci; NULL if none does. */
static const struct early_line *list_of_vfio(const struct lost_race *w)
{
	const struct early_line *l = early_line_with(early_of(w), "vfio_pci", false);

	return list_loads(l) || (l && dracut_is_told(w)) ? l : NULL;
}

static bool by_builtin_vfio(struct lost_race *w)
{
	char word[300];

	if (w->intent.kind != INTENT_MODPROBE || !vfio_is_builtin(w))
		return false;
	reason_set(w,
		"vfio-pci is built into this kernel, which does not read modprobe's configuration");
	(void)snprintf(word, sizeof(word), "vfio-pci.ids=%s", w->intent.ids);
	boot_how_to_add(&w->c->boot, word, w->fix, sizeof(w->fix));
	return true;
}

static bool by_builtin_driver(struct lost_race *w)
{
	if (!w->module[0] ||
		modprobe_presence(w->c->host, &w->c->modprobe, w->module) != MODPROBE_BUILTIN)
		return false;
	reason_set(w, "%s is built into this kernel and does not wait for modules", w->module);
	fix_set(w, "to take it from that driver at each boot: usher claim %s", w->c->address);
	return true;
}

/* A driver in the kernel is there before each module: it had the device, and lost it later. */
static bool by_later_bind(struct lost_race *w)
{
	if (w->intent.kind != INTENT_CMDLINE || !w->module[0] || !vfio_is_builtin(w))
		return false;
	w->was_later = true;
	reason_set(w, "vfio-pci is built into this kernel and came first, so it was bound anew");
	if (check_verdict_of(w->c, w->c->device->address) == CHECK_CANNOT)
		fix_set(w, "none: its group cannot be lent, and 'usher show %s' says why",
			w->c->address);
	else
		fix_set(w, "to bring it back: usher bind %s", w->c->address);
	return true;
}

/* A list that names a module which this kernel lacks: its tool may not have made the image. */
static bool by_missing_module(struct lost_race *w)
{
	const struct early_line *l = list_of_vfio(w);
	const char *at = l ? l->words : "";
	char word[64];

	while (!vfio_is_loaded(w) && boot_next_word(&at, word, sizeof(word))) {
		if (strncmp(word, "vfio", 4) != 0 ||
			modprobe_presence(w->c->host, &w->c->modprobe, word) != MODPROBE_ABSENT)
			continue;
		reason_set(w,
			"the list of the initramfs has %s, which this kernel lacks, and vfio-pci "
			"is not loaded",
			word);
		evidence_set(w, l->file, l->number, l->words);
		fix_set(w, "remove '%s' from line %u of %s", word, l->number, l->file);
		fix_add_make(w);
		return true;
	}
	return false;
}

/* The file that wants vfio-pci and was changed last. Return: its time; 0 if unknown. */
static int64_t newest_file(const struct lost_race *w, const char **ret)
{
	const struct early_line *l = early_line_with(early_of(w), "vfio_pci", false);
	const struct modprobe_line *s = softdep_find(w, w->module);
	const char *files[] = {w->intent.kind == INTENT_CMDLINE ? NULL : w->intent.file,
		l ? l->file : NULL, s ? s->file : NULL};
	int64_t newest = 0;

	for (size_t i = 0; i < COUNT(files); i++) {
		int64_t t = files[i] ? host_modified(w->c->host, files[i]) : 0;

		if (t <= newest)
			continue;
		newest = t;
		*ret = files[i];
	}
	return newest;
}

static bool by_old_image(struct lost_race *w)
{
	const char *file = NULL;
	int64_t t = newest_file(w, &file);

	if (!t || w->intent.kind == INTENT_UNRAID || !early_of(w)->image_time ||
		t <= early_of(w)->image_time)
		return false;
	reason_set(w, "%s was made before %s was changed", early_of(w)->image, file);
	evidence_set(w, file, 0, "is newer");
	early_how_to_make(early_of(w), w->fix, sizeof(w->fix));
	return true;
}

static bool by_old_boot(struct lost_race *w)
{
	const char *file = NULL;
	int64_t t = newest_file(w, &file);

	if (!t || !early_of(w)->boot_time || t <= early_of(w)->boot_time)
		return false;
	reason_set(w, "%s was changed after this boot", file);
	evidence_set(w, file, 0, "is newer than this boot");
	fix_set(w, "reboot");
	return true;
}

static bool by_unraid(struct lost_race *w)
{
	if (w->intent.kind != INTENT_UNRAID)
		return false;
	reason_set(w, "Unraid's own binding at boot did not take it");
	fix_set(w, "read its log: cat /var/log/vfio-pci");
	return true;
}

static bool by_order(struct lost_race *w)
{
	const struct early_line *l = list_of_vfio(w);
	size_t vfio, other;

	if (!l || !w->module[0] || !early_words_have(l->words, "vfio_pci", &vfio) ||
		!early_words_have(l->words, w->module, &other) || other > vfio)
		return false;
	(void)snprintf(
		w->text, sizeof(w->text), "the initramfs loads %s before vfio_pci", w->module);
	evidence_set(w, l->file, l->number, l->words);
	fix_set(w, "put vfio_pci before %s in line %u of %s", w->module, l->number, l->file);
	fix_add_make(w);
	return true;
}

/* NixOS sorts the modules of an option, and udev may load one before them. */
static bool by_nixos_order(struct lost_race *w)
{
	const struct early_line *l = list_of_vfio(w);

	if (!l || !w->module[0] || l->list != EARLY_LIST_NIXOS || softdep_find(w, w->module))
		return false;
	reason_set(w, "on NixOS the order of that list does not decide what loads first");
	evidence_set(w, l->file, l->number, l->words);
	fix_set(w, "add 'softdep %s pre: vfio_pci' to boot.extraModprobeConfig in %s", w->module,
		l->file);
	fix_add_make(w);
	return true;
}

/* "install vfio-pci /usr/bin/PROGRAM": the initramfs has the line, but not the program. */
static bool by_install_program(struct lost_race *w)
{
	cleanup_free char *text = NULL;
	char program[160];
	size_t at = 0;
	const struct modprobe_line *l = modprobe_next(&w->c->modprobe, &at, "install", "vfio_pci");
	const char *rest = l ? l->rest : "";

	if (!early_owner_reads(early_of(w)->owner, EARLY_LIST_MKINITCPIO) ||
		!boot_next_word(&rest, program, sizeof(program)) || program[0] != '/' ||
		strncmp(program, "/sbin/", 6) == 0 ||
		host_read_all(w->c->host, "/etc/mkinitcpio.conf", &text) < 0 ||
		strstr(text, program))
		return false;
	reason_set(w, "modprobe runs %.80s to load vfio-pci, which the initramfs does not have",
		program);
	evidence_set(w, l->file, l->number, l->rest);
	fix_set(w, "add '%s' to FILES in /etc/mkinitcpio.conf", program);
	fix_add_make(w);
	return true;
}

static bool by_copied_module(struct lost_race *w)
{
	const struct early_line *l = early_line_with(early_of(w), "vfio_pci", false);

	if (!l || list_of_vfio(w) || softdep_find(w, w->module))
		return false;
	reason_set(
		w, "add_drivers only copies vfio-pci into the initramfs, where nothing loads it");
	evidence_set(w, l->file, l->number, l->words);
	fix_set(w, "write force_drivers instead of add_drivers in line %u of %s", l->number,
		l->file);
	fix_add_make(w);
	return true;
}

/* The kernel's command line asks for a module that no list puts into the initramfs. */
static bool by_absent_module(struct lost_race *w)
{
	if (!dracut_is_told(w) || !w->module[0] ||
		early_line_with(early_of(w), "vfio_pci", false) ||
		!early_owner_reads(early_of(w)->owner, EARLY_LIST_DRACUT))
		return false;
	reason_set(w, "rd.driver.pre= loads vfio-pci only if the initramfs has it, "
		      "and no list of dracut adds it");
	evidence_set(w, "/proc/cmdline", 0, w->c->boot.booted);
	early_how_to_add(early_of(w), w->fix, sizeof(w->fix));
	return true;
}

/* mkinitcpio copies modprobe's configuration by a hook alone. */
static bool by_missing_hook(struct lost_race *w)
{
	const struct early *y = early_of(w);
	const struct early_line *hooks = NULL;

	for (size_t i = 0; i < y->line_count; i++)
		if (y->lines[i].list == EARLY_LIST_HOOKS && y->lines[i].words[0])
			hooks = &y->lines[i];
	if (w->intent.kind != INTENT_MODPROBE || !hooks ||
		!early_owner_reads(y->owner, hooks->list) || !list_of_vfio(w) ||
		early_words_have(hooks->words, "modconf", NULL))
		return false;
	reason_set(w, "without the hook modconf the initramfs has no copy of the ids");
	evidence_set(w, hooks->file, hooks->number, hooks->words);
	fix_set(w, "add 'modconf' to HOOKS in line %u of %s", hooks->number, hooks->file);
	fix_add_make(w);
	return true;
}

/* What rpm-ostree ships as initramfs knows nothing of the host's /etc. */
static bool by_foreign_image(struct lost_race *w)
{
	if (w->intent.kind != INTENT_MODPROBE || !vfio_is_loaded(w) ||
		strcmp(early_of(w)->owner->name, "rpm-ostree") != 0)
		return false;
	reason_set(
		w, "the initramfs of rpm-ostree has no copy of that file, unless it is asked for");
	fix_set(w, "run 'rpm-ostree initramfs-etc --track=%s' and reboot", w->intent.file);
	return true;
}

static bool by_other_softdep(struct lost_race *w)
{
	const struct modprobe_line *l = softdep_find(w, NULL);

	if (!l || !w->module[0] || softdep_find(w, w->module) || list_of_vfio(w))
		return false;
	reason_set(w, "a softdep makes %s wait for vfio-pci, but not %s", l->module, w->module);
	evidence_set(w, l->file, l->number, l->rest);
	fix_set(w, "add 'softdep %s pre: vfio-pci' to %s", w->module, l->file);
	fix_add_make(w);
	return true;
}

static bool by_late_list(struct lost_race *w)
{
	const struct early_line *l = early_line_with(early_of(w), "vfio_pci", true);

	if (!l || list_of_vfio(w) || !w->module[0])
		return false;
	reason_set(w, "vfio-pci is loaded from a list that is read after the initramfs");
	evidence_set(w, l->file, l->number, l->words);
	early_how_to_add(early_of(w), w->fix, sizeof(w->fix));
	return true;
}

static bool by_nobody(struct lost_race *w)
{
	if (vfio_is_loaded(w) || list_of_vfio(w) || softdep_find(w, w->module) ||
		dracut_is_told(w) || early_line_with(early_of(w), "vfio_pci", true))
		return false;
	reason_set(w, "nothing loads vfio-pci at boot");
	evidence_set(w, "/sys/bus/pci/drivers/vfio-pci", 0, "does not exist");
	if (w->module[0])
		early_how_to_add(early_of(w), w->fix, sizeof(w->fix));
	else
		fix_set(w, "to have it bound at each boot: usher claim %s", w->c->address);
	return true;
}

static bool by_unmade_image(struct lost_race *w)
{
	const struct early_line *l = list_of_vfio(w);

	if (!l || vfio_is_loaded(w))
		return false;
	reason_set(w, "the initramfs is to load vfio-pci, but vfio-pci is not loaded: "
		      "it was not made anew, or failed");
	evidence_set(w, l->file, l->number, l->words);
	early_how_to_make(early_of(w), w->fix, sizeof(w->fix));
	return true;
}

static bool by_later_load(struct lost_race *w)
{
	if (vfio_is_builtin(w) || !vfio_is_loaded(w) || list_of_vfio(w) || !w->module[0] ||
		softdep_find(w, w->module))
		return false;
	reason_set(w, "nothing makes %s wait for vfio-pci, which is a module", w->module);
	early_how_to_add(early_of(w), w->fix, sizeof(w->fix));
	return true;
}

static bool (*const reasons[])(struct lost_race *w) = {by_builtin_vfio, by_builtin_driver,
	by_later_bind, by_missing_module, by_old_image, by_old_boot, by_unraid, by_nixos_order,
	by_order, by_install_program, by_copied_module, by_absent_module, by_missing_hook,
	by_foreign_image, by_other_softdep, by_late_list, by_nobody, by_unmade_image,
	by_later_load};

/* The module of the driver: the names differ for some ("xhci_hcd" is of xhci_pci). */
static void driver_module(struct check_case *c, char *buf, size_t size)
{
	char path[FILE_PATH_MAX];

	(void)snprintf(buf, size, "%s", c->device->driver);
	if (file_path(path, sizeof(path), "/sys/bus/pci/drivers/%s/module", c->device->driver) ==
			0 &&
		c->device->driver[0] && host_link_name(c->host, path, buf, size) < 0)
		(void)snprintf(buf, size, "%s", c->device->driver);
	modprobe_name(buf);
	if (strcmp(buf, "xhci_hcd") == 0)
		(void)snprintf(buf, size, "xhci_pci");
}

static void report_race(struct lost_race *w)
{
	struct check_case *c = w->c;
	const char *driver = c->device->driver;
	char start[128];

	fix_set(w, "remove that line; to keep other drivers from it at boot: usher claim %s",
		c->address);
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (reasons[i](w))
			break;
	if (driver[0])
		(void)snprintf(start, sizeof(start), "was meant for vfio-pci at boot, but %s %s",
			driver, w->was_later ? "has it" : "bound it first");
	else
		(void)snprintf(
			start, sizeof(start), "was meant for vfio-pci at boot, but has no driver");
	check_found(c, CHECK_WARN, c->address, "%s%s%s", start, w->text[0] ? ": " : "", w->text);
	check_seen(
		c, w->path[0] ? w->path : w->intent.path, w->path[0] ? w->value : w->intent.value);
	check_fix(c, "%s", w->fix);
}

/* Its driver is in the kernel: no configuration of modules keeps that from the device. */
static void report_builtin(struct lost_race *w)
{
	struct check_case *c = w->c;

	if (modprobe_presence(c->host, &c->modprobe, w->module) != MODPROBE_BUILTIN)
		return;
	check_found(c, CHECK_INFO, c->address,
		"%s is built into the kernel, so it binds the device at each boot before "
		"vfio-pci can",
		c->device->driver);
	check_seen(c, c->modprobe.folder, "modules.builtin");
	check_fix(c, "'usher bind' unbinds it from that driver");
}

void check_early(struct check_case *c)
{
	const struct pci_device *d = c->device;
	struct lost_race w = {.c = c};

	if (bind_on_vfio(c->host, d) || d->is_bridge)
		return;
	driver_module(c, w.module, sizeof(w.module));
	/* Without a driver, the override may be the reason: see H16. */
	bool is_free = !d->driver[0] && !vfio_is_loaded(&w);
	if ((d->driver[0] || is_free) && intent_find(c, d, &w.intent))
		report_race(&w);
	else if (c->named && d->driver[0])
		report_builtin(&w);
}
