/* SPDX-License-Identifier: MIT */
#ifndef VIEW_NAMES_H
#define VIEW_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct names;
struct pci_device;

#define NAMES_TEXT 128

/*
 * Names of vendors and devices. From udev's hardware database (libudev, loaded here: a mapped trie,
 * nothing to parse), else from a pci.ids file, else ids are shown. Never fails; every function
 * accepts NULL, which means no names.
 */
struct names *names_new(void);
struct names *names_from_ids(const char *path); /* pci.ids only; NULL when it cannot be read */
void names_free(struct names *n);

/* Escaped; "" if the name is not known. */
void names_vendor(struct names *n, const struct pci_device *d, char buf[NAMES_TEXT]);
void names_device(struct names *n, const struct pci_device *d, char buf[NAMES_TEXT]);

/* "NVIDIA Corporation GA104 [GeForce RTX 3070]"; ids for what has no name: "10de:2484". */
void names_both(struct names *n, const struct pci_device *d, char *buf, size_t size);

#endif
