/* SPDX-License-Identifier: MIT */
#ifndef VIEW_ROM_H
#define VIEW_ROM_H

#include "pci/device.h"
#include "pci/romcheck.h"
#include "pci/romplace.h"
#include "pci/vfct.h"

struct err;
struct names;

/* The ROM of a device: where the host has it, and what is in the one that was read. */
struct rom_facts {
	struct pci_device device;
	struct pci_rom_places places;
	enum pci_vfct_match vfct; /* of the table, if @vfct_error is 0 */
	int vfct_error; /* -errno; -ENOENT: there is no table */
	bool has_rom; /* one was read: what follows is set */
	enum pci_rom_source source;
	const char *file; /* of PCI_ROM_FILE; else NULL */
	bool was_asleep; /* usher woke the device */
	struct pci_rom rom;
	struct pci_rom_findings findings;
	const char *saved; /* the file that usher has written; NULL: none */
	size_t saved_size; /* [bytes] */
};

/* Writers, on standard output. */
void rom_text(const struct rom_facts *f, struct names *names);
/* Return: 0, -ENOMEM, -ENOPKG. */
int rom_json(const struct rom_facts *f, struct names *names, struct err *e);

#endif
