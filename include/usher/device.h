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
 * A PCI function that this process drives. When a device is opened, the kernel has reset it, its
 * memory decodes, and bus mastering is off: neither DMA nor MSIs work until
 * usher_device_master_on(). A device is for one thread at a time. Different threads may use
 * different devices.
 *
 * URI                          back end
 *   pci:0000:01:00.0             the kernel; the function is bound to vfio-pci. For a VF whose PF
 *                                requires a token, append ",vf_token=UUID"
 *   fd:CONTAINER,DEVICE          the kernel, by descriptors that another process handed over
 *   fd:CONTAINER,GROUP,DEVICE    the same, with the descriptor of the group ("none": not handed
 *                                over). Only a hot reset needs the group. The library owns the
 *                                descriptors once the device is open: it closes them on exec, and
 *                                with the last device that named them
 *   model:NAME[,ARGUMENTS]       a model in this process (model.h)
 */

/*
 * Opens a device.
 * @s: the space that the device uses. NULL: a space of its own, which is freed with the device.
 * Without @s, devices whose URIs name one container share a space. A kernel's device and a model
 * cannot share a space.
 * Return: 0; -EINVAL not a URI, or the space has devices of another back end; -ENODEV no such
 * device, or it is being removed; -EACCES a VF whose PF requires a token; -EBUSY another space has
 * the container of an "fd:" URI, or the device is open; otherwise as usher_space_attach_group().
 * The caller owns the device: usher_device_close().
 */
int usher_device_open(
	const char *uri, struct usher_space *s, struct usher_device **ret, struct usher_err *e);

/*
 * Opens a device that `usher exec` handed to this process. The environment names it:
 * USHER_DEVICE="0000:01:00.0=fd:3,none,4 0000:02:00.0=fd:3,none,5".
 * @name: address of the device; NULL: the first one.
 * Return: as usher_device_open(); -ENOENT no such device was handed over.
 */
int usher_device_inherit(
	const char *name, struct usher_space *s, struct usher_device **ret, struct usher_err *e);

/*
 * Closes a device, in this order: bus mastering off, interrupts off, windows unmapped, descriptors
 * closed. A group leaves the space with its last device. NULL is fine. Return: NULL.
 */
struct usher_device *usher_device_close(struct usher_device *d);

/* The space that the device uses. It belongs to whoever made it; NULL is never returned. */
struct usher_space *usher_device_space(struct usher_device *d);

struct usher_device_info { /* grows: usher_sized(3) */
	char name[32]; /* "0000:01:00.0", "model:edu"; "fd:4" if its address is unknown */
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code; /* 24 bits */
	uint32_t regions; /* how many; indices of usher_region_info() */
	uint32_t irq_kinds; /* how many of enum usher_irq */
	int group; /* IOMMU group; -1: a model, or unknown */
	uint32_t atomics; /* AtomicOps that the root port completes; 1, 2, 4: 32, 64, 128 bits */
};

/*
 * What the library knows about the device. Valid until usher_device_close(). @size: sizeof(struct
 * usher_device_info). Fields that this library does not know are zero.
 * Return: never NULL, unless @size is beyond the room that the library has for such fields.
 */
const struct usher_device_info *usher_device_query_sized(const struct usher_device *d, size_t size);
static inline const struct usher_device_info *usher_device_query(const struct usher_device *d_)
{
	return usher_device_query_sized(d_, sizeof(struct usher_device_info));
}
#ifndef __cplusplus
/* Its name in version 0.1. In C++ it would hide the structure. */
#define usher_device_info(d) usher_device_query(d)
#endif

/* What this device, on this kernel, can do. Ask instead of comparing versions. */
enum usher_ability {
	USHER_CAN_RESET, /* the function alone: FLR, PM or bus */
	USHER_CAN_HOT_RESET, /* its bus or slot, with every function on it */
	USHER_CAN_INTX,
	USHER_CAN_MSI,
	USHER_CAN_MSIX,
	USHER_CAN_ADD_VECTORS, /* MSI-X vectors while others are on, without a gap */
	USHER_CAN_ERR, /* an event for uncorrectable errors */
	USHER_CAN_REQ, /* an event when the host wants the device back */
	USHER_CAN_LOW_POWER,
	USHER_CAN_VF_TOKEN, /* a PF whose VFs can be protected by a token */
	USHER_CAN_MIGRATE,
	USHER_CAN_LOG_DMA,
};

/* Return: 1 yes, 0 no. */
int usher_device_can(struct usher_device *d, enum usher_ability what);

/*
 * Is the device known to be gone: unplugged, or without its configuration space? It stays gone
 * unless a reset brings it back. Return: 1 gone, 0 not known to be gone.
 */
int usher_device_gone(const struct usher_device *d);

/*
 * Reads or writes a register of configuration space. @off: [bytes]. @size: 1, 2 or 4 [bytes].
 * Return: 0; -ERANGE outside configuration space; -EIO; -ENODEV the device is gone.
 */
int usher_config_read(struct usher_device *d, uint32_t off, unsigned size, uint32_t *ret);
int usher_config_write(struct usher_device *d, uint32_t off, unsigned size, uint32_t value);

/*
 * Finds a PCI capability, or an extended one, by its number.
 * Return: its offset in configuration space; -ENOENT the device does not have it; -errno.
 * Ref: linux/pci_regs.h PCI_CAP_ID_*, PCI_EXT_CAP_ID_*.
 */
int usher_config_find(struct usher_device *d, uint8_t id);
int usher_config_find_extended(struct usher_device *d, uint16_t id);

/* Lets the device issue DMA and MSIs. Return: 0, -ENODEV gone, -errno. */
int usher_device_master_on(struct usher_device *d, struct usher_err *e);
/* Stops DMA and MSIs of the device. Return: 0, -ENODEV gone, -errno. */
int usher_device_master_off(struct usher_device *d, struct usher_err *e);

/*
 * Sets the highest IOVA that the device can address: 2^@bits - 1. The space allocates no IOVA above
 * it from now on. @bits: 12 to 64; default: 64.
 * Return: 0, -EINVAL, -ERANGE a mapping lies above it already.
 */
int usher_device_set_dma_bits(struct usher_device *d, unsigned bits, struct usher_err *e);

/*
 * Resets the function. Its registers are as after opening, with bus mastering off. Windows stay
 * valid. Interrupts must be turned on again.
 * Return: 0; -ENOTTY the function has no reset method; -EAGAIN busy, try again; -ENODEV gone.
 * Ref: linux/vfio.h VFIO_DEVICE_RESET.
 */
int usher_device_reset(struct usher_device *d, struct usher_err *e);

/* A function that a hot reset of another function resets too. */
struct usher_dependent { /* grows: usher_sized(3) */
	char address[20];
	int group;
	int owned; /* 1: its group is in the space; 0: because of it a hot reset is refused */
};

/*
 * Lists the functions that a hot reset would hit. @ret: room for @max of them, the caller's, each
 * of @size bytes: sizeof(*@ret).
 * Return: how many there are, which may be more than @max; -ENODEV neither bus nor slot can be
 * reset; -EINVAL that is no size of the structure; -errno.
 * Ref: linux/vfio.h VFIO_DEVICE_GET_PCI_HOT_RESET_INFO.
 */
int usher_device_dependents_sized(struct usher_device *d, struct usher_dependent *ret, size_t size,
	size_t max, struct usher_err *e);
static inline int usher_device_dependents(
	struct usher_device *d_, struct usher_dependent *ret_, size_t max_, struct usher_err *e_)
{
	return usher_device_dependents_sized(d_, ret_, sizeof(*ret_), max_, e_);
}

/*
 * Resets the bus or slot of the function. The space must own every group on it. Before the reset,
 * the library turns off bus mastering and interrupts of those devices of the space that are hit.
 * Return: 0; -EPERM the space does not own a group (the message names it); -ENODEV neither bus nor
 * slot can be reset; -EINVAL the kernel refuses: a function is on another driver, or is a virtual
 * function; -ENOTTY the hardware cannot; -errno. After -EPERM and -ENODEV nothing has changed.
 * Ref: linux/vfio.h VFIO_DEVICE_PCI_HOT_RESET.
 */
int usher_device_hot_reset(struct usher_device *d, struct usher_err *e);

/*
 * Lets the platform put the device to sleep until usher_device_wake(), or until this process
 * accesses the device. @fd: eventfd to signal when the device wakes by itself; -1: none. The
 * eventfd stays the caller's. Return: 0; -ENOTTY the device has no such feature; -errno.
 * Ref: linux/vfio.h VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, _ENTRY_WITH_WAKEUP, _EXIT.
 */
int usher_device_sleep(struct usher_device *d, int fd, struct usher_err *e);
int usher_device_wake(struct usher_device *d, struct usher_err *e);

/*
 * Sets the token of a PF: a process that opens one of its VFs must give @uuid.
 * Return: 0; -ENOTTY not a PF; -errno. Ref: linux/vfio.h VFIO_DEVICE_FEATURE_PCI_VF_TOKEN.
 */
int usher_device_set_vf_token(struct usher_device *d, const uint8_t uuid[16], struct usher_err *e);

/*
 * Uses a feature of linux/vfio.h by its number (VFIO_DEVICE_FEATURE_MIGRATION, _DMA_LOGGING_START,
 * …). @data: @size bytes, read or written as the feature says; NULL if it has none.
 * Return: 0; -ENOTTY the device does not have the feature; -EINVAL; -E2BIG more than 4096 bytes.
 * Ref: linux/vfio.h VFIO_DEVICE_FEATURE.
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
