/* SPDX-License-Identifier: MIT */
#ifndef VIEW_GUIDE_H
#define VIEW_GUIDE_H

#include "check/check.h"
#include "pci/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct names;

/*
 * How to run a guest with one device: what goes with it, what is to be done first, and the command.
 */
#define GUIDE_COMPANIONS_MAX 32
#define GUIDE_WORDS_MAX 64

struct guide_companion {
	struct pci_device device;
	bool in_slot; /* a function of the same card; otherwise only of the same IOMMU group */
};

struct guide {
	struct pci_device device;
	bool windows; /* the guest is to run Windows; otherwise Linux */
	bool is_display;
	bool needs_rom; /* its own ROM cannot be used: a file is to replace it */
	size_t companion_count;
	struct guide_companion companions[GUIDE_COMPANIONS_MAX];
	const struct check_report *report; /* on the device and its companions */
	bool knows_memory; /* of the host; otherwise @memory is a guess */
	uint64_t memory; /* of the guest [GiB] */
	unsigned cpus;
	uint64_t pages_wanted; /* huge pages of the host; 0: the guest uses none */
	uint64_t pages_total, pages_free;
	size_t word_count; /* of the command */
	const char *words[GUIDE_WORDS_MAX];
	char text[4096]; /* of the words */
	size_t used;
};

/* The verdict on the device itself; NULL: the report has none. */
const struct check_verdict *guide_verdict(const struct guide *g);

/* Whether a finding belongs into the guide. */
bool guide_shows(const struct guide *g, const struct check_finding *f);

/* Writers, on standard output. */
void guide_text(const struct guide *g, struct names *names);
/* Return: 0, -ENOMEM, -ENOPKG. */
int guide_json(const struct guide *g, struct err *e);

#endif
