/* SPDX-License-Identifier: MIT */
#ifndef CHECK_INTENT_H
#define CHECK_INTENT_H

#include <stdbool.h>

struct check_case;
struct pci_device;

enum intent_kind { INTENT_CMDLINE, INTENT_MODPROBE, INTENT_UNRAID };

/* The configuration by which vfio-pci is to bind a device at boot. */
struct intent {
	enum intent_kind kind;
	char ids[256]; /* the list; "" if the configuration names addresses */
	char file[160]; /* where it stands */
	char path[176]; /* likewise, with the line */
	char value[160]; /* what stands there */
};

/* Return: false if nothing names @d. */
bool intent_find(struct check_case *c, const struct pci_device *d, struct intent *ret);

#endif
