/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ATTACH_H
#define ENGINE_ATTACH_H

#include "pci/address.h"

#include <stddef.h>

struct engine_run;
struct err;

/* A function of a card. The keeper has its group and has opened it. */
struct attach_function {
	struct pci_address address;
	int device; /* descriptor of the VFIO device; stays the caller's */
	int group; /* number of its VFIO group */
};

/*
 * Attaches the functions of one card (function 0 first) to the guest that usher-vmm runs. They are
 * attached to the I/O address space @ioas, which has to be that of the guest's other devices.
 * Waits for the answer of usher-vmm, @timeout_ms at most, and serves its calls meanwhile.
 * Return: 0; -ETIMEDOUT no answer came, and usher-vmm may still attach the card; -EPIPE the guest
 * has ended; usher-vmm's -errno with its sentence: it has closed the descriptors.
 */
int engine_attach(struct engine_run *run, int ioas, const struct attach_function *functions,
	size_t count, int timeout_ms, struct err *e);

#endif
