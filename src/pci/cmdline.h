/* SPDX-License-Identifier: MIT */
#ifndef PCI_CMDLINE_H
#define PCI_CMDLINE_H

#include "pci/alias.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * Writes a kernel's command line to @out and replaces each word that is not known to be harmless.
 * Known words stay; of some only the key stays ("root=word-1a2b3c4d"); all others become
 * "word-1a2b3c4d". Quotes and blanks stay, so that a boot loader's line keeps its form.
 */
void cmdline_redact(const uint8_t key[ALIAS_KEY], const char *text, size_t len, FILE *out);

/* Whether a line of a boot loader's file holds a command line, as "options …", "linux …" do. */
bool cmdline_is_option(const char *line);

#endif
