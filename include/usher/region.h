/* SPDX-License-Identifier: MIT */
#ifndef USHER_REGION_H
#define USHER_REGION_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct usher_device;
struct usher_err;

/* C++ programs may ask their compiler to refuse C's casts. */
#ifdef __cplusplus
#define USHER_CAST_(type, value) static_cast<type>(value)
#else
#define USHER_CAST_(type, value) ((type)(value))
#endif

/* Indices of regions, as in the kernel. Ref: linux/vfio.h VFIO_PCI_*_REGION_INDEX. */
#define USHER_BAR(n) USHER_CAST_(uint32_t, n) /* 0 to 5 */
#define USHER_ROM 6u
#define USHER_CONFIG 7u
#define USHER_VGA 8u

#define USHER_REGION_READ 1u
#define USHER_REGION_WRITE 2u
#define USHER_REGION_MAP 4u /* some of it can be mapped */

struct usher_region { /* grows: usher_sized(3) */
	uint32_t index;
	uint32_t flags; /* USHER_REGION_* */
	uint64_t size; /* [bytes]; 0: the device does not have the region */
	uint32_t type; /* VFIO_REGION_TYPE_* of a vendor's region (9 and up); 0: fixed */
	uint32_t subtype;
	size_t area_count; /* of areas that can be mapped; the first 32 are listed */
	struct {
		uint64_t off; /* in the region [bytes] */
		uint64_t size; /* [bytes] */
	} areas[32]; /* ascending, not overlapping */
};

/*
 * What the device has at an index. @size: sizeof(*@ret).
 * Return: 0, also for a region that the device does not have; -EINVAL no such index, or that is no
 * size of the structure.
 */
int usher_region_info_sized(struct usher_device *d, uint32_t index, struct usher_region *ret,
	size_t size, struct usher_err *e);
static inline int usher_region_info(
	struct usher_device *d_, uint32_t index_, struct usher_region *ret_, struct usher_err *e_)
{
	return usher_region_info_sized(d_, index_, ret_, sizeof(*ret_), e_);
}

/*
 * Reads or writes any bytes of a region through the kernel. @off, @len: [bytes].
 * Return: 0; -ERANGE outside the region; -EACCES not readable or writable; -EIO memory decoding is
 * off; -ENODEV the device is gone.
 */
int usher_region_read(struct usher_device *d, uint32_t index, uint64_t off, void *buf, size_t len);
int usher_region_write(
	struct usher_device *d, uint32_t index, uint64_t off, const void *buf, size_t len);

/*
 * From now on the kernel writes @value of @size bytes (1, 2, 4 or 8) to the register when the
 * eventfd @fd is signalled; -1: no longer. The eventfd stays the caller's.
 * Return: 0; -EINVAL not a BAR, or the MSI-X table; -ENOTTY; -ENOSPC; -errno. Ref: linux/vfio.h
 * VFIO_DEVICE_IOEVENTFD.
 */
int usher_region_ioeventfd(struct usher_device *d, uint32_t index, uint64_t off, unsigned size,
	uint64_t value, int fd);

/* How a 64-bit register is accessed. */
enum usher_split {
	USHER_WHOLE, /* one access of 8 bytes */
	USHER_LOW_FIRST, /* two accesses of 4 bytes, the low half first */
	USHER_HIGH_FIRST,
};

enum usher_caching {
	USHER_UNCACHED, /* each access reaches the device, in order */
	USHER_COMBINED, /* the CPU may combine stores: for prefetchable BARs, with usher_wmb() */
};

/*
 * A part of a region. It is mapped if it may be; otherwise the accessors below call the kernel. The
 * library keeps the address of the struct: do not move it before the window, or its device, is
 * closed.
 *
 * A device can disappear during a load or store. If a load returns all ones, the window checks
 * whether the device still answers. If the kernel sends SIGBUS (memory decoding off, low power,
 * unplugged), the library replaces the page by one of all ones. In both cases accesses return
 * -ENODEV from then on, and the program lives. With the first window the library installs a SIGBUS
 * handler. It passes faults outside of windows on to the handler before it.
 */
struct usher_window {
	volatile uint8_t *base; /* NULL: not mapped, accessed through the kernel */
	uint64_t size; /* [bytes] */
	volatile int gone; /* 1: accesses return -ENODEV */
	enum usher_split split; /* the driver may change it at any time */
	enum usher_caching caching; /* as mapped, which may differ from the request */
	struct usher_device *device;
	uint32_t region; /* index */
	uint64_t off; /* in the region [bytes] */
	uintptr_t reserved[2]; /* zero; for fields to come */
};

/* Initialises a window. To assign it in C: (struct usher_window)USHER_WINDOW_NONE. */
#ifdef __cplusplus
#define USHER_WINDOW_NONE (usher_window())
#else
#define USHER_WINDOW_NONE    \
	{                    \
		.base = NULL \
	}
#endif

/*
 * Opens [@off, +@size) of a region [bytes]; @size 0: up to its end. @caching: USHER_COMBINED is
 * used where it can be (the region is prefetchable, and the process may open its file in sysfs).
 * Return: 0; -ERANGE outside the region; -EINVAL no such region; -ENOSPC too many windows in the
 * process (256). The caller owns the window: usher_window_close(), or usher_device_close().
 */
int usher_window_open(struct usher_device *d, uint32_t index, uint64_t off, uint64_t size,
	enum usher_caching caching, struct usher_window *ret, struct usher_err *e);

void usher_window_close(struct usher_window *w); /* twice is fine */

/*
 * Makes a window usable again after the device came back (a reset, decoding on again).
 * Return: 0; -ENODEV the device is still gone; -errno.
 */
int usher_window_revive(struct usher_window *w);

/*
 * The slow path of the accessors below, through the kernel. @size: 1, 2, 4 or 8 [bytes].
 * Return: as the accessors.
 */
int usher_window_load(struct usher_window *w, uint64_t off, unsigned size, uint64_t *ret);
int usher_window_store(struct usher_window *w, uint64_t off, unsigned size, uint64_t value);
/*
 * Checks by configuration space whether the device is still there, after a load of all ones or a
 * timeout. Return: 0 it is; -ENODEV the device is gone.
 */
int usher_window_ones(struct usher_window *w);

/*
 * Barriers between DMA memory and registers. usher_wmb(): earlier stores to memory are visible to
 * the device before the next store to a register. usher_rmb(): loads from memory after it see what
 * the device wrote before it answered the load of a register.
 */
#if defined(__x86_64__) || defined(__i386__)
/* Stores to write-back memory and then to uncached memory keep their order (SDM 3A, 8.2.2). */
#define usher_wmb() __asm__ __volatile__("" ::: "memory")
#define usher_rmb() __asm__ __volatile__("" ::: "memory")
/* Drains write-combining buffers. */
#define usher_wmb_combined() __asm__ __volatile__("sfence" ::: "memory")
#elif defined(__aarch64__)
#define usher_wmb() __asm__ __volatile__("dmb oshst" ::: "memory")
#define usher_rmb() __asm__ __volatile__("dmb oshld" ::: "memory")
#define usher_wmb_combined() __asm__ __volatile__("dsb st" ::: "memory")
#else
#define usher_wmb() __sync_synchronize()
#define usher_rmb() __sync_synchronize()
#define usher_wmb_combined() __sync_synchronize()
#endif

/*
 * Accessors of little-endian registers, naturally aligned. Values are in the CPU's byte order.
 * Accesses after a read are issued after it (usher_rmb()). A write is issued after all earlier
 * accesses (usher_wmb()). The _relaxed ones do not order anything.
 * Return: 0; -ERANGE outside the window; -ENODEV the device is gone (a read sets *@ret to all
 * ones).
 */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define USHER_LE16(v) (v)
#define USHER_LE32(v) (v)
#define USHER_LE64(v) (v)
#else
#define USHER_LE16(v) __builtin_bswap16(v)
#define USHER_LE32(v) __builtin_bswap32(v)
#define USHER_LE64(v) __builtin_bswap64(v)
#endif

#define USHER_ACCESSORS_(bits, bytes, swap)                                             \
	static inline int usher_read##bits##_relaxed(                                   \
		struct usher_window *w_, uint64_t off_, uint##bits##_t *ret_)           \
	{                                                                               \
		const uint##bits##_t ones_ = USHER_CAST_(uint##bits##_t, ~UINT64_C(0)); \
		if (__builtin_expect(off_ > w_->size || w_->size - off_ < (bytes), 0))  \
			return -ERANGE;                                                 \
		if (__builtin_expect(!w_->base, 0)) {                                   \
			uint64_t v_ = 0;                                                \
			int r_ = usher_window_load(w_, off_, (bytes), &v_);             \
			*ret_ = USHER_CAST_(uint##bits##_t, v_);                        \
			return r_;                                                      \
		}                                                                       \
		*ret_ = USHER_CAST_(uint##bits##_t,                                     \
			swap(*USHER_CAST_(const volatile uint##bits##_t *,              \
				USHER_CAST_(const volatile void *, w_->base + off_)))); \
		if (__builtin_expect(w_->gone, 0)) {                                    \
			*ret_ = ones_;                                                  \
			return -ENODEV;                                                 \
		}                                                                       \
		if (__builtin_expect(*ret_ == ones_, 0))                                \
			return usher_window_ones(w_);                                   \
		return 0;                                                               \
	}                                                                               \
	static inline int usher_write##bits##_relaxed(                                  \
		struct usher_window *w_, uint64_t off_, uint##bits##_t v_)              \
	{                                                                               \
		if (__builtin_expect(off_ > w_->size || w_->size - off_ < (bytes), 0))  \
			return -ERANGE;                                                 \
		if (__builtin_expect(!w_->base, 0))                                     \
			return usher_window_store(w_, off_, (bytes), v_);               \
		*USHER_CAST_(volatile uint##bits##_t *,                                 \
			USHER_CAST_(volatile void *, w_->base + off_)) =                \
			USHER_CAST_(uint##bits##_t, swap(v_));                          \
		return __builtin_expect(w_->gone, 0) ? -ENODEV : 0;                     \
	}                                                                               \
	static inline int usher_read##bits(                                             \
		struct usher_window *w_, uint64_t off_, uint##bits##_t *ret_)           \
	{                                                                               \
		int r_ = usher_read##bits##_relaxed(w_, off_, ret_);                    \
		usher_rmb();                                                            \
		return r_;                                                              \
	}                                                                               \
	static inline int usher_write##bits(                                            \
		struct usher_window *w_, uint64_t off_, uint##bits##_t v_)              \
	{                                                                               \
		usher_wmb();                                                            \
		return usher_write##bits##_relaxed(w_, off_, v_);                       \
	}

USHER_ACCESSORS_(8, 1, )
USHER_ACCESSORS_(16, 2, USHER_LE16)
USHER_ACCESSORS_(32, 4, USHER_LE32)

/* 64-bit registers, accessed as w->split says. */
int usher_read64(struct usher_window *w, uint64_t off, uint64_t *ret);
int usher_write64(struct usher_window *w, uint64_t off, uint64_t v);

/*
 * Waits until all writes have reached the device, by a read of the 32-bit register at @off. The
 * read must have no side effect. Return: as a read.
 */
static inline int usher_window_flush(struct usher_window *w_, uint64_t off_)
{
	uint32_t v_;
	return usher_read32(w_, off_, &v_);
}

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
