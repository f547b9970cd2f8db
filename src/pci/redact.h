/* SPDX-License-Identifier: MIT */
#ifndef PCI_REDACT_H
#define PCI_REDACT_H

#include "host/manifest.h"
#include "pci/alias.h"

#define REDACT_KEY ALIAS_KEY /* [bytes] random, for one snapshot only */

/*
 * Takes out of a snapshot what is nobody's business: serial numbers, MAC addresses, UUIDs, names of
 * users, the environment but for the SSH session's address, and words of a kernel's command line
 * that are not known to be harmless, here and in the files that boot loaders have it in. What was
 * equal stays equal. Of the kernel's log and its lists of modules only what usher looks for stays.
 * @key: REDACT_KEY random bytes; NULL: only the environment is taken out, which may hold anything.
 * Return: 0, -ENOMEM.
 */
int manifest_redact(struct manifest *m, const uint8_t *key);

#endif
