/* SPDX-License-Identifier: MIT */
#ifndef USHER_IRQ_H
#define USHER_IRQ_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct usher_device;
struct usher_err;

enum usher_irq {
	USHER_INTX,
	USHER_MSI,
	USHER_MSIX,
	USHER_ERR,
	USHER_REQ,
};

struct usher_irq_info {
	uint32_t count;
	int maskable;
	int automasked;
	int growable;
};

int usher_irq_info(struct usher_device *d, enum usher_irq kind, struct usher_irq_info *ret);

int usher_irq_on(struct usher_device *d, enum usher_irq kind, uint32_t count, struct usher_err *e);

int usher_irq_add(
	struct usher_device *d, enum usher_irq kind, uint32_t vector, struct usher_err *e);

int usher_irq_off(struct usher_device *d, enum usher_irq kind, struct usher_err *e);

int usher_irq_fd(struct usher_device *d, enum usher_irq kind, uint32_t vector);

int64_t usher_irq_wait(
	struct usher_device *d, enum usher_irq kind, uint32_t vector, int timeout_ms);

int usher_irq_mask(struct usher_device *d, enum usher_irq kind);
int usher_irq_unmask(struct usher_device *d, enum usher_irq kind);

int usher_irq_resample(struct usher_device *d, enum usher_irq kind, int fd);

int usher_irq_fire(struct usher_device *d, enum usher_irq kind, uint32_t vector);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
