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

/*
 * A device in this process, behind the same calls as a device of the kernel. Drivers can be tested
 * and fuzzed with it on any machine. The library plays the kernel and the IOMMU: mappings and their
 * rights, configuration space, interrupts, every errno. A model implements registers. A model is
 * opened by its name: usher_device_open("model:edu", …).
 */
#define USHER_MODEL_BARS 6

struct usher_model_shape { /* closed: usher_model grows instead */
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code; /* 24 bits */
	uint64_t bar_size[USHER_MODEL_BARS]; /* [bytes] power of two; 0: not there */
	/*
	 * Bit n: BAR n is plain memory, which the driver maps like a real BAR. The library does not
	 * call the model for stores there: the model reads the memory by usher_model_bar().
	 */
	uint32_t bar_memory;
	/*
	 * Where that memory begins in its BAR [bytes], whole pages. Accesses before it call the
	 * model. 0: the whole BAR is memory.
	 */
	uint64_t bar_memory_off[USHER_MODEL_BARS];
	uint32_t intx; /* vectors: 0 or 1 */
	uint32_t msi;
	uint32_t msix;
	int express; /* 1: PCI Express: 4096 bytes of configuration space, and ERR */
	int no_reset; /* 1: the function has no reset method */
};

struct usher_model_ops {
	/*
	 * Makes a device. @arguments: the text after "model:NAME,", or "". It includes the
	 * library's own arguments, so a model ignores those that it does not know. *@ret_state
	 * belongs to the model. Return: 0, -errno.
	 */
	int (*init)(struct usher_model_device *d, const char *arguments, void **ret_state);
	void (*fini)(struct usher_model_device *d, void *state);
	/* Puts all registers into the state after power on. */
	void (*reset)(struct usher_model_device *d, void *state);
	/* Accesses of a BAR's register, always inside the BAR. @size: 1, 2, 4 or 8 [bytes]. */
	uint64_t (*read)(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
		unsigned size);
	void (*write)(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
		unsigned size, uint64_t value);
};

struct usher_model { /* grows, and so do the operations: usher_sized(3) */
	const char *name;
	struct usher_model_shape shape;
	const struct usher_model_ops *ops;
};

/*
 * Registers a model. Each of its devices is in an IOMMU group of its own. The library handles these
 * arguments for every model:
 *	bus=N          1 to 255: devices with the same number share a bus, which a hot reset resets.
 *	               Without it the device is on a root bus, which cannot be reset
 *	noreset        the function has no reset method, as by shape.no_reset
 *	noresize       MSI-X vectors cannot be added while others are on, as before Linux 6.5
 *	vectors=N      the host has only N vectors of MSI or MSI-X left
 *	fault=, after=, count=   see usher_model_break()
 *
 * "model:edu" and "model:nvme" need not be registered: QEMU's educational device, and an NVMe
 * controller with one namespace (arguments: "blocks=8192", "shadow").
 *
 * @size: sizeof(*@m). @ops_size: sizeof(*@m->ops). Texts and operations must live as long as the
 * process.
 * Return: 0; -EINVAL that is no size of a structure; -E2BIG a field that this library does not know
 * is set; -EEXIST another model has the name; -ENOSPC too many models (32).
 */
int usher_model_register_sized(const struct usher_model *m, size_t size, size_t ops_size);
static inline int usher_model_register(const struct usher_model *m_)
{
	return usher_model_register_sized(m_, sizeof(*m_), sizeof(*m_->ops));
}

/*
 * What a model may do: call these from usher_model_ops, or from a thread that does not run at the
 * same time as a call of the driver.
 *
 * DMA obeys bus mastering and the access rights of mappings. @len: [bytes].
 * Return: 0; -EPERM bus mastering is off, where hardware would drop the access silently; -EFAULT
 * not mapped, or not with that access.
 */
int usher_model_dma_read(struct usher_model_device *d, usher_iova_t from, void *buf, uint64_t len);
int usher_model_dma_write(
	struct usher_model_device *d, usher_iova_t to, const void *buf, uint64_t len);

/* Sends an MSI or MSI-X, whichever is on. With bus mastering off it is lost, as in hardware. */
void usher_model_msi(struct usher_model_device *d, uint32_t vector);
/* Sets the level of INTx: 1 asserted, 0 not. It is delivered and masked as VFIO does. */
void usher_model_intx(struct usher_model_device *d, int level);

/* The memory of a BAR of shape.bar_memory. Return: NULL for any other BAR. */
void *usher_model_bar(struct usher_model_device *d, unsigned bar);

/* Signals REQ: the host wants the device back. Signals ERR: an uncorrectable error. */
void usher_model_request(struct usher_model_device *d);
void usher_model_error(struct usher_model_device *d);

/* Unplugs the device: reads are all ones, DMA and interrupts end, accesses fail as with VFIO. */
void usher_model_vanish(struct usher_model_device *d);

/*
 * Faults to inject. Each model decides where a fault can happen; not every model has all of them.
 */
enum usher_model_fault {
	USHER_FAULT_NONE,
	USHER_FAULT_TIMEOUT, /* an operation never completes */
	USHER_FAULT_STATUS, /* an operation completes with an error status */
	USHER_FAULT_SHORT, /* an operation moves half of its data */
	USHER_FAULT_VANISH, /* the device is unplugged */
	USHER_FAULT_FATAL, /* the device stops until it is reset */
	USHER_FAULT_STRAY, /* the device completes what was not requested */
};

/*
 * Lets the next @after operations succeed and the @count after them fail by @fault. The same at
 * open: "model:edu,fault=timeout,after=2,count=1" (default: after=0, count=1).
 */
void usher_model_break(
	struct usher_model_device *d, enum usher_model_fault fault, unsigned after, unsigned count);

/*
 * For usher_model_ops: an operation begins. Return: the fault that it must show. For
 * USHER_FAULT_VANISH the device is unplugged already.
 */
enum usher_model_fault usher_model_meets(struct usher_model_device *d);

/* The model behind an open device. Return: NULL if the device is the kernel's. */
struct usher_device;
struct usher_model_device *usher_model_of(struct usher_device *d);
/* What usher_model_ops.init() returned in *@ret_state. */
void *usher_model_state(struct usher_model_device *d);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
