/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/guide.h"
#include "view/names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_DISPLAY 0x03
#define MEMORY_DEFAULT 8 /* [GiB] if the host's is not known */
#define MEMORY_MAX 32
#define CPUS_DEFAULT 4
#define CPUS_MAX 16
#define CPU_COUNT 1024

/* What Windows asks a hypervisor for: time and interrupts that cost it few exits. */
#define HYPERV                                                                         \
	"host,hv_relaxed,hv_vapic,hv_spinlocks=0x1fff,hv_vpindex,hv_runtime,hv_synic," \
	"hv_stimer,hv_reset,hv_time,hv_frequencies,hv_tlbflush,hv_ipi"

enum system { SYSTEM_BEST, SYSTEM_WINDOWS, SYSTEM_LINUX };

struct arguments {
	const struct verb *verb;
	struct operand_words words;
	enum system system;
};

__attribute__((format(printf, 2, 3))) static void word_add(struct guide *g, const char *fmt, ...)
{
	char *word = g->text + g->used;
	const size_t room = sizeof(g->text) - g->used;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(word, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || g->word_count == GUIDE_WORDS_MAX)
		return;
	g->used += (size_t)n + 1;
	g->words[g->word_count++] = word;
}

static void companion_add(struct guide *g, const struct pci_device *d, bool in_slot)
{
	if (g->companion_count == GUIDE_COMPANIONS_MAX ||
		pci_address_equal(d->address, g->device.address))
		return;
	for (size_t i = 0; i < g->companion_count; i++)
		if (pci_address_equal(g->companions[i].device.address, d->address))
			return;
	g->companions[g->companion_count++] = (struct guide_companion){*d, in_slot};
}

/* A virtual function has an address beside its physical one, and is a device of its own. */
static bool is_virtual(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX], name[64];

	return pci_device_path(a, "physfn", path, sizeof(path)) == 0 &&
	       host_link_name(h, path, name, sizeof(name)) >= 0;
}

/*
 * The other functions of a graphics card: its sound, its USB. Those of other devices, such as the
 * ports of a network card, each work alone.
 */
static void functions_read(struct guide *g, struct host *h)
{
	struct pci_address a = g->device.address;
	struct pci_device d;

	if (!g->is_display || is_virtual(h, a))
		return;
	for (a.fn = 0; a.fn < 8; a.fn++)
		if (!is_virtual(h, a) && pci_device_peek(h, a, &d, NULL) == 0)
			companion_add(g, &d, true);
}

static void member_add(struct guide *g, struct host *h, const struct pci_device *d)
{
	companion_add(g, d,
		pci_address_same_slot(d->address, g->device.address) && !is_virtual(h, d->address));
}

/* What usher takes with them, because the IOMMU keeps them together. */
static int members_read(struct guide *g, struct host *h, struct err *e)
{
	struct bind_target targets[GUIDE_COMPANIONS_MAX + 1] = {{.address = g->device.address}};
	struct bind_request q = {
		.targets = targets, .target_count = 1, .survey = true, .access = BIND_ACCESS_NONE};
	struct bind_env env = bind_env_live();
	struct bind_plan plan = BIND_PLAN_NONE;

	env.host = h;
	for (size_t i = 0; i < g->companion_count; i++)
		targets[q.target_count++].address = g->companions[i].device.address;
	int r = bind_plan(&env, &q, &plan, e);
	for (size_t i = 0; r == 0 && i < plan.group_count; i++)
		for (size_t k = 0; k < plan.groups[i].count; k++)
			if (plan.groups[i].members[k].act != BIND_ACT_STAYS)
				member_add(g, h, &plan.groups[i].members[k].device);
	bind_plan_fini(&plan);
	return r;
}

/* "MemTotal:  16384 kB". Return: false if it is not there. */
static bool meminfo_read(const char *text, const char *name, uint64_t *ret)
{
	const char *at = strstr(text, name);
	char number[24];

	if (!at)
		return false;
	at += strlen(name) + 1;
	at += strspn(at, " ");
	(void)snprintf(number, sizeof(number), "%.*s", (int)strspn(at, "0123456789"), at);
	return num_parse(number, 10, UINT64_MAX >> 20, ret) == 0;
}

/* Half of the host's memory, in huge pages: the guest's memory is pinned in any case. */
static void memory_read(struct guide *g, struct host *h)
{
	uint64_t all = 0, size = 2048;
	char *text = NULL;

	g->memory = MEMORY_DEFAULT;
	if (host_read_all(h, "/proc/meminfo", &text) > 0 && meminfo_read(text, "MemTotal", &all)) {
		g->knows_memory = true;
		g->memory = all / 2 / MIB(1);
		g->memory = g->memory > MEMORY_MAX ? MEMORY_MAX : g->memory;
		g->memory = g->memory < 1 ? 1 : g->memory;
		(void)meminfo_read(text, "Hugepagesize", &size);
		(void)meminfo_read(text, "HugePages_Total", &g->pages_total);
		(void)meminfo_read(text, "HugePages_Free", &g->pages_free);
	}
	if (g->is_display && size)
		g->pages_wanted = g->memory * MIB(1) / size;
	free(text);
}

/* "0-3,8-11" as numbers, ascending. Return: how many. */
static size_t cpu_list_parse(const char *text, unsigned *ret)
{
	size_t count = 0;
	unsigned first, last;
	int end;

	while (sscanf(text, "%u%n", &first, &end) == 1) {
		text += end;
		last = first;
		if (*text == '-' && sscanf(text + 1, "%u%n", &last, &end) == 1)
			text += 1 + end;
		for (unsigned i = first; i <= last && count < CPU_COUNT; i++)
			ret[count++] = i;
		if (*text++ != ',')
			break;
	}
	return count;
}

static void cpu_list_print(const unsigned *cpus, size_t count, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < count && used < size; i++) {
		size_t last = i;
		while (last + 1 < count && cpus[last + 1] == cpus[last] + 1)
			last++;
		used += (size_t)snprintf(buf + used, size - used, "%s%u", i ? "," : "", cpus[i]);
		if (last > i && used < size)
			used += (size_t)snprintf(buf + used, size - used, "-%u", cpus[last]);
		i = last;
	}
}

/*
 * Processors near the device, of which the host keeps two. @list: "" if they are not known.
 */
static void cpus_read(struct guide *g, struct host *h, char *list, size_t size)
{
	static unsigned cpus[CPU_COUNT];
	char path[FILE_PATH_MAX], text[512];

	list[0] = '\0';
	g->cpus = CPUS_DEFAULT;
	if (pci_device_path(g->device.address, "local_cpulist", path, sizeof(path)) < 0 ||
		host_read_text(h, path, text, sizeof(text)) < 0)
		return;
	const size_t count = cpu_list_parse(text, cpus);
	if (!count)
		return;
	size_t wanted = count > 4 ? count - 2 : count > 1 ? count / 2 : 1;
	wanted = wanted > CPUS_MAX ? CPUS_MAX : wanted;
	g->cpus = (unsigned)wanted;
	if (count > wanted)
		cpu_list_print(cpus + count - wanted, wanted, list, size);
}

/* The rule about ROMs knows whether the device's own is of use. */
static bool rom_is_needed(const struct guide *g)
{
	for (size_t i = 0; i < g->report->count; i++)
		if (strcmp(g->report->list[i].rule->name, "rom") == 0 &&
			g->report->list[i].severity == CHECK_WARN)
			return true;
	return false;
}

static void devices_add(struct guide *g)
{
	char text[PCI_ADDRESS_TEXT];

	word_add(g, "--device");
	word_add(g, "%s%s", pci_address_format(g->device.address, text),
		g->needs_rom ? ",rom=card.rom" : "");
	for (size_t i = 0; i < g->companion_count; i++) {
		if (!g->companions[i].in_slot)
			continue;
		word_add(g, "--device");
		word_add(g, "%s", pci_address_format(g->companions[i].device.address, text));
	}
}

/* "host-phys-bits-limit=39" of the rule about the IOMMU's width; "": it has none. */
static const char *width_find(const struct guide *g, char *buf, size_t size)
{
	static const char key[] = "host-phys-bits-limit=";

	buf[0] = '\0';
	for (size_t i = 0; i < g->report->count; i++) {
		const char *at = strstr(g->report->list[i].fix, key);
		if (!at)
			continue;
		const size_t digits = strspn(at + sizeof(key) - 1, "0123456789");
		(void)snprintf(buf, size, ",%.*s", (int)(sizeof(key) - 1 + digits), at);
	}
	return buf;
}

/* For QEMU itself. */
static void own_words_add(struct guide *g)
{
	char width[48];

	(void)width_find(g, width, sizeof(width));
	if (!g->windows && (!width[0] || !g->is_display))
		return;
	word_add(g, "--");
	word_add(g, "-cpu");
	word_add(g, "%s%s", g->windows ? HYPERV : "host", width);
	if (!g->windows)
		return;
	word_add(g, "-rtc");
	word_add(g, "base=localtime");
}

/* QEMU's threads inherit the processors of its keeper. */
static void command_add(struct guide *g, const char *list)
{
	if (list[0]) {
		word_add(g, "taskset");
		word_add(g, "-c");
		word_add(g, "%s", list);
	}
	word_add(g, "usher");
	word_add(g, "run");
	if (g->windows || g->is_display) {
		word_add(g, "--engine=qemu");
		word_add(g, "--firmware");
		word_add(g, "%s", g->windows ? "uefi-secure" : "uefi");
	}
	if (g->windows)
		word_add(g, "--tpm");
	word_add(g, "--name");
	word_add(g, "%s", g->windows ? "windows" : "linux");
	word_add(g, "--memory");
	word_add(g, "%" PRIu64 "G", g->memory);
	if (g->pages_wanted)
		word_add(g, "--hugepages");
	word_add(g, "--cpus");
	word_add(g, "%u", g->cpus);
	devices_add(g);
	word_add(g, "--disk");
	word_add(g, "%s", g->windows ? "windows.img" : "linux.img");
	own_words_add(g);
}

static int guide_fill(struct guide *g, const struct arguments *a, struct host *h,
	struct check_report *report, struct err *e)
{
	struct pci_address named[GUIDE_COMPANIONS_MAX + 1] = {g->device.address};
	struct check_request q = {.addresses = named, .address_count = 1};
	char list[256];

	g->is_display = g->device.class >> 16 == CLASS_DISPLAY;
	g->windows = a->system == SYSTEM_WINDOWS || (a->system == SYSTEM_BEST && g->is_display);
	functions_read(g, h);
	for (size_t i = 0; i < g->companion_count; i++)
		named[q.address_count++] = g->companions[i].device.address;
	int r = members_read(g, h, e);
	if (r < 0)
		return r;
	r = check_run(h, &q, report, e);
	if (r < 0)
		return r;
	g->report = report;
	g->needs_rom = rom_is_needed(g);
	memory_read(g, h);
	cpus_read(g, h, list, sizeof(list));
	const struct check_verdict *v = guide_verdict(g);
	if (!v || v->kind != CHECK_CANNOT)
		command_add(g, list);
	return 0;
}

static int guide_print(const struct guide *g, const struct arguments *a, struct err *e)
{
	if (a->words.json)
		return guide_json(g, e);
	struct names *names = a->words.numeric ? NULL : names_new();
	guide_text(g, names);
	names_free(names);
	return 0;
}

static int guide_make(struct guide *g, const struct arguments *a, const struct operands *o,
	struct check_report *report, struct err *e)
{
	int r = pci_device_peek(o->host, o->addresses[0], &g->device, e);
	if (r < 0)
		return r;
	r = guide_fill(g, a, o->host, report, e);
	return r < 0 ? r : guide_print(g, a, e);
}

/* Return: LEAVE_*. */
static int guide_device(void *arg, const struct operands *o)
{
	const struct arguments *a = arg;
	struct guide *g = calloc(1, sizeof(*g));
	struct check_report report = {0};
	struct err e = {0};

	if (!g) {
		(void)err_set(&e, -ENOMEM, "guide");
		return report_outcome(-ENOMEM, false, &e);
	}
	int r = guide_make(g, a, o, &report, &e);
	const struct check_verdict *v = r == 0 ? guide_verdict(g) : NULL;
	const bool refused = v && v->kind != CHECK_LENDABLE;
	check_report_fini(&report);
	free(g);
	if (r < 0)
		return report_outcome(r, false, &e);
	return refused ? LEAVE_REFUSED : LEAVE_OK;
}

enum { SYSTEM = 1 };

static int take_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	if (c != SYSTEM) {
		operand_option(&a->words, c, text);
		return 0;
	}
	if (strcmp(text, "windows") != 0 && strcmp(text, "linux") != 0)
		return option_wrong(a->verb, "--system: '%s' is neither windows nor linux", text);
	a->system = strcmp(text, "windows") == 0 ? SYSTEM_WINDOWS : SYSTEM_LINUX;
	return 0;
}

static int guide_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"system", required_argument, NULL, SYSTEM},
		{"numeric", no_argument, NULL, OPERAND_NUMERIC},
		{"json", no_argument, NULL, OPERAND_JSON},
		{"host", required_argument, NULL, OPERAND_HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "n"};
	struct arguments a = {.verb = v};

	int r = options_take(&o, take_option, &a);
	if (r)
		return option_leave(r);
	if (argc - optind != 1)
		return option_wrong(v, "one DEVICE is needed");
	return operand_show(v, a.words.host, argv[optind], guide_device, &a);
}

const struct verb verb_guide = {
	.name = "guide",
	.summary = "tell how to run a guest with a device, as a command to copy",
	.help = "guide DEVICE [OPTION…]\n"
		"\n"
		"Prints what goes with a device, what is in the way of a guest with it, what to\n"
		"prepare, and the command that runs the guest: with all functions of its card, a\n"
		"file in place of a ROM that cannot be used, huge pages, and processors near the\n"
		"device. Changes nothing.\n"
		"\n"
		"      --system NAME      what the guest is to run: windows, by QEMU with UEFI,\n"
		"                         Secure Boot and a TPM; or linux (default: windows for a\n"
		"                         graphics card, linux for another device)\n"
		"  -n, --numeric          show ids instead of names\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        read a snapshot of a host instead of this host\n"
		"\n"
		"Exit status: 0 the device can be lent; 1 it could not be read; 2 wrong command\n"
		"line; 3 it cannot be lent as it is.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher guide 0000:01:00.0\n",
	.run = guide_run,
};
