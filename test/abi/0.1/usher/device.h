/* SPDX-License-Identifier: MIT */
#ifndef USHER_DEVICE_H
#define USHER_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct usher_device;
struct usher_err;
struct usher_space;

int usher_device_open(
	const char *uri, struct usher_space *s, struct usher_device **ret, struct usher_err *e);

int usher_device_inherit(
	const char *name, struct usher_space *s, struct usher_device **ret, struct usher_err *e);

struct usher_device *usher_device_close(struct usher_device *d);

struct usher_space *usher_device_space(struct usher_device *d);

struct usher_device_info {
	char name[32];
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;
	uint32_t regions;
	uint32_t irq_kinds;
	int group;
	uint32_t atomics;
};

const struct usher_device_info *usher_device_info(const struct usher_device *d);

enum usher_ability {
	USHER_CAN_RESET,
	USHER_CAN_HOT_RESET,
	USHER_CAN_INTX,
	USHER_CAN_MSI,
	USHER_CAN_MSIX,
	USHER_CAN_ADD_VECTORS,
	USHER_CAN_ERR,
	USHER_CAN_REQ,
	USHER_CAN_LOW_POWER,
	USHER_CAN_VF_TOKEN,
	USHER_CAN_MIGRATE,
	USHER_CAN_LOG_DMA,
};

int usher_device_can(struct usher_device *d, enum usher_ability what);

int usher_device_gone(const struct usher_device *d);

int usher_config_read(struct usher_device *d, uint32_t off, unsigned size, uint32_t *ret);
int usher_config_write(struct usher_device *d, uint32_t off, unsigned size, uint32_t value);

int usher_config_find(struct usher_device *d, uint8_t id);
int usher_config_find_extended(struct usher_device *d, uint16_t id);

int usher_device_master_on(struct usher_device *d, struct usher_err *e);

int usher_device_master_off(struct usher_device *d, struct usher_err *e);

int usher_device_set_dma_bits(struct usher_device *d, unsigned bits, struct usher_err *e);

int usher_device_reset(struct usher_device *d, struct usher_err *e);

struct usher_dependent {
	char address[20];
	int group;
	int owned;
};

int usher_device_dependents(
	struct usher_device *d, struct usher_dependent *ret, size_t max, struct usher_err *e);

int usher_device_hot_reset(struct usher_device *d, struct usher_err *e);

int usher_device_sleep(struct usher_device *d, int fd, struct usher_err *e);
int usher_device_wake(struct usher_device *d, struct usher_err *e);

int usher_device_set_vf_token(struct usher_device *d, const uint8_t uuid[16], struct usher_err *e);

enum usher_feature_use {
	USHER_FEATURE_PROBE_GET,
	USHER_FEATURE_PROBE_SET,
	USHER_FEATURE_GET,
	USHER_FEATURE_SET
};
int usher_device_feature(struct usher_device *d, uint16_t feature, enum usher_feature_use use,
	void *data, size_t size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
