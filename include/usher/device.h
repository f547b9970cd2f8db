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

/*
 * A PCI function that this process drives. When it opens, the kernel has reset it, its memory
 * decodes, and bus mastering is off: neither DMA nor MSIs work until usher_device_master_on().
 * One thread at a time; different devices may be used by different threads.
 *
 * URI                          who answers
 *   pci:0000:01:00.0             the kernel; the function is on vfio-pci. After the address may
 *                                stand ",vf_token=UUID" for a VF whose PF wants one
 *   fd:CONTAINER,DEVICE          the kernel, by descriptors that somebody handed over
 *   fd:CONTAINER,GROUP,DEVICE    the same with the group's ("none": not handed over); it is only
 *                                needed for a hot reset. Descriptors become the library's
 *   model:NAME[,ARGUMENTS]       a model in this process (model.h)
 */

/*
 * @s: the space that the device shall use; NULL: one of its own, that goes with it. A kernel's
 * and a model's device cannot share one.
 * Return: 0; -EINVAL no such URI, or the space is another kind; -ENODEV no such device, or it is
 * going away; -EACCES a VF whose PF wants a token; otherwise as usher_space_attach_group().
 * The device is the caller's: usher_device_close().
 */
int usher_device_open(
	const char *uri, struct usher_space *s, struct usher_device **ret, struct usher_err *e);

/*
 * A device that `usher exec` handed to this process, named in the environment:
 * USHER_DEVICE="0000:01:00.0=fd:3,none,4 0000:02:00.0=fd:3,none,5".
 * @name: its address, NULL for the first. Return: as above; -ENOENT none was handed over.
 */
int usher_device_inherit(
	const char *name, struct usher_space *s, struct usher_device **ret, struct usher_err *e);

/*
 * In order: bus mastering off, interrupts off, windows unmapped, descriptors closed, the group
 * leaves the space with its last device. NULL is fine. Return: NULL.
 */
struct usher_device *usher_device_close(struct usher_device *d);

struct usher_space *usher_device_space(struct usher_device *d);

struct usher_device_info {
	char name[32]; /* "0000:01:00.0", "model:edu"; "fd:4" when nobody told its address */
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code; /* 24 bits */
	uint32_t regions;
	uint32_t irq_kinds;
	int group; /* -1: a model, or not told */
};

const struct usher_device_info *usher_device_info(const struct usher_device *d);

/* What this device, on this kernel, can do. Ask instead of comparing versions. */
enum usher_ability {
	USHER_CAN_RESET, /* the function alone: FLR, PM or bus */
	USHER_CAN_HOT_RESET, /* its bus or slot, with all that is on it */
	USHER_CAN_INTX,
	USHER_CAN_MSI,
	USHER_CAN_MSIX,
	USHER_CAN_ADD_VECTORS, /* MSI-X vectors while others are on, without a gap */
	USHER_CAN_ERR, /* an event for uncorrectable errors */
	USHER_CAN_REQ, /* an event when the host wants the device back */
	USHER_CAN_LOW_POWER,
	USHER_CAN_VF_TOKEN, /* a PF whose VFs can be protected by one */
	USHER_CAN_MIGRATE,
	USHER_CAN_LOG_DMA,
};

/* Return: 1 yes, 0 no. */
int usher_device_can(struct usher_device *d, enum usher_ability what);

/*
 * Whether the device is known to have gone: unplugged, or its memory not there any more. A thing
 * of the past for this device, unless a reset brings it back. Return: 1, 0.
 */
int usher_device_gone(const struct usher_device *d);

/* A register of configuration space, @size 1, 2 or 4. Return: 0, -ERANGE, -EIO, -ENODEV gone. */
int usher_config_read(struct usher_device *d, uint32_t off, unsigned size, uint32_t *ret);
int usher_config_write(struct usher_device *d, uint32_t off, unsigned size, uint32_t value);

/*
 * The PCI capability @id, or the extended one. Return: its offset, -ENOENT, -errno.
 */
int usher_config_find(struct usher_device *d, uint8_t id);
int usher_config_find_extended(struct usher_device *d, uint16_t id);

/* Lets the device put DMA and MSIs on the bus. Return: 0, -ENODEV gone, -errno. */
int usher_device_master_on(struct usher_device *d, struct usher_err *e);
/* No more DMA and MSIs from the device from now on. */
int usher_device_master_off(struct usher_device *d, struct usher_err *e);

/*
 * Highest IOVA that the device can put on the bus: 2^@bits - 1. The space gives out none above it
 * from now on. @bits: [12, 64]. Return: 0, -EINVAL, -ERANGE a mapping lies above it already.
 */
int usher_device_set_dma_bits(struct usher_device *d, unsigned bits, struct usher_err *e);

/*
 * Resets the function. Its registers are as after opening: bus mastering off. Windows stay;
 * interrupts must be turned on again.
 * Return: 0; -ENOTTY no way to reset it; -EAGAIN busy, try again; -ENODEV gone.
 * Ref: linux/vfio.h VFIO_DEVICE_RESET.
 */
int usher_device_reset(struct usher_device *d, struct usher_err *e);

/* A function that a hot reset of another one resets too. */
struct usher_dependent {
	char address[20];
	int group;
	int owned; /* 1: its group is in our space, 0: a reset is refused because of it */
};

/*
 * Which functions a hot reset would hit. Return: how many there are, which may be more than
 * @max; -ENODEV there is no bus or slot reset. Ref: linux/vfio.h VFIO_DEVICE_GET_PCI_HOT_RESET_INFO.
 */
int usher_device_dependents(
	struct usher_device *d, struct usher_dependent *ret, size_t max, struct usher_err *e);

/*
 * Resets the bus or slot that the function is on. Every group on it must be in our space. Bus
 * mastering and interrupts of our devices there go off before; others of the space are not touched.
 * Return: 0; -EPERM a group is not ours (the message names it), -ENODEV there is no such reset: then
 * nothing has changed; -EINVAL the kernel refuses: a function is on another driver, or a virtual one;
 * -ENOTTY the hardware cannot; -errno. Ref: linux/vfio.h VFIO_DEVICE_PCI_HOT_RESET.
 */
int usher_device_hot_reset(struct usher_device *d, struct usher_err *e);

/*
 * Lets the platform put the device to sleep until usher_device_wake(), or until any access of
 * ours. @fd: an eventfd to signal when it wakes by itself, -1 none. Return: 0, -ENOTTY, -errno.
 * Ref: linux/vfio.h VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, _ENTRY_WITH_WAKEUP, _EXIT.
 */
int usher_device_sleep(struct usher_device *d, int fd, struct usher_err *e);
int usher_device_wake(struct usher_device *d, struct usher_err *e);

/* For a PF: whoever opens its VFs must know @uuid. Return: 0, -ENOTTY, -errno. */
int usher_device_set_vf_token(struct usher_device *d, const uint8_t uuid[16], struct usher_err *e);

/*
 * Any feature of linux/vfio.h by number (VFIO_DEVICE_FEATURE_MIGRATION, _DMA_LOGGING_START, …),
 * where the device has it. Return: 0; -ENOTTY it has not; -EINVAL.
 */
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
