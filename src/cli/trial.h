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

/* A device under trial, opened through VFIO. Each function adds its steps to the card. */
#define TRIAL_BARS 6

struct trial_bar {
	struct vfio_region region; /* size 0: not there */
	uint32_t first; /* value of its first register at the start */
};

struct trial {
	struct host *host;
	struct pci_address address;
	struct card *card;
	struct vfio_ioas ioas;
	struct vfio_dev device;
	struct vfio_region config;
	struct pci_config first; /* configuration space at the start, as the hardware has it */
	struct trial_bar bars[TRIAL_BARS];
};

/* Opens the device, which the kernel resets. Return: 0 (the caller calls trial_close()), -errno. */
int trial_open(struct host *h, int group, struct pci_address a, struct card *card,
	struct trial *ret, struct err *e);
void trial_close(struct trial *t);

/* Reads configuration space and BARs, for comparison after each reset. */
void trial_look(struct trial *t);

/* Resets by the only method left enabled, @method. Return: true if the device works afterwards. */
bool trial_reset(struct trial *t, const char *method);

/* Resets the whole bus. Return: true if the device works afterwards. */
bool trial_hot_reset(struct trial *t);

/* Has the kernel raise each kind of interrupt, which has to reach an eventfd. */
void trial_interrupts(struct trial *t);

#endif
