/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_MSI_H
#define VMM_PASS_MSI_H

#include "vmm/pci/vector.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_dev;

/*
 * MSI, with its whole capability emulated: address and data are the guest's, the device's are the
 * host's. Ref: PCI Local Bus 3.0 6.8.1.
 */
#define PASS_MSI_MAX 32

struct pass_msi {
	unsigned count; /* vectors that the guest may request, a power of two; 0: no MSI */
	unsigned on; /* vectors wanted of VFIO, or that it has, if those are fewer; 0: off */
	unsigned asked; /* while on: the guest requested these */
	uint8_t mask_off; /* of the mask bits, from the capability; 0: none */
	uint8_t data_off;
	uint8_t len; /* of control … mask bits, or data where there are none */
	uint8_t last[20]; /* their values that usher has acted on */
	struct func_vector vectors[PASS_MSI_MAX];
};

/* Emulates the capability, or hides it if VFIO has no MSI for the device. Return: 0. */
int pass_msi_init(struct pass_dev *d, struct err *e);
void pass_msi_fini(struct pass_dev *d);

/* Acts on the present values of the capability. */
void pass_msi_update(struct pass_dev *d);

/*
 * Computes the part of the pending register that a read of @size bytes at @off of configuration
 * space shows. Return: 0 if the read is of something else.
 */
uint32_t pass_msi_pending(const struct pass_dev *d, unsigned off, unsigned size);

/* Disables MSI, whatever the capability says. */
void pass_msi_stop(struct pass_dev *d);

/* Logs that @what failed with @r. */
void pass_msi_failed(struct pass_dev *d, const char *what, int r);

#endif
