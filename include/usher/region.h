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

/* Indices of regions, as the kernel counts them. Ref: linux/vfio.h VFIO_PCI_*_REGION_INDEX. */
#define USHER_BAR(n) ((uint32_t)(n)) /* 0 to 5 */
#define USHER_ROM 6u
#define USHER_CONFIG 7u
#define USHER_VGA 8u

#define USHER_REGION_READ 1u
#define USHER_REGION_WRITE 2u
#define USHER_REGION_MAP 4u /* some of it can be mapped */

struct usher_region {
	uint32_t index;
	uint32_t flags; /* USHER_REGION_* */
	uint64_t size; /* [bytes]; 0: not there */
	size_t area_count; /* what can be mapped; no more than 32 are told */
	struct {
		uint64_t off;
		uint64_t size;
	} areas[32];
};

/* Return: 0 (also for a region that is not there), -EINVAL no such index. */
int usher_region_info(
	struct usher_device *d, uint32_t index, struct usher_region *ret, struct usher_err *e);

/* Any bytes of any region, through the kernel. Return: 0, -ERANGE, -EACCES, -EIO, -ENODEV gone. */
int usher_region_read(struct usher_device *d, uint32_t index, uint64_t off, void *buf, size_t len);
int usher_region_write(
	struct usher_device *d, uint32_t index, uint64_t off, const void *buf, size_t len);

/*
 * @fd's signal makes the kernel write @value of @size bytes (1, 2, 4, 8) to the register; -1 ends
 * it. Return: 0, -EINVAL, -ENOTTY, -errno. Ref: linux/vfio.h VFIO_DEVICE_IOEVENTFD.
 */
int usher_region_ioeventfd(struct usher_device *d, uint32_t index, uint64_t off, unsigned size,
	uint64_t value, int fd);

/* How a 64-bit register is reached. */
enum usher_split {
	USHER_WHOLE, /* one access of 8 bytes */
	USHER_LOW_FIRST, /* two of 4 bytes */
	USHER_HIGH_FIRST,
};

enum usher_caching {
	USHER_UNCACHED, /* each access reaches the device, in order */
	USHER_COMBINED, /* stores may be gathered: for prefetchable memory, with usher_wmb() */
};

/*
 * A part of a region, mapped where it may be, else reached through the kernel; which one does not
 * show. The library knows where it is: it must stay there until it, or its device, is closed.
 *
 * A device can disappear under a load or store. Where the hardware answers all ones, the window
 * looks whether the device is still there; where the kernel answers SIGBUS (memory decoding off,
 * low power, unplugged), the window's page is replaced by one of all ones. Either way accesses
 * return -ENODEV from then on and the program lives. For this the library installs a handler
 * of SIGBUS with the first window, which passes on what happens outside of windows.
 */
struct usher_window {
	volatile uint8_t *base; /* NULL: through functions */
	uint64_t size;
	volatile int gone;
	enum usher_split split; /* the driver may change it at any time */
	enum usher_caching caching; /* what it is, whatever was asked for */
	struct usher_device *device;
	uint32_t region;
	uint64_t off; /* in the region */
	void *mapping; /* the library's */
	size_t mapping_size;
};

#define USHER_WINDOW_NONE ((struct usher_window){.base = NULL})

/*
 * Opens [@off, +@size) of a region. @size 0: all the rest. USHER_COMBINED is a wish.
 * Return: 0; -ERANGE; -EINVAL no such region; -ENOSPC too many windows in the process (256).
 * The window is the caller's: usher_window_close(), or usher_device_close().
 */
int usher_window_open(struct usher_device *d, uint32_t index, uint64_t off, uint64_t size,
	enum usher_caching caching, struct usher_window *ret, struct usher_err *e);

void usher_window_close(struct usher_window *w); /* twice is fine */

/* After the device came back (a reset, decoding on again). Return: 0, -ENODEV still gone. */
int usher_window_revive(struct usher_window *w);

/* The slow ways of the accessors below. @size: 1, 2, 4, 8. */
int usher_window_load(struct usher_window *w, uint64_t off, unsigned size, uint64_t *ret);
int usher_window_store(struct usher_window *w, uint64_t off, unsigned size, uint64_t value);
/*
 * A load gave all ones, or the device does not do what it should: is it there at all? Configuration
 * space is asked. Return: 0 yes, -ENODEV the device is gone.
 */
int usher_window_ones(struct usher_window *w);

/*
 * Barriers between memory that the device sees and its registers. usher_wmb(): what was written
 * to memory is there before the next store to the device. usher_rmb(): what the device had
 * written when a load told so is seen by the loads that follow.
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
 * Little-endian registers, naturally aligned. Reads order what follows behind them
 * (usher_rmb()), writes what precedes in front of them (usher_wmb()); the _relaxed ones do
 * neither. Values are the CPU's.
 * Return: 0; -ERANGE outside the window; -ENODEV the device is gone (reads: *@ret is all ones).
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

#define USHER_ACCESSORS_(bits, bytes, swap)                                                        \
	static inline int usher_read##bits##_relaxed(                                              \
		struct usher_window *w, uint64_t off, uint##bits##_t *ret)                         \
	{                                                                                          \
		if (__builtin_expect(off > w->size || w->size - off < (bytes), 0))                 \
			return -ERANGE;                                                            \
		if (__builtin_expect(!w->base, 0)) {                                               \
			uint64_t v_ = 0;                                                           \
			int r_ = usher_window_load(w, off, (bytes), &v_);                          \
			*ret = (uint##bits##_t)v_;                                                 \
			return r_;                                                                 \
		}                                                                                  \
		*ret = (uint##bits##_t)swap(                                                       \
			*(const volatile uint##bits##_t *)(const volatile void *)(w->base + off)); \
		if (__builtin_expect(w->gone, 0)) {                                                \
			*ret = (uint##bits##_t) ~UINT64_C(0);                                      \
			return -ENODEV;                                                            \
		}                                                                                  \
		if (__builtin_expect(*ret == (uint##bits##_t) ~UINT64_C(0), 0))                    \
			return usher_window_ones(w);                                               \
		return 0;                                                                          \
	}                                                                                          \
	static inline int usher_write##bits##_relaxed(                                             \
		struct usher_window *w, uint64_t off, uint##bits##_t v)                            \
	{                                                                                          \
		if (__builtin_expect(off > w->size || w->size - off < (bytes), 0))                 \
			return -ERANGE;                                                            \
		if (__builtin_expect(!w->base, 0))                                                 \
			return usher_window_store(w, off, (bytes), v);                             \
		*(volatile uint##bits##_t *)(volatile void *)(w->base + off) =                     \
			(uint##bits##_t)swap(v);                                                   \
		return __builtin_expect(w->gone, 0) ? -ENODEV : 0;                                 \
	}                                                                                          \
	static inline int usher_read##bits(                                                        \
		struct usher_window *w, uint64_t off, uint##bits##_t *ret)                         \
	{                                                                                          \
		int r_ = usher_read##bits##_relaxed(w, off, ret);                                  \
		usher_rmb();                                                                       \
		return r_;                                                                         \
	}                                                                                          \
	static inline int usher_write##bits(                                                       \
		struct usher_window *w, uint64_t off, uint##bits##_t v)                            \
	{                                                                                          \
		usher_wmb();                                                                       \
		return usher_write##bits##_relaxed(w, off, v);                                     \
	}

USHER_ACCESSORS_(8, 1, )
USHER_ACCESSORS_(16, 2, USHER_LE16)
USHER_ACCESSORS_(32, 4, USHER_LE32)

/* By w->split. */
int usher_read64(struct usher_window *w, uint64_t off, uint64_t *ret);
int usher_write64(struct usher_window *w, uint64_t off, uint64_t v);

/*
 * Waits until all writes have reached the device, by reading the 32-bit register at @off, which
 * must be harmless to read. Return: as a read.
 */
static inline int usher_window_flush(struct usher_window *w, uint64_t off)
{
	uint32_t v_;
	return usher_read32(w, off, &v_);
}

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
