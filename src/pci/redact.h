/* SPDX-License-Identifier: MIT */
#ifndef PCI_REDACT_H
#define PCI_REDACT_H

#include "host/manifest.h"
#include "pci/alias.h"

#define REDACT_KEY ALIAS_KEY /* [bytes] random, for one snapshot only */

/*
 * Removes private data from a snapshot: serial numbers, MAC addresses, UUIDs, names of users, the
 * environment (but for the SSH session's address), and words of the kernel's command line that are
 * not known to be harmless, there and in the files of boot loaders. Equal values stay equal. Of the
 * kernel's log, of lists of modules and of libvirt's domains only the lines stay that usher looks
 * for.
 * @key: REDACT_KEY random bytes; NULL: removes only the environment, which may hold anything.
 * Return: 0, -ENOMEM.
 */
int manifest_redact(struct manifest *m, const uint8_t *key);

#endif
