/* SPDX-License-Identifier: MIT */
#ifndef PCI_CAPABILITY_H
#define PCI_CAPABILITY_H

#include "pci/config.h"

#include <stdbool.h>

/*
 * The lists of capabilities in a configuration space. A device may hold any bytes there: a walk
 * ends at an offset outside its list's range, and at one that it has visited, so it always ends.
 */
enum pci_capability_kind { PCI_CAPABILITY_STANDARD, PCI_CAPABILITY_EXTENDED };

struct pci_capability {
	enum pci_capability_kind kind;
	uint16_t id; /* PCI_CAP_ID_*, PCI_EXT_CAP_ID_* */
	uint16_t offset; /* standard [0x40, 0xff], extended [0x100, 0xfff], both by dwords */
	uint8_t version; /* of extended ones; 0 */
};

/* The most that both lists can hold: one in each dword. */
#define PCI_CAPABILITY_MAX ((256 - 64) / 4 + (4096 - 256) / 4)

/* Walks both lists in the device's order and stores at most @max. Return: how many there are. */
size_t pci_capability_list(const struct pci_config *c, struct pci_capability *ret, size_t max);

/* Return: offset of the first capability with this id; 0: there is none. */
uint16_t pci_capability_find(
	const struct pci_config *c, enum pci_capability_kind kind, uint16_t id);

/* Return: "MSI-X", "Advanced Error Reporting"; NULL for an unknown id. */
const char *pci_capability_name(enum pci_capability_kind kind, uint16_t id);

/* MSI-X. Ref: PCI Express Base 7.7.2. */
struct pci_msix {
	uint16_t offset;
	uint16_t count; /* [1, 2048] vectors, 16 bytes each in the table */
	uint8_t table_bar; /* [0, 5] */
	uint8_t pba_bar; /* [0, 5] */
	uint32_t table_offset; /* [bytes] multiple of 8 */
	uint32_t table_size; /* [bytes] */
	uint32_t pba_offset; /* [bytes] multiple of 8 */
	uint32_t pba_size; /* [bytes] one bit for each vector, in whole qwords */
};

/* Return: 0, -ENOENT, -EINVAL for a BAR above 5. */
int pci_msix_read(const struct pci_config *c, struct pci_msix *ret);

/* MSI. Ref: PCI Express Base 7.7.1. */
struct pci_msi {
	uint16_t offset;
	uint8_t count; /* vectors it requests: 1, 2, 4, 8, 16 or 32 */
	uint8_t size; /* [bytes] of the whole capability: 10, 14, 20 or 24 */
	bool is_64;
	bool can_mask;
};

/* Return: 0, -ENOENT, -EINVAL for a reserved count. */
int pci_msi_read(const struct pci_config *c, struct pci_msi *ret);

/* PCI Express. Ref: PCI Express Base 7.5.3. */
struct pci_express {
	uint16_t offset;
	uint8_t version;
	uint8_t type; /* PCI_EXP_TYPE_* */
	uint8_t slot; /* number of the slot; 0: none */
	bool has_flr;
	uint8_t speed; /* of the link now: 1 is 2.5 GT/s, 2 is 5, 3 is 8, 4 is 16, 5 is 32 */
	uint8_t speed_max;
	uint8_t width; /* lanes now */
	uint8_t width_max;
};

/* Return: 0, -ENOENT: conventional PCI. */
int pci_express_read(const struct pci_config *c, struct pci_express *ret);

/* Return: "endpoint", "root port", …; "reserved" for a type without a name in the specification. */
const char *pci_express_type_name(uint8_t type);

/* Power management. Ref: PCI Bus Power Management 3.2. */
struct pci_power {
	uint16_t offset;
	uint8_t state; /* D0 … D3hot: [0, 3] */
	bool no_soft_reset; /* it keeps its state from D3hot to D0, so that is no reset */
};

/* Return: 0, -ENOENT. */
int pci_power_read(const struct pci_config *c, struct pci_power *ret);

/* Single Root I/O Virtualization of a physical function. Ref: PCI Express Base 9.3. */
struct pci_sriov {
	uint16_t offset;
	uint16_t total; /* the most virtual functions that it can have */
	uint16_t active; /* how many it has */
	uint16_t first; /* routing id of VF 0 minus the PF's */
	uint16_t stride; /* of routing ids from VF to VF */
	uint16_t device; /* device id of its virtual functions */
};

/* Return: 0, -ENOENT. */
int pci_sriov_read(const struct pci_config *c, struct pci_sriov *ret);

/* Whether it has function level reset, by PCI Express or by Advanced Features. */
bool pci_has_flr(const struct pci_config *c);

/* Reads the Device Serial Number. Return: 0, -ENOENT. */
int pci_serial_read(const struct pci_config *c, uint64_t *ret);

#endif
