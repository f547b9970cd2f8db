/* SPDX-License-Identifier: MIT */
#include "engine/fit/rom.h"

#include "base/clean.h"
#include "base/file.h"
#include "bind/problem.h"
#include "engine/files.h"
#include "pci/device.h"
#include "pci/romcheck.h"
#include "pci/romfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The file that the guest will get, where it is open already: a path may lead to another one. */
static int rom_bytes_read(const struct guest_spec *s, size_t i, uint8_t **ret, size_t *ret_size)
{
	int fd = s->files ? s->files->roms[i] : -1;

	return fd >= 0 ? pci_rom_file_read(fd, ret, ret_size, NULL)
		       : pci_rom_file_load(s->devices[i].rom, ret, ret_size, NULL);
}

static int refuse_rom(const struct guest_device *g, const struct pci_rom_findings *s,
	const struct bind_request *q, struct bind_plan *p)
{
	char address[PCI_ADDRESS_TEXT], file[128], fix[320];
	size_t i = 0;

	while (s->list[i].grade != PCI_ROM_FAILS)
		i++;
	pci_address_format(g->address, address);
	file_escape(file, sizeof(file), g->rom);
	(void)snprintf(fix, sizeof(fix), "%s", s->list[i].fix);
	if (!fix[0])
		(void)snprintf(fix, sizeof(fix), "usher rom %s --from '%s'", address, file);
	const struct problem_kind kind = {"rom", PROBLEM_LIFTABLE, fix};
	return bind_problem_add(p, q, &kind, address, "rom=%s: %s", file, s->list[i].text);
}

static int check_file(struct host *h, const struct guest_spec *s, size_t i,
	const struct bind_request *q, struct bind_plan *p)
{
	const struct guest_device *g = &s->devices[i];
	cleanup_free struct pci_rom_findings *found = calloc(1, sizeof(*found));
	cleanup_free uint8_t *data = NULL;
	struct pci_device d;
	struct pci_rom rom;
	size_t size;

	if (!found)
		return -ENOMEM;
	if (pci_device_peek(h, g->address, &d, NULL) < 0 || rom_bytes_read(s, i, &data, &size) < 0)
		return 0;
	pci_rom_parse(data, size, &rom);
	pci_rom_check(&rom, PCI_ROM_FILE, g->rom, &d, found);
	return found->failures ? refuse_rom(g, found, q, p) : 0;
}

int rom_check(struct host *h, const struct guest_spec *s, const struct bind_request *q,
	struct bind_plan *p)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->device_count; i++)
		if (s->devices[i].rom[0])
			r = check_file(h, s, i, q, p);
	return r;
}
