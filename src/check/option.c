/* SPDX-License-Identifier: MIT */
#include "check/option.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/module.h"
#include "check/bootadvice.h"
#include "check/bootwords.h"
#include "check/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * How it works: the invariant is that a sentence about an option holds on this host. An option
 * means different things by the processor's vendor, by the kernel's configuration, and by whether
 * a driver is a module; so each option has a judge, which looks at this host before it speaks.
 *
 * judges[] is a table: the beginning of the word, and the judge of its value.
 */

/* What a judge says of a word. */
struct verdict {
	bool speaks;
	enum check_severity severity;
	bool drop; /* it had better go */
	char text[224];
	char path[160], value[160]; /* what proves it; path "": the command line */
	char instead[256]; /* what it had better be */
};

/* Sets the verdict; @drop is true if the word had better go. */
__attribute__((format(printf, 4, 5))) static void verdict_set(
	struct verdict *v, enum check_severity s, bool drop, const char *fmt, ...)
{
	va_list ap;

	v->speaks = true;
	v->severity = s;
	v->drop = drop;
	va_start(ap, fmt);
	(void)vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
}

static void verdict_prove(struct verdict *v, const char *path, const char *value)
{
	(void)snprintf(v->path, sizeof(v->path), "%s", path);
	(void)snprintf(v->value, sizeof(v->value), "%s", value);
}

/* The next value of a list between commas. Return: false at the end. */
static bool value_next(const char **at, char *buf, size_t size)
{
	size_t n = strcspn(*at, ",");

	if (!**at)
		return false;
	(void)snprintf(buf, size, "%.*s", (int)min_u64(n, size), *at);
	*at += n + ((*at)[n] == ',');
	return true;
}

/* As the kernel compares: a value is known by its beginning. */
static bool value_is_known(const char *value, const char *const *known)
{
	for (; *known; known++)
		if (strncmp(value, *known, strlen(*known)) == 0)
			return true;
	return false;
}

enum vendor { VENDOR_UNKNOWN, VENDOR_INTEL, VENDOR_AMD };

/* Whose IOMMU it is: the firmware's tables decide; a guest may have Intel's on AMD's processor. */
static enum vendor iommu_vendor(struct check_case *c)
{
	if (check_exists(c->host, "/sys/firmware/acpi/tables/DMAR"))
		return VENDOR_INTEL;
	if (check_exists(c->host, "/sys/firmware/acpi/tables/IVRS"))
		return VENDOR_AMD;
	struct check_cpu cpu = check_cpu_read(c);
	return cpu.intel ? VENDOR_INTEL : cpu.amd ? VENDOR_AMD : VENDOR_UNKNOWN;
}

static void judge_intel(struct check_case *c, const char *list, struct verdict *v)
{
	static const char *const known[] = {"on", "off", "igfx_off", "forcedac", "strict", "sp_off",
		"sm_on", "sm_off", "tboot_noforce", "ecs_off", "nobounce", "relax_rmrr", NULL};
	char value[64];

	if (iommu_vendor(c) == VENDOR_AMD) {
		verdict_set(v, CHECK_INFO, true,
			"is about Intel's IOMMUs and does nothing on this host, which has AMD's");
		return;
	}
	while (!v->speaks && value_next(&list, value, sizeof(value))) {
		if (strncmp(value, "off", 3) == 0)
			verdict_set(v, CHECK_WARN, true, "turns the IOMMU off");
		else if (strncmp(value, "igfx_off", 8) == 0)
			verdict_set(v, CHECK_WARN, true,
				"excludes the integrated graphics from the IOMMU, so it cannot be "
				"passed through");
		else if (!value_is_known(value, known))
			verdict_set(v, CHECK_WARN, true,
				"has a value that the kernel does not know and ignores: '%s'",
				value);
	}
}

static void judge_amd(struct check_case *c, const char *list, struct verdict *v)
{
	static const char *const known[] = {"fullflush", "force_isolation", "force_enable",
		"pgtbl_v1", "pgtbl_v2", "irtcachedis", "nohugepages", "v2_pgsizes_only",
		"pgsize_4k", NULL};
	char value[64];

	if (iommu_vendor(c) == VENDOR_INTEL) {
		verdict_set(v, CHECK_WARN, true,
			"is about AMD's IOMMUs and does nothing on this host, which has Intel's: "
			"there, the option is intel_iommu=on");
		return;
	}
	while (!v->speaks && value_next(&list, value, sizeof(value))) {
		if (strncmp(value, "off", 3) == 0)
			verdict_set(v, CHECK_WARN, true, "turns the IOMMU off");
		else if (!value_is_known(value, known))
			verdict_set(v, CHECK_WARN, true,
				"is not a kernel option: the kernel uses an AMD IOMMU whenever "
				"the firmware enables it");
	}
}

/* iommu=: of x86, for IOMMUs of any vendor. */
static void judge_any(struct check_case *c, const char *list, struct verdict *v)
{
	static const char *const known[] = {"force", "noforce", "biomerge", "panic", "nopanic",
		"merge", "nomerge", "allowdac", "nodac", "usedac", "soft", "nopt", "noagp",
		"memaper", "noaperture", "allowed", "fullflush", "nofullflush", "leak", NULL};
	char value[64];

	while (!v->speaks && value_next(&list, value, sizeof(value))) {
		if (strncmp(value, "off", 3) == 0)
			verdict_set(v, CHECK_WARN, true, "turns the IOMMU off");
		else if (strncmp(value, "pt", 2) == 0)
			verdict_set(v, CHECK_INFO, false,
				"affects only devices that the host uses; devices on VFIO are "
				"isolated in any case");
		else if (!value_is_known(value, known))
			verdict_set(
				v, CHECK_INFO, true, "is not a kernel option and has no effect");
	}
}

/* True if a line of the kernel's log has @mark; @line receives it. */
static bool log_has(struct check_case *c, const char *mark, char *line, size_t size)
{
	cleanup_free char *text = NULL;

	if (host_read_all(c->host, HOST_KERNEL_LOG, &text) < 0)
		return false;
	const char *at = strstr(text, mark);
	if (!at)
		return false;
	while (at > text && at[-1] != '\n')
		at--;
	(void)snprintf(line, size, "%.*s", (int)min_u64(strcspn(at, "\n"), size), at);
	return true;
}

/* Kernels that are known to have the ACS override patch, which Linux itself lacks. */
static bool kernel_is_patched(struct check_case *c, char *release, size_t size)
{
	static const char *const marks[] = {"-pve", "zen", "unraid", "lqx", "liquorix", "xanmod",
		"cachyos", "tkg", "acs", "vfio"};

	if (host_read_text(c->host, "/proc/sys/kernel/osrelease", release, size) < 0)
		return false;
	for (size_t i = 0; i < COUNT(marks); i++)
		if (strcasestr(release, marks[i]))
			return true;
	return false;
}

static void judge_acs(struct check_case *c, const char *value, struct verdict *v)
{
	char proof[160];

	if (log_has(c, "ACS overrides enabled", proof, sizeof(proof)))
		verdict_prove(v, HOST_KERNEL_LOG, proof);
	else if (!kernel_is_patched(c, proof, sizeof(proof))) {
		verdict_set(v, CHECK_WARN, true,
			"splits groups that the hardware does not isolate, "
			"but only in a kernel with the ACS override patch: others ignore it");
		return;
	}
	verdict_set(v, CHECK_WARN, true,
		"splits groups that the hardware does not isolate: "
		"a device in one guest may reach the memory of another through its neighbour");
}

static void judge_ids(
	struct check_case *c, const char *module, const char *driver, struct verdict *v)
{
	enum modprobe_presence p = modprobe_presence(c->host, &c->modprobe, module);
	bool present = bind_driver_present(c->host, driver);

	if (p == MODPROBE_BUILTIN || (present && p != MODPROBE_LOADABLE))
		verdict_set(v, CHECK_INFO, false, "binds every device with these ids to %s at boot",
			driver);
	else if (present)
		verdict_set(v, CHECK_INFO, false,
			"makes %s bind every device with these ids that has no driver when the "
			"module loads",
			driver);
	else if (p == MODPROBE_ABSENT)
		verdict_set(v, CHECK_INFO, true, "has no effect: this kernel has no %s", driver);
	else
		verdict_set(v, CHECK_INFO, false,
			"has had no effect: %s is a module, and it is not loaded", driver);
}

/* H15 reports the ids that have an effect. */
static void judge_vfio_ids(struct check_case *c, const char *value, struct verdict *v)
{
	if (!bind_driver_present(c->host, "vfio-pci") &&
		modprobe_presence(c->host, &c->modprobe, "vfio_pci") != MODPROBE_BUILTIN)
		judge_ids(c, "vfio_pci", "vfio-pci", v);
}

static void judge_stub_ids(struct check_case *c, const char *value, struct verdict *v)
{
	judge_ids(c, "pci_stub", "pci-stub", v);
}

static bool value_is_true(const char *value)
{
	return strchr("yY1", value[0]) && value[0];
}

static void judge_interrupts(struct check_case *c, const char *value, struct verdict *v)
{
	if (!value_is_true(value))
		return;
	if (check_remaps_interrupts(c)) {
		verdict_set(v, CHECK_INFO, true,
			"does nothing on this host, whose interrupts are remapped");
		verdict_prove(v, "/proc/interrupts", "IR-...");
	} else {
		verdict_set(v, CHECK_WARN, true, "lets a guest forge host interrupts");
	}
}

static void judge_noiommu(struct check_case *c, const char *value, struct verdict *v)
{
	static const char parameter[] = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";

	if (!value_is_true(value))
		return;
	if (check_exists(c->host, "/sys/module/vfio/parameters") &&
		!check_exists(c->host, parameter)) {
		verdict_set(v, CHECK_INFO, true,
			"has no effect: this kernel is built without CONFIG_VFIO_NOIOMMU");
		verdict_prove(v, parameter, "does not exist");
		return;
	}
	verdict_set(v, CHECK_WARN, true,
		"allows passthrough without an IOMMU: a device can reach all memory");
}

static void judge_initcalls(struct check_case *c, const char *list, struct verdict *v)
{
	if (strstr(list, "sysfb_init"))
		verdict_set(v, CHECK_INFO, false,
			"leaves the firmware framebuffer without a driver: the console is dark "
			"until the driver of a display takes over");
	else
		verdict_set(v, CHECK_INFO, false, "skips init functions of the kernel");
}

static int note_device(void *arg, const char *name)
{
	char *buf = arg;

	if (strncmp(name, buf, strlen(buf)) != 0 || !strchr(name, '.'))
		return 0;
	(void)snprintf(buf, 64, "%s", name);
	return 1;
}

/*
 * The device of the firmware's framebuffer that the kernel made: "efi-framebuffer.0". @folder
 * receives where it was seen.
 */
static bool framebuffer_find(
	struct check_case *c, const char *driver, char name[64], char folder[96])
{
	static const char *const formats[] = {
		"/sys/bus/platform/devices", "/sys/bus/platform/drivers/%s"};

	for (size_t i = 0; i < COUNT(formats); i++) {
		size_t front = strcspn(formats[i], "%");

		(void)snprintf(name, 64, "%s", driver);
		(void)snprintf(folder, 96, "%.*s%s", (int)front, formats[i],
			formats[i][front] ? driver : "");
		if (c->host->ops->list(c->host, folder, note_device, name) == 1)
			return true;
	}
	return false;
}

/* A driver of /dev/fbN that is one for the firmware's framebuffer; @line is of /proc/fb. */
static bool framebuffer_driver(struct check_case *c, const char *mark, char *line, size_t size)
{
	char text[512], *save = NULL;

	if (host_read_text(c->host, "/proc/fb", text, sizeof(text)) < 0)
		return false;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		(void)snprintf(line, size, "%s", l);
		if (strstr(l, mark))
			return true;
	}
	return false;
}

/*
 * video=efifb:off: efifb itself reads it, in each version of Linux. Where the kernel makes a
 * simple-framebuffer instead (CONFIG_SYSFB_SIMPLEFB), simpledrm drives that, which reads no such
 * option. @name: "efifb"; @device: of the platform bus; @title: in /proc/fb.
 */
static void judge_framebuffer(struct check_case *c, const char *name, const char *device,
	const char *title, struct verdict *v)
{
	char proof[160], found[64], folder[96];

	if (framebuffer_driver(c, "simple", proof, sizeof(proof))) {
		verdict_set(v, CHECK_WARN, true,
			"has no effect on this host: %s does not drive the firmware framebuffer, "
			"simpledrm or simplefb does",
			name);
		verdict_prove(v, "/proc/fb", proof);
	} else if (framebuffer_find(c, "simple-framebuffer", found, folder)) {
		verdict_set(v, CHECK_WARN, true,
			"has no effect on this host: the kernel made a simple-framebuffer, "
			"which %s does not drive",
			name);
		verdict_prove(v, folder, found);
	} else if (framebuffer_driver(c, title, proof, sizeof(proof))) {
		verdict_set(v, CHECK_WARN, true,
			"has no effect: %s drives the framebuffer nevertheless", name);
		verdict_prove(v, "/proc/fb", proof);
	} else {
		(void)snprintf(proof, sizeof(proof), "/sys/bus/platform/drivers/%s", device);
		bool here = check_exists(c->host, proof);
		verdict_set(v, CHECK_INFO, false,
			"keeps %s from the firmware framebuffer%s: the console is dark until "
			"the driver of a display takes over",
			name, here ? "" : ", if this kernel has that driver");
		if (here)
			verdict_prove(v, proof, "exists");
	}
}

static void judge_video(struct check_case *c, const char *value, struct verdict *v)
{
	/* The kernel reads one name a word: of 'efifb:off,vesafb:off' the first. */
	if (strncmp(value, "efifb:off", 9) == 0)
		judge_framebuffer(c, "efifb", "efi-framebuffer", "EFI VGA", v);
	else if (strncmp(value, "vesafb:off", 10) == 0)
		judge_framebuffer(c, "vesafb", "vesa-framebuffer", "VESA VGA", v);
	const char *comma = v->speaks ? strchr(value, ',') : NULL;
	if (comma && strstr(comma, ":off"))
		verdict_set(v, CHECK_WARN, false,
			"names two drivers, and the kernel reads only the first: "
			"the other needs a word of its own, 'video=%s'",
			comma + 1);
}

static void judge_nomodeset(struct check_case *c, const char *value, struct verdict *v)
{
	verdict_set(v, CHECK_INFO, false,
		"keeps the kernel's own graphics drivers from binding to their cards");
}

static void judge_passthrough(struct check_case *c, const char *value, struct verdict *v)
{
	verdict_set(v, CHECK_INFO, false,
		"affects only devices that the host uses; devices on VFIO are isolated all the "
		"same");
}

static void judge_blacklist(struct check_case *c, const char *list, struct verdict *v)
{
	char module[64];

	while (value_next(&list, module, sizeof(module))) {
		bool builtin = modprobe_presence(c->host, &c->modprobe, module) == MODPROBE_BUILTIN;

		modprobe_name(module);
		if (builtin) {
			verdict_set(v, CHECK_INFO, false,
				"does not affect %s, which is built into this kernel", module);
			return;
		}
		if (strncmp(module, "vfio", 4) == 0) {
			verdict_set(v, CHECK_FAIL, true, "prevents %s from being loaded", module);
			return;
		}
	}
	verdict_set(v, CHECK_INFO, false, "prevents these modules from being loaded");
}

/* A word is an option and its value; @word ends in '=' if it has one. */
static const struct judge {
	const char *word;
	void (*judge)(struct check_case *c, const char *value, struct verdict *v);
} judges[] = {
	{"intel_iommu=", judge_intel},
	{"amd_iommu=", judge_amd},
	{"iommu=", judge_any},
	{"pcie_acs_override=", judge_acs},
	{"vfio-pci.ids=", judge_vfio_ids},
	{"pci-stub.ids=", judge_stub_ids},
	{"vfio_iommu_type1.allow_unsafe_interrupts=", judge_interrupts},
	{"vfio.enable_unsafe_noiommu_mode=", judge_noiommu},
	{"initcall_blacklist=", judge_initcalls},
	{"video=", judge_video},
	{"nomodeset", judge_nomodeset},
	{"iommu.passthrough=", judge_passthrough},
	{"module_blacklist=", judge_blacklist},
};

/* Ids under a name that no module reads: "vfio-pci-ids=", "vfio_pci.id=". */
static void misspelt_judge(const char *word, struct verdict *v)
{
	const char *value = strchr(word, '=');
	unsigned vendor, device;

	if (strncmp(word, "vfio", 4) != 0 || !value ||
		sscanf(value, "=%4x:%4x", &vendor, &device) != 2)
		return;
	verdict_set(v, CHECK_WARN, true,
		"is not an option that the kernel or vfio-pci reads: that is vfio-pci.ids=");
	(void)snprintf(v->instead, sizeof(v->instead), "vfio-pci.ids%s", value);
}

static void word_judge(struct check_case *c, const char *word, struct verdict *v)
{
	*v = (struct verdict){0};
	for (size_t i = 0; i < COUNT(judges); i++) {
		const char *value = strchr(word, '=');

		if (!boot_has(word, judges[i].word, NULL, 0))
			continue;
		judges[i].judge(c, value ? value + 1 : "", v);
		return;
	}
	misspelt_judge(word, v);
}

bool option_is_unwanted(struct check_case *c, const char *word)
{
	struct verdict v;

	word_judge(c, word, &v);
	return v.speaks && v.drop;
}

void option_how_to_set(
	struct check_case *c, const char *module, const char *option, char *buf, size_t size)
{
	char word[160];

	if (modprobe_presence(c->host, &c->modprobe, module) == MODPROBE_BUILTIN) {
		(void)snprintf(word, sizeof(word), "%s.%s", module, option);
		boot_how_to_add(&c->boot, word, buf, size);
		return;
	}
	(void)snprintf(buf, size,
		"put 'options %s %s' into /etc/modprobe.d/%s.conf, and load the module again",
		module, option, module);
}

void check_cmdline(struct check_case *c)
{
	const char *at = c->boot.booted;
	char word[256], before[2048], fix[320];
	struct verdict v;

	if (!at) {
		check_blind(c, "/proc/cmdline", -ENOENT);
		return;
	}
	for (const char *from = at; boot_next_word(&at, word, sizeof(word)); from = at) {
		(void)snprintf(before, sizeof(before), "%.*s", (int)(from - c->boot.booted),
			c->boot.booted);
		word_judge(c, word, &v);
		if (!v.speaks || boot_has(before, word, NULL, 0))
			continue;
		check_found(c, v.severity, "host", "'%s' %s", word, v.text);
		check_seen(c, v.path[0] ? v.path : "/proc/cmdline", v.path[0] ? v.value : word);
		if (!v.drop)
			continue;
		if (v.instead[0])
			boot_how_to_add(&c->boot, v.instead, fix, sizeof(fix));
		else
			boot_how_to_drop(&c->boot, word, fix, sizeof(fix));
		check_fix(c, "%s%s", v.instead[0] ? "instead of it, " : "", fix);
	}
}
