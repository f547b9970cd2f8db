/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_ACCESS_H
#define VMM_PASS_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

struct pass_dev;

/*
 * What a vCPU asks of the device's worker. VFIO may hold up an access to configuration space, or a
 * change of interrupts, for seconds: while the host resets the device, while the device changes its
 * power state. So the worker makes these calls. The vCPU waits, without the device's lock, for
 * PASS_PATIENCE_MS at most. As long as the worker has not come back from what takes longer, nobody
 * waits: a read is all-ones, and a write is done later. Ref: PCI Express Base 2.8, a completion
 * that does not come in time.
 */
#define PASS_PATIENCE_MS 2000
#define PASS_WRITES_MAX 64 /* that may be queued; further ones are lost */

/* Room for the accesses of all processors. Return: 0, -ENOMEM. */
int pass_access_init(struct pass_dev *d);
void pass_access_fini(struct pass_dev *d);

/*
 * Configuration space of the device itself, for the guest. A read drops the lock while it waits:
 * look again what has become of the device. A write is only queued; if it changes the power state
 * (@power), the worker reads the state that the device has taken. After the last write that is
 * queued the worker places the BARs. Context: under the device's lock.
 */
uint32_t pass_access_read(struct pass_dev *d, unsigned off, unsigned size);
void pass_access_write(struct pass_dev *d, unsigned off, unsigned size, uint32_t value, bool power);

/* The guest wants other interrupts; @off: it has turned a kind off (vmm/pass/irqs). */
void pass_ask_irqs(struct pass_dev *d, bool off);

/*
 * Waits until the worker has done what was asked so far, with the device's lock dropped. Return:
 * false: it takes longer than PASS_PATIENCE_MS, or did so before.
 */
bool pass_ask_await(struct pass_dev *d);

/* The same for writes and interrupts, if any are asked for: at the end of a vCPU's access. */
void pass_ask_wait(struct pass_dev *d);

/* What the device decodes: enum func_decode. A function outside D0 answers to config alone. */
unsigned pass_access_decodes(const struct pass_dev *d);

/* Brings the BARs to where configuration space says, if the device has seen all writes to it. */
void pass_access_place(struct pass_dev *d);

/*
 * Configuration space at once. If the device does not answer, a read is all-ones. @size: 1, 2 or 4.
 * Context: the worker, or the thread that makes the device; without the lock. Return of a write: 0,
 * -errno.
 */
uint32_t pass_dev_get(struct pass_dev *d, unsigned off, unsigned size);
int pass_dev_put(struct pass_dev *d, unsigned off, unsigned size, uint32_t value);

#endif
