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
 * A device in this process, behind the same calls as the kernel's: drivers are tested and fuzzed
 * with it on any machine. The library plays the kernel and the IOMMU (containers, mappings and
 * their rights, configuration space, interrupts, every errno); a model is registers and what
 * they do. It is opened by its name: usher_device_open("model:edu", …).
 */
#define USHER_MODEL_BARS 6

struct usher_model_shape {
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code; /* 24 bits */
	uint64_t bar_size[USHER_MODEL_BARS]; /* [bytes] power of two; 0: not there */
	/*
	 * These BARs are plain memory, mapped into the driver as a real BAR would be: stores are not
	 * told to the model, which looks for itself (usher_model_bar()). Bit n: BAR n.
	 */
	uint32_t bar_memory;
	/* From here on they are, in whole pages: registers that lie before it are told. 0: all. */
	uint64_t bar_memory_off[USHER_MODEL_BARS];
	uint32_t intx; /* vectors: 0 or 1 */
	uint32_t msi;
	uint32_t msix;
	int express; /* 1: PCI Express: 4096 bytes of configuration space, ERR */
	int no_reset; /* 1: the function cannot be reset */
};

struct usher_model_ops {
	/*
	 * A device is opened. @arguments: what stands behind "model:NAME,", or "" (what it does not
	 * know it leaves alone: the library's are there too). *@ret_state is the model's own.
	 * Return: 0, -errno.
	 */
	int (*init)(struct usher_model_device *d, const char *arguments, void **ret_state);
	void (*fini)(struct usher_model_device *d, void *state);
	/* As after power on. */
	void (*reset)(struct usher_model_device *d, void *state);
	/* A register of a BAR, little-endian, in bounds. @size: 1, 2, 4, 8. */
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

/*
 * Each device is in a group of its own. What every model understands when it opens:
 *	bus=N          1 to 255: those of one number share a bus, which a hot reset resets; without
 *	               it a device is on a root bus, which has no reset
 *	noreset        the function has no reset, as by shape.no_reset
 *	noresize       MSI-X vectors cannot be added while others are on, as before Linux 6.5
 *	vectors=N      the host has no more vectors of MSI or MSI-X left
 *	fault=, after=, count=   see usher_model_break()
 *
 * "model:edu" and "model:nvme" are there without being registered: QEMU's educational device, and
 * an NVMe controller with one namespace (arguments, any of: "blocks=8192,shadow").
 *
 * @m must live as long as the process. Return: 0, -EEXIST the name is taken, -ENOSPC. */
int usher_model_register(const struct usher_model *m);

/*
 * What a model does to the world; from any thread that the caller keeps apart from the driver's
 * calls, or from within ops.
 *
 * DMA obeys bus mastering and the mappings' rights. Return: 0; -EPERM bus mastering is off (the
 * hardware would drop it silently); -EFAULT not mapped, or not with that right.
 */
int usher_model_dma_read(struct usher_model_device *d, usher_iova_t from, void *buf, uint64_t len);
int usher_model_dma_write(
	struct usher_model_device *d, usher_iova_t to, const void *buf, uint64_t len);

/* MSI or MSI-X, whichever is on; with bus mastering off it is lost. */
void usher_model_msi(struct usher_model_device *d, uint32_t vector);
/* The level of INTx: 1 asserted, 0 not. Delivered, masked and delivered again as VFIO does. */
void usher_model_intx(struct usher_model_device *d, int level);

/* Memory of a BAR of shape.bar_memory. Return: NULL for others. */
void *usher_model_bar(struct usher_model_device *d, unsigned bar);

/* The host asks for the device (REQ), an error (ERR): signals their eventfds. */
void usher_model_request(struct usher_model_device *d);
void usher_model_error(struct usher_model_device *d);

/* Unplugged: reads are all ones, DMA and interrupts end, accesses fail as the kernel's do. */
void usher_model_vanish(struct usher_model_device *d);

/* What can be made to go wrong. Each model has its own moments for it; not every model has all. */
enum usher_model_fault {
	USHER_FAULT_NONE,
	USHER_FAULT_TIMEOUT, /* an operation is never finished */
	USHER_FAULT_STATUS, /* one ends with a bad status */
	USHER_FAULT_SHORT, /* one moves half of its data */
	USHER_FAULT_VANISH, /* the device is gone, as if pulled */
	USHER_FAULT_FATAL, /* it gives up until it is reset */
	USHER_FAULT_STRAY, /* it answers what nobody asked */
};

/*
 * The next @after operations go well, the @count behind them meet @fault. By name when it opens:
 * "model:edu,fault=timeout,after=2,count=1" (count 1 unless said).
 */
void usher_model_break(
	struct usher_model_device *d, enum usher_model_fault fault, unsigned after, unsigned count);

/* For ops: an operation begins; what does it meet? USHER_FAULT_VANISH has happened already. */
enum usher_model_fault usher_model_meets(struct usher_model_device *d);

/* The model behind an open device; NULL when it is the kernel's. */
struct usher_device;
struct usher_model_device *usher_model_of(struct usher_device *d);
void *usher_model_state(struct usher_model_device *d);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
