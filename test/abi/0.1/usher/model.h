/* SPDX-License-Identifier: MIT */
#ifndef USHER_MODEL_H
#define USHER_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include <usher/space.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct usher_model;
struct usher_model_device;

#define USHER_MODEL_BARS 6

struct usher_model_shape {
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;
	uint64_t bar_size[USHER_MODEL_BARS];

	uint32_t bar_memory;

	uint64_t bar_memory_off[USHER_MODEL_BARS];
	uint32_t intx;
	uint32_t msi;
	uint32_t msix;
	int express;
	int no_reset;
};

struct usher_model_ops {

	int (*init)(struct usher_model_device *d, const char *arguments, void **ret_state);
	void (*fini)(struct usher_model_device *d, void *state);

	void (*reset)(struct usher_model_device *d, void *state);

	uint64_t (*read)(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
		unsigned size);
	void (*write)(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
		unsigned size, uint64_t value);
};

struct usher_model {
	const char *name;
	struct usher_model_shape shape;
	const struct usher_model_ops *ops;
};

int usher_model_register(const struct usher_model *m);

int usher_model_dma_read(struct usher_model_device *d, usher_iova_t from, void *buf, uint64_t len);
int usher_model_dma_write(
	struct usher_model_device *d, usher_iova_t to, const void *buf, uint64_t len);

void usher_model_msi(struct usher_model_device *d, uint32_t vector);

void usher_model_intx(struct usher_model_device *d, int level);

void *usher_model_bar(struct usher_model_device *d, unsigned bar);

void usher_model_request(struct usher_model_device *d);
void usher_model_error(struct usher_model_device *d);

void usher_model_vanish(struct usher_model_device *d);

enum usher_model_fault {
	USHER_FAULT_NONE,
	USHER_FAULT_TIMEOUT,
	USHER_FAULT_STATUS,
	USHER_FAULT_SHORT,
	USHER_FAULT_VANISH,
	USHER_FAULT_FATAL,
	USHER_FAULT_STRAY,
};

void usher_model_break(
	struct usher_model_device *d, enum usher_model_fault fault, unsigned after, unsigned count);

enum usher_model_fault usher_model_meets(struct usher_model_device *d);

struct usher_device;
struct usher_model_device *usher_model_of(struct usher_device *d);
void *usher_model_state(struct usher_model_device *d);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
