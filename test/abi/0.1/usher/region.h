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

#define USHER_BAR(n) ((uint32_t)(n))
#define USHER_ROM 6u
#define USHER_CONFIG 7u
#define USHER_VGA 8u

#define USHER_REGION_READ 1u
#define USHER_REGION_WRITE 2u
#define USHER_REGION_MAP 4u

struct usher_region {
	uint32_t index;
	uint32_t flags;
	uint64_t size;
	uint32_t type;
	uint32_t subtype;
	size_t area_count;
	struct {
		uint64_t off;
		uint64_t size;
	} areas[32];
};

int usher_region_info(
	struct usher_device *d, uint32_t index, struct usher_region *ret, struct usher_err *e);

int usher_region_read(struct usher_device *d, uint32_t index, uint64_t off, void *buf, size_t len);
int usher_region_write(
	struct usher_device *d, uint32_t index, uint64_t off, const void *buf, size_t len);

int usher_region_ioeventfd(struct usher_device *d, uint32_t index, uint64_t off, unsigned size,
	uint64_t value, int fd);

enum usher_split {
	USHER_WHOLE,
	USHER_LOW_FIRST,
	USHER_HIGH_FIRST,
};

enum usher_caching {
	USHER_UNCACHED,
	USHER_COMBINED,
};

struct usher_window {
	volatile uint8_t *base;
	uint64_t size;
	volatile int gone;
	enum usher_split split;
	enum usher_caching caching;
	struct usher_device *device;
	uint32_t region;
	uint64_t off;
	void *mapping;
	size_t mapping_size;
};

#ifdef __cplusplus
#define USHER_WINDOW_NONE (usher_window())
#else
#define USHER_WINDOW_NONE ((struct usher_window){.base = NULL})
#endif

int usher_window_open(struct usher_device *d, uint32_t index, uint64_t off, uint64_t size,
	enum usher_caching caching, struct usher_window *ret, struct usher_err *e);

void usher_window_close(struct usher_window *w);

int usher_window_revive(struct usher_window *w);

int usher_window_load(struct usher_window *w, uint64_t off, unsigned size, uint64_t *ret);
int usher_window_store(struct usher_window *w, uint64_t off, unsigned size, uint64_t value);

int usher_window_ones(struct usher_window *w);

#if defined(__x86_64__) || defined(__i386__)

#define usher_wmb() __asm__ __volatile__("" ::: "memory")
#define usher_rmb() __asm__ __volatile__("" ::: "memory")

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

int usher_read64(struct usher_window *w, uint64_t off, uint64_t *ret);
int usher_write64(struct usher_window *w, uint64_t off, uint64_t v);

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
