/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/output.h"
#include "bind/problem.h"
#include "bind/romread.h"
#include "cli/change.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "pci/romfile.h"
#include "view/names.h"
#include "view/rom.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum from { FROM_BEST, FROM_BAR, FROM_ACPI, FROM_FILE };

struct arguments {
	const struct verb *verb;
	struct operand_words words;
	const char *file, *save;
	enum from from;
	const char *allow[2];
	size_t allow_count;
	bool to_stdout; /* FILE is "-": nothing else is printed there */
};

/* The facts, and the bytes that they are about. */
struct rom_work {
	const struct arguments *a;
	struct host *host;
	struct rom_facts facts;
	struct bind_rom read; /* of the device; or @table, or @bytes */
	char *table;
	uint8_t *bytes;
	const uint8_t *data;
	size_t size;
};

static int rom_leave(struct rom_work *w, int r, const struct err *e)
{
	bool refused = r < 0 && w->read.says.refusals;

	report_problems(&w->read.says);
	if (r < 0)
		return report_outcome(r, refused, e);
	return w->facts.has_rom && w->facts.findings.failures ? LEAVE_FAILED : LEAVE_OK;
}

static void work_fini(struct rom_work *w)
{
	bind_rom_fini(&w->read);
	free(w->table);
	free(w->bytes);
}

/* The table is one page or more, and only root may read it. */
static struct pci_vfct vfct_read(struct rom_work *w)
{
	struct pci_vfct found = {0};

	ssize_t n = w->facts.places.has_vfct ? host_read_all(w->host, PCI_VFCT_PATH, &w->table)
					     : -ENOENT;
	/* A snapshot knows that the table exists, and has none of its content. */
	w->facts.vfct_error = n < 0 ? (int)n : n ? 0 : -ENODATA;
	if (n <= 0)
		return found;
	pci_vfct_find((const uint8_t *)w->table, (size_t)n, &w->facts.device, &found);
	w->facts.vfct = found.match;
	return found;
}

static void take_data(
	struct rom_work *w, enum pci_rom_source source, const uint8_t *data, size_t size)
{
	w->data = data;
	w->size = size;
	w->facts.has_rom = true;
	w->facts.source = source;
}

static int read_bar(struct rom_work *w, struct err *e)
{
	const struct bind_env env = bind_env_live();
	const struct bind_target target = {.address = w->facts.device.address};
	const struct bind_request q = {.targets = &target,
		.target_count = 1,
		.allow = w->a->allow,
		.allow_count = w->a->allow_count};

	change_begin();
	int r = bind_rom_read(&env, &q, &w->read, e);
	if (r < 0)
		return r;
	w->facts.was_asleep = w->read.was_asleep;
	take_data(w, w->facts.places.is_shadow ? PCI_ROM_SHADOW : PCI_ROM_BAR, w->read.data,
		w->read.size);
	return 0;
}

static int read_acpi(struct rom_work *w, const struct pci_vfct *found, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];

	pci_address_format(w->facts.device.address, address);
	if (w->facts.vfct_error == -ENOENT)
		return err_say(e, -ENOENT, "%s: the firmware has no ACPI table VFCT", address);
	if (w->facts.vfct_error) {
		err_set(e, w->facts.vfct_error, "%s: read %s", address, PCI_VFCT_PATH);
		if (w->facts.vfct_error == -EACCES)
			err_hint(e, "run as root");
		return w->facts.vfct_error;
	}
	if (found->match == PCI_VFCT_BAD)
		return err_say(e, -EBADMSG, "%s: is not a valid table", PCI_VFCT_PATH);
	if (found->match == PCI_VFCT_NONE)
		return err_say(e, -ENOENT, "%s: the ACPI table VFCT has %s", address,
			found->image_count ? "video BIOSes of other devices only"
					   : "no video BIOS");
	take_data(w, PCI_ROM_ACPI, found->data, found->size);
	return 0;
}

static int read_file(struct rom_work *w, struct err *e)
{
	int r = pci_rom_file_load(w->a->file, &w->bytes, &w->size, e);

	if (r < 0)
		return r;
	w->facts.file = w->a->file;
	take_data(w, PCI_ROM_FILE, w->bytes, w->size);
	return 0;
}

/*
 * The device's own ROM is as it left the factory; the firmware's table may be the only place of
 * one; and the shadowed copy has run.
 */
static int read_best(struct rom_work *w, const struct pci_vfct *found, struct err *e)
{
	const struct pci_rom_places *p = &w->facts.places;
	bool has_acpi = !w->facts.vfct_error && found->data;

	if (has_acpi && (!p->has_bar || p->is_shadow))
		return read_acpi(w, found, e);
	if (w->a->words.host) {
		report_note("a snapshot has no ROM; --from FILE checks a file against its device");
		return 0;
	}
	int r = read_bar(w, e);
	if (r == 0 || !has_acpi || r == -ETIMEDOUT)
		return r;
	/* What the device refuses, the firmware has handed over. */
	bind_rom_fini(&w->read);
	*e = (struct err){0};
	return read_acpi(w, found, e);
}

static int rom_read(struct rom_work *w, struct err *e)
{
	struct pci_vfct found = vfct_read(w);

	switch (w->a->from) {
	case FROM_BAR:
		return read_bar(w, e);
	case FROM_ACPI:
		return read_acpi(w, &found, e);
	case FROM_FILE:
		return read_file(w, e);
	case FROM_BEST:
		break;
	}
	return read_best(w, &found, e);
}

static void rom_judge(struct rom_work *w)
{
	struct rom_facts *f = &w->facts;

	pci_rom_parse(w->data, w->size, &f->rom);
	pci_rom_check(&f->rom, f->source, f->file, &f->device, &f->findings);
}

/* usherd runs this for another user, whose memory is at that descriptor: root opens no file. */
static int rom_write(const struct rom_work *w, struct err *e)
{
	const char *text = getenv("USHER_FILE_FD");
	uint64_t fd;

	if (w->a->to_stdout) {
		int r = fd_write_full(STDOUT_FILENO, w->data, w->size);
		return r < 0 ? err_set(e, r, "write the ROM to standard output") : 0;
	}
	if (!text)
		return output_write("ROM", w->a->save, w->data, w->size, 0644, e);
	int r = num_parse(text, 10, INT_MAX, &fd);
	if (r >= 0)
		r = fd_write_full((int)fd, w->data, w->size);
	return r < 0 ? err_set(e, r, "write ROM '%s'", w->a->save) : 0;
}

/* Writes the ROM without what a tool has put in front of it, and without the filler behind. */
static int rom_save(struct rom_work *w, struct err *e)
{
	struct rom_facts *f = &w->facts;
	char address[PCI_ADDRESS_TEXT];

	take_data(w, f->source, w->data + f->rom.start, f->rom.used - f->rom.start);
	rom_judge(w);
	if (f->findings.failures && !bind_allows(w->a->allow, w->a->allow_count, "rom")) {
		err_say(e, -EPERM, "%s: the ROM is wrong, and was not saved",
			pci_address_format(f->device.address, address));
		err_hint(e, "--allow=rom saves it as it is");
		return -EPERM;
	}
	if (w->a->to_stdout && !fd_takes_output(STDOUT_FILENO))
		return err_set(e, -EBADF, "write to standard output");
	int r = rom_write(w, e);
	if (r < 0)
		return r;
	f->saved = w->a->save;
	f->saved_size = w->size;
	return 0;
}

static int rom_print(struct rom_work *w, struct err *e)
{
	int r = 0;

	if (w->a->to_stdout)
		return 0;
	struct names *names = w->a->words.numeric ? NULL : names_new();
	if (w->a->words.json)
		r = rom_json(&w->facts, names, e);
	else
		rom_text(&w->facts, names);
	names_free(names);
	return r;
}

/* What there is, is printed also where it cannot be read or saved. */
static int rom_device(void *arg, const struct operands *o)
{
	const struct arguments *a = arg;
	struct rom_work *w = calloc(1, sizeof(*w));
	struct err e = {0}, why = {0};

	if (!w) {
		(void)err_set(&e, -ENOMEM, "rom");
		report(&e);
		return LEAVE_FAILED;
	}
	w->a = a;
	w->host = o->host;
	int r = pci_device_peek(o->host, o->addresses[0], &w->facts.device, &e);
	if (r < 0) {
		free(w);
		return report_outcome(r, false, &e);
	}
	pci_rom_places_read(o->host, o->addresses[0], &w->facts.places);
	r = rom_read(w, &e);
	if (r == 0 && w->facts.has_rom) {
		rom_judge(w);
		r = a->save ? rom_save(w, &e) : 0;
	}
	int printed = rom_print(w, &why);
	if (printed < 0 && r == 0) {
		r = printed;
		e = why;
	}
	int leave = rom_leave(w, r, &e);
	work_fini(w);
	free(w);
	return leave;
}

enum { FROM = 1, ALLOW };

static int take_allow(struct arguments *a, const char *text)
{
	if (strcmp(text, "driver") != 0 && strcmp(text, "rom") != 0)
		return option_wrong(a->verb, "--allow: '%s' is neither driver nor rom", text);
	if (a->allow_count < COUNT(a->allow))
		a->allow[a->allow_count++] = text;
	return 0;
}

static void take_from(struct arguments *a, const char *text)
{
	a->from = strcmp(text, "bar") == 0    ? FROM_BAR
		  : strcmp(text, "acpi") == 0 ? FROM_ACPI
					      : FROM_FILE;
	a->file = a->from == FROM_FILE ? text : NULL;
}

static int take_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	if (c == ALLOW)
		return take_allow(a, text);
	if (c == FROM)
		take_from(a, text);
	else
		operand_option(&a->words, c, text);
	return 0;
}

/* @count: of the operands @words. */
static int words_check(struct arguments *a, int count, char **words)
{
	if (count < 1 || count > 2)
		return option_wrong(a->verb, "one DEVICE and at most one FILE are needed");
	if (a->words.host && a->from == FROM_BAR)
		return option_wrong(a->verb, "--host: a snapshot has no ROM: leave out --from bar");
	a->save = count == 2 ? words[1] : NULL;
	a->to_stdout = a->save && strcmp(a->save, "-") == 0;
	if (a->to_stdout && a->words.json)
		return option_wrong(
			a->verb, "--json and the ROM cannot both go to standard output");
	return 0;
}

static int rom_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"from", required_argument, NULL, FROM},
		{"allow", required_argument, NULL, ALLOW},
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
	r = words_check(&a, argc - optind, argv + optind);
	return r ? r : operand_show(v, a.words.host, argv[optind], rom_device, &a);
}

const struct verb verb_rom = {
	.name = "rom",
	.summary = "check a device's ROM (video BIOS), and save it to a file",
	.help = "rom DEVICE [FILE] [OPTION…]\n"
		"\n"
		"Reads the expansion ROM of a device and checks its signature, structure, length,\n"
		"ids and checksum, and whether it has a part for UEFI firmware (OVMF) and one for\n"
		"a BIOS (SeaBIOS). With FILE (- for standard output), saves it for\n"
		"'usher run --device DEVICE,rom=FILE' and QEMU's romfile=. Wakes the device for\n"
		"the read. Refuses a device that a driver or a guest uses, because its accesses\n"
		"may fail meanwhile.\n"
		"\n"
		"      --from SOURCE      bar, the device's ROM BAR; acpi, the video BIOS that\n"
		"                         the firmware has handed over (VFCT, for AMD graphics);\n"
		"                         or the name of a file (default: the best that there is)\n"
		"      --allow CHECK      driver: read although a driver uses the device; rom:\n"
		"                         save a ROM that is wrong; may be repeated\n"
		"  -n, --numeric          show ids instead of names\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        read a snapshot of a host instead of this host\n"
		"\n"
		"Exit status: 0 the ROM is right; 1 it is wrong, or could not be read; 2 wrong\n"
		"command line; 3 refused.\n"
		"\n"
		"Examples: save the ROM of a graphics card. Check a file, and cut off the header\n"
		"that GPU-Z or nvflash has put in front of it.\n"
		"\n"
		"  usher rom 0000:01:00.0 card.rom\n"
		"  usher rom 0000:01:00.0 cut.rom --from dump.rom\n",
	.run = rom_run,
};
