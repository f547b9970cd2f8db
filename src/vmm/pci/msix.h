/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_MSIX_H
#define VMM_PCI_MSIX_H

#include "vmm/pci/vector.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct func_msix;

/*
 * MSI-X of an emulated function: the table and the pending bits are emulated, because the guest
 * writes addresses of its own interrupt controllers there.
 * Context: under the lock of the function.
 * Ref: PCI Local Bus 3.0 6.8.2.
 */
struct func_msix_ops {
	/* The guest turns MSI-X on or off. Return: 0, -errno: it stays off. NULL: nothing to do. */
	int (*start)(struct func_msix *m);
	void (*stop)(struct func_msix *m);
	/*
	 * Vectors of [@first, @end) may have come to life; live ones are attached. NULL: as above.
	 */
	void (*arm)(struct func_msix *m, unsigned first, unsigned end);
	/* Vector @n does not work: @what failed with @r. NULL: not reported. */
	void (*failed)(struct func_msix *m, unsigned n, const char *what, int r);
};

struct func_msix {
	struct irq *irq;
	const struct func_msix_ops *ops;
	unsigned count; /* vectors; 0: no MSI-X */
	unsigned table_bar;
	unsigned pba_bar;
	uint64_t table_off;
	uint64_t pba_off;
	bool on;
	uint16_t control; /* as last acted upon */
	uint8_t *table; /* count entries of 16 bytes */
	struct func_vector *vectors;
};

/* Makes table and vectors; @m has count, places, irq and ops. Return: 0, -ENOMEM. */
int func_msix_init(struct func_msix *m, struct err *e);

/* Lets go of eventfds and GSIs; what was counted stays until func_msix_fini(). */
void func_msix_release(struct func_msix *m);
void func_msix_fini(struct func_msix *m);

/* Sizes [bytes] of the table and of the pending bits. */
uint64_t func_msix_table_size(const struct func_msix *m);
uint64_t func_msix_pba_size(const struct func_msix *m);

/* An access to BAR @bar at @off, if it is to the table or the PBA. Return: false: it is not. */
bool func_msix_read(
	const struct func_msix *m, unsigned bar, uint64_t off, unsigned size, uint64_t *ret);
bool func_msix_write(
	struct func_msix *m, unsigned bar, uint64_t off, unsigned size, uint64_t value);

/* Acts on the control register of the capability, as the guest has written it. */
void func_msix_update(struct func_msix *m, uint16_t control);

/* It cannot be turned on after all: off until the guest turns it off and on again. */
void func_msix_refuse(struct func_msix *m);

/* Off, and the table as after power-on. */
void func_msix_reset(struct func_msix *m);

/* Whether vector @n is live: on, and not masked. */
bool func_msix_is_live(const struct func_msix *m, unsigned n);

/*
 * The eventfd whose signal is vector @n, whether it is live or not. It stays until
 * func_msix_release(). Return: descriptor, -ENOSPC, -errno.
 */
int func_msix_eventfd(struct func_msix *m, unsigned n);

/*
 * Other programs get these eventfds. Such a program can make whoever reads or writes one wait, so
 * nothing here does either: our own signals go to KVM without the eventfd.
 */
void func_msix_share(struct func_msix *m);

/* The device interrupts with vector @n: at once if it is live, else once it is, if MSI-X is on. */
void func_msix_signal(struct func_msix *m, unsigned n);

#endif
