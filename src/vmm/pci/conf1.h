/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_CONF1_H
#define VMM_PCI_CONF1_H

#include "vmm/bus.h"

struct err;
struct vm;

/*
 * Configuration mechanism 1, beside ECAM: software writes the address of a register to port 0xcf8
 * and accesses the register at 0xcfc. The reset control register of PCs is a byte at 0xcf9.
 *
 * Linux before 6.10 uses ECAM early only if it finds this pair; without it, the kernel says that no
 * configuration space can be accessed until ACPI has vouched for ECAM. Other systems know nothing
 * else. The price is an exit more for each register of the first 256 bytes: Linux prefers the pair.
 * Ref: PCI Local Bus 3.0, 3.2.2.3.2
 */
#define CONF1_ADDRESS 0xcf8
#define CONF1_DATA 0xcfc

struct pci_conf1 {
	struct bus_range address;
	struct bus_range data;
	uint32_t selected; /* atomic: what software wrote to CONF1_ADDRESS */
	struct vm *vm;
};

/* @vm has its PCI hierarchy. Return: 0, -errno. */
int conf1_init(struct pci_conf1 *c, struct vm *vm, struct err *e);

/* As after power-on. */
void conf1_reset(struct pci_conf1 *c);

#endif
