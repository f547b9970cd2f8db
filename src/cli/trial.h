/* SPDX-License-Identifier: MIT */
#ifndef CLI_TRIAL_H
#define CLI_TRIAL_H

#include "pci/config.h"
#include "vfio/device.h"
#include "vfio/ioas.h"
#include "vfio/region.h"

#include <stdbool.h>

struct card;
struct err;
struct host;

/* A device under trial, opened through VFIO; each function writes its steps on the card. */
#define TRIAL_BARS 6

struct trial_bar {
	struct vfio_region region; /* size 0: not there */
	uint32_t first; /* what its first register read at the beginning */
};

struct trial {
	struct host *host;
	struct pci_address address;
	struct card *card;
	struct vfio_ioas ioas;
	struct vfio_dev device;
	struct vfio_region config;
	struct pci_config first; /* configuration space at the beginning, as the hardware has it */
	struct trial_bar bars[TRIAL_BARS];
};

/* Opens it: the kernel resets a device that is opened. Return: 0 and trial_close() is due, -errno. */
int trial_open(struct host *h, int group, struct pci_address a, struct card *card,
	struct trial *ret, struct err *e);
void trial_close(struct trial *t);

/* How configuration space and BARs are now; what resets are measured against. */
void trial_look(struct trial *t);

/* A reset by the one way that is left to the kernel, named @method. Whether it lives after it. */
bool trial_reset(struct trial *t, const char *method);

/* All behind the bridge above. */
bool trial_hot_reset(struct trial *t);

/* Each kind of interrupt that it has, raised in its stead by the kernel: as far as an eventfd. */
void trial_interrupts(struct trial *t);

#endif
