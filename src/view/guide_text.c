/* SPDX-License-Identifier: MIT */
#include "view/guide.h"
#include "view/names.h"
#include "view/wrap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_WIDTH 88 /* [columns] of the command: it is to be copied as it stands */

/* A sentence with its number. */
static void step_put(unsigned *number, const char *text)
{
	char line[1024];

	(void)snprintf(line, sizeof(line), "  %u. %s", ++*number, text);
	wrap_put(stdout, wrap_width(), 5, line);
}

static void device_put(const struct pci_device *d, struct names *names)
{
	char address[PCI_ADDRESS_TEXT], text[2 * NAMES_TEXT] = "";

	pci_address_format(d->address, address);
	if (names)
		names_both(names, d, text, sizeof(text));
	(void)printf("%s [%04x:%04x]%s%s", address, d->vendor, d->device, text[0] ? " " : "", text);
}

static void companions_put(const struct guide *g, struct names *names)
{
	if (g->companion_count)
		(void)printf("\nGoes with it:\n");
	for (size_t i = 0; i < g->companion_count; i++) {
		(void)printf("  ");
		device_put(&g->companions[i].device, names);
		(void)printf(": %s\n", g->companions[i].in_slot ? "a function of the same card"
								: "of the same IOMMU group");
	}
}

static void verdict_put(const struct guide *g)
{
	static const char *const words[] = {
		[CHECK_LENDABLE] = "It can be lent.",
		[CHECK_STEP] = "It can be lent after a step: ",
		[CHECK_CANNOT] = "It cannot be lent: ",
		[CHECK_UNKNOWN] = "Only root sees whether it can be lent: ",
	};
	const struct check_verdict *v = guide_verdict(g);
	char line[1024];

	if (!v)
		return;
	(void)snprintf(line, sizeof(line), "%s%s", words[v->kind],
		v->kind == CHECK_LENDABLE ? "" : v->text);
	wrap_put(stdout, wrap_width(), 2, line);
}

static void findings_put(const struct guide *g)
{
	unsigned number = 0;
	char line[1024];

	for (size_t i = 0; i < g->report->count; i++) {
		const struct check_finding *f = &g->report->list[i];
		if (!guide_shows(g, f))
			continue;
		if (!number)
			(void)printf("\nIn the way, or worth a look first:\n");
		(void)snprintf(
			line, sizeof(line), "%s: %s [%s]", f->object, f->text, f->rule->name);
		step_put(&number, line);
		if (!f->fix[0])
			continue;
		(void)snprintf(line, sizeof(line), "     hint: %s", f->fix);
		wrap_put(stdout, wrap_width(), 11, line);
	}
}

static void rom_put(const struct guide *g, unsigned *number)
{
	if (g->needs_rom)
		step_put(number,
			"Put the ROM of this very card into card.rom, as the hint of [rom] above "
			"says.");
}

static void pages_put(const struct guide *g, unsigned *number)
{
	const uint64_t used = g->pages_total > g->pages_free ? g->pages_total - g->pages_free : 0;
	char line[256];

	if (!g->pages_wanted || g->pages_wanted <= g->pages_free)
		return;
	int n = snprintf(line, sizeof(line),
		"Reserve huge pages, best soon after boot: echo %" PRIu64
		" >/proc/sys/vm/nr_hugepages",
		g->pages_wanted + used);
	if (g->knows_memory)
		(void)snprintf(line + n, sizeof(line) - (size_t)n, " (%" PRIu64 " are free)",
			g->pages_free);
	step_put(number, line);
}

static void preparations_put(const struct guide *g)
{
	unsigned number = 0;

	(void)printf("\nPrepare:\n");
	if (!g->knows_memory)
		step_put(&number,
			"Choose the guest's memory: the size below is a guess, because the "
			"host's is not known here.");
	rom_put(g, &number);
	pages_put(g, &number);
	if (!g->windows) {
		step_put(&number, "Have a disk with a system, as linux.img.");
		return;
	}
	step_put(&number, "Install OVMF, which is UEFI for guests, and swtpm, their TPM.");
	step_put(&number, "Make a disk: usher image create windows.img 64G");
	step_put(&number,
		"For the installation, add behind the last word: -drive "
		"file=/srv/windows.iso,media=cdrom,readonly=on -drive "
		"file=/srv/virtio-win.iso,media=cdrom,readonly=on. Everyone must be able to read "
		"these files. Windows finds the disk when it has loaded viostor from the second "
		"one. Add --display vnc before the --, unless the card has a screen.");
}

/* A word that a shell would take apart is quoted. */
static size_t word_put(const char *word)
{
	const bool plain = word[strcspn(word, " '\"$`\\;&|<>()*?[]{}~#!")] == '\0' && word[0];

	return (size_t)printf(plain ? "%s" : "'%s'", word);
}

/* An option starts a line when its value would not fit. */
static void command_put(const struct guide *g)
{
	size_t column = 2;

	(void)printf("\nRun:\n  ");
	for (size_t i = 0; i < g->word_count; i++) {
		const char *next = i + 1 < g->word_count ? g->words[i + 1] : "";
		const size_t len = strlen(g->words[i]) + 1 + (next[0] != '-' ? strlen(next) : 0);
		if (i && g->words[i][0] == '-' && column + len > LINE_WIDTH) {
			(void)printf("\\\n      ");
			column = 6;
		}
		column += word_put(g->words[i]);
		column += (size_t)printf("%s", i + 1 < g->word_count ? " " : "\n");
	}
}

static void end_put(const struct guide *g)
{
	unsigned number = 0;

	(void)printf("\nThen:\n");
	step_put(&number, "The devices go back to their drivers when the guest ends, in whatever "
			  "way. If usher itself is killed: usher restore");
	if (g->windows)
		step_put(&number, "Its firmware's variables and its TPM stay in "
				  "/var/lib/usher/guest/windows; keep them with the disk.");
	step_put(&number,
		"With --plan, the command prints what a run would do. With --save NAME, it "
		"saves the guest for 'usher start NAME'.");
}

void guide_text(const struct guide *g, struct names *names)
{
	device_put(&g->device, names);
	(void)printf(" for a guest with %s\n", g->windows ? "Windows" : "Linux");
	verdict_put(g);
	companions_put(g, names);
	findings_put(g);
	if (!g->word_count)
		return;
	preparations_put(g);
	command_put(g);
	end_put(g);
}
