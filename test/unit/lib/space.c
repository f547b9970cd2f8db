/* SPDX-License-Identifier: MIT */
/* The IOVA space on a model: where mappings go, and that each is unmapped as it was mapped. */
#include "lib/space.h"

#include "base/num.h"
#include "lib/plain_model.h"
#include "lib/space_rounds.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/err.h>

static struct usher_space *space;
static struct usher_device *dev;

static void open_plain(const struct usher_space_options *o)
{
	plain_model_register();
	ck_assert_int_eq(usher_space_new(o, &space, NULL), 0);
	ck_assert_int_eq(usher_device_open("model:plain", space, &dev, NULL), 0);
}

static void close_plain(void)
{
	usher_device_close(dev);
	usher_space_free(space);
}

static uint8_t *memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

START_TEST(needs_a_device_first)
{
	struct usher_space_info info;
	struct usher_err e;
	usher_iova_t iova;
	uint8_t *p = memory(4096);

	plain_model_register();
	ck_assert_int_eq(usher_space_new(NULL, &space, NULL), 0);
	ck_assert_int_eq(usher_space_map(space, p, 4096, USHER_DMA_BOTH, &iova, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "no device is in the IOVA space yet");
	ck_assert_int_eq(usher_space_query(space, &info, NULL), -EINVAL);
	usher_space_free(space);
}
END_TEST

START_TEST(places_mappings)
{
	struct usher_space_info info;
	usher_iova_t small, next, big;
	uint8_t *p = memory(MIB(4));

	open_plain(NULL);
	ck_assert_int_eq(usher_space_map(space, p, KIB(4), USHER_DMA_BOTH, &small, NULL), 0);
	ck_assert_uint_ne(small.v, 0);
	ck_assert_int_eq(usher_space_map(space, p, KIB(4), USHER_DMA_BOTH, &next, NULL), 0);
	ck_assert_uint_eq(next.v, small.v + KIB(8)); /* a guard page is between them */
	ck_assert_int_eq(usher_space_map(space, p, MIB(2), USHER_DMA_BOTH, &big, NULL), 0);
	ck_assert_uint_eq(big.v % MIB(2), 0);
	ck_assert_int_eq(usher_space_query(space, &info, NULL), 0);
	ck_assert_uint_eq(info.mappings, 3);
	ck_assert_uint_eq(info.mapped, MIB(2) + KIB(8));
	ck_assert_uint_eq(info.mappings_left, 65535 - 3);
	ck_assert_int_eq(
		usher_space_map(space, p, KIB(4) - 1, USHER_DMA_BOTH, &big, NULL), -EINVAL);
	ck_assert_int_eq(usher_space_map(space, p, KIB(4), 0, &big, NULL), -EINVAL);
	ck_assert_int_eq(usher_space_map(space, NULL, KIB(4), USHER_DMA_BOTH, &big, NULL), -EFAULT);
	ck_assert_int_eq(usher_space_map(space, p, UINT64_C(1) << 45, 1, &big, NULL), -ENOSPC);
	close_plain();
}
END_TEST

START_TEST(unmaps_exactly)
{
	usher_iova_t iova;
	struct usher_err e;
	uint8_t *p = memory(MIB(1));

	open_plain(NULL);
	ck_assert_int_eq(usher_space_map(space, p, KIB(16), USHER_DMA_BOTH, &iova, NULL), 0);
	ck_assert_int_eq(usher_space_unmap(space, iova, KIB(4), &e), -EINVAL);
	ck_assert_str_eq(e.hint, "a mapping can only be unmapped as a whole");
	iova.v += KIB(4);
	ck_assert_int_eq(usher_space_unmap(space, iova, KIB(12), &e), -ENOENT);
	iova.v -= KIB(4);
	ck_assert_int_eq(usher_space_unmap(space, iova, KIB(16), &e), 0);
	ck_assert_int_eq(usher_space_unmap(space, iova, KIB(16), &e), -ENOENT);
	close_plain();
}
END_TEST

START_TEST(keeps_freed_iovas_apart)
{
	const struct usher_space_options two = {.guard = 0, .quarantine = 2};
	usher_iova_t first, other;
	uint8_t *p = memory(MIB(1));

	open_plain(&two);
	ck_assert_int_eq(usher_space_map(space, p, KIB(4), USHER_DMA_BOTH, &first, NULL), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(usher_space_unmap(space, first, KIB(4), NULL), 0);
		ck_assert_int_eq(usher_space_map(space, p, KIB(4), 3, &other, NULL), 0);
		ck_assert_uint_ne(other.v, first.v);
		first = other;
	}
	ck_assert_int_eq(usher_space_unmap(space, first, KIB(4), NULL), 0);
	ck_assert_int_eq(usher_space_map(space, p, KIB(4), 3, &other, NULL), 0);
	ck_assert_uint_eq(other.v, KIB(4)); /* the oldest place is free again */
	ck_assert_int_eq(usher_space_unmap(space, other, KIB(4), NULL), 0);
	usher_space_flush_quarantine(space);
	ck_assert_int_eq(usher_space_map(space, p, KIB(4), 3, &first, NULL), 0);
	ck_assert_uint_eq(first.v, KIB(4));
	close_plain();
}
END_TEST

START_TEST(takes_iovas_of_the_callers)
{
	uint8_t *p = memory(MIB(1));
	usher_iova_t at = {GIB(1)}, msi = {0xfee00000}, beyond = {UINT64_C(1) << 39};

	open_plain(NULL);
	ck_assert_int_eq(usher_space_map_at(space, at, p, KIB(64), 3, NULL), 0);
	at.v += KIB(4);
	ck_assert_int_eq(usher_space_map_at(space, at, p, KIB(4), 3, NULL), -EEXIST);
	ck_assert_int_eq(usher_space_map_at(space, msi, p, KIB(4), 3, NULL), -ERANGE);
	ck_assert_int_eq(usher_space_map_at(space, beyond, p, KIB(4), 3, NULL), -ERANGE);
	at.v = GIB(1);
	ck_assert_int_eq(usher_space_unmap(space, at, KIB(64), NULL), 0);
	ck_assert_int_eq(usher_space_map_at(space, at, p, KIB(64), 3, NULL), 0);
	ck_assert_int_eq(usher_space_reserve(space, MIB(1), MIB(1), &at, NULL), 0);
	ck_assert_uint_eq(at.v % MIB(1), 0);
	ck_assert_int_eq(usher_space_map_at(space, at, p, KIB(4), 3, NULL), -EEXIST);
	ck_assert_int_eq(usher_space_unmap(space, at, MIB(1), NULL), -ENOENT);
	ck_assert_int_eq(usher_space_release(space, at, NULL), 0);
	ck_assert_int_eq(usher_space_release(space, at, NULL), -ENOENT);
	close_plain();
}
END_TEST

static usher_iova_t somewhere(void *p)
{
	usher_iova_t iova = {0};

	ck_assert_int_eq(usher_space_map(space, p, KIB(4), USHER_DMA_BOTH, &iova, NULL), 0);
	return iova;
}

static int at(uint64_t iova, void *p, uint64_t size)
{
	return usher_space_map_at(space, (usher_iova_t){iova}, p, size, USHER_DMA_BOTH, NULL);
}

static void gone(uint64_t iova, uint64_t size)
{
	ck_assert_int_eq(usher_space_unmap(space, (usher_iova_t){iova}, size, NULL), 0);
}

START_TEST(guards_what_the_caller_places)
{
	uint8_t *p = memory(MIB(1));

	open_plain(NULL);
	ck_assert_int_eq(at(KIB(4), p, KIB(4)), 0);
	ck_assert_uint_eq(somewhere(p).v, KIB(12));
	/* The caller may place mappings adjacent to another, before and after it. */
	ck_assert_int_eq(at(KIB(8), p, KIB(4)), 0);
	ck_assert_int_eq(at(KIB(16), p, KIB(4)), 0);
	ck_assert_int_eq(at(KIB(16), p, KIB(4)), -EEXIST);
	ck_assert_int_eq(at(KIB(16), p, KIB(8)), -EEXIST);
	ck_assert_int_eq(at(0, p, KIB(4)), -EEXIST);
	ck_assert_uint_eq(somewhere(p).v, KIB(24));
	/* A guard is whole again when the mapping inside it is gone. */
	usher_space_flush_quarantine(space);
	gone(KIB(16), KIB(4));
	gone(KIB(8), KIB(4));
	usher_space_flush_quarantine(space);
	ck_assert_uint_eq(somewhere(p).v, KIB(32));
	gone(KIB(12), KIB(4));
	usher_space_flush_quarantine(space);
	ck_assert_uint_eq(somewhere(p).v, KIB(12));
	close_plain();
}
END_TEST

START_TEST(a_refused_place_disturbs_no_rest)
{
	uint8_t *p = memory(MIB(1));

	open_plain(NULL);
	ck_assert_int_eq(at(MIB(1), p, KIB(4)), 0);
	uint64_t first = somewhere(p).v, second = somewhere(p).v;
	gone(first, KIB(4));
	gone(second, KIB(4));
	ck_assert_int_eq(at(MIB(1), p, KIB(4)), -EEXIST);
	ck_assert_uint_gt(somewhere(p).v, second);
	/* The caller may use one quarantined IOVA; the other stays in quarantine. */
	ck_assert_int_eq(at(second, p, KIB(4)), 0);
	ck_assert_uint_gt(somewhere(p).v, second);
	/* No such memory: the guard of the neighbour is unchanged. */
	ck_assert_int_eq(at(second + KIB(4), NULL, KIB(4)), -EFAULT);
	ck_assert_int_eq(at(second + KIB(4), (void *)(uintptr_t)KIB(4), KIB(4)), -EFAULT);
	usher_space_flush_quarantine(space);
	ck_assert_uint_eq(somewhere(p).v, first);
	ck_assert_uint_gt(somewhere(p).v, second + KIB(4));
	close_plain();
}
END_TEST

START_TEST(rests_end_without_a_group_too)
{
	usher_iova_t iova;
	uint8_t *p = memory(MIB(1));

	open_plain(NULL);
	iova = somewhere(p);
	gone(iova.v, KIB(4));
	usher_device_close(dev);
	usher_space_flush_quarantine(space);
	ck_assert_int_eq(usher_device_open("model:plain", space, &dev, NULL), 0);
	ck_assert_uint_eq(somewhere(p).v, iova.v);
	close_plain();
}
END_TEST

START_TEST(obeys_the_narrowest_device)
{
	usher_iova_t iova = {GIB(1)};
	struct usher_device *second;
	uint8_t *p = memory(MIB(1));

	open_plain(NULL);
	ck_assert_int_eq(usher_device_open("model:plain", space, &second, NULL), 0);
	ck_assert_int_eq(usher_space_map_at(space, iova, p, KIB(4), 3, NULL), 0);
	ck_assert_int_eq(usher_device_set_dma_bits(second, 28, NULL), -ERANGE);
	ck_assert_int_eq(usher_space_unmap(space, iova, KIB(4), NULL), 0);
	ck_assert_int_eq(usher_device_set_dma_bits(second, 28, NULL), 0);
	ck_assert_int_eq(usher_device_set_dma_bits(second, 8, NULL), -EINVAL);
	ck_assert_int_eq(usher_space_map_at(space, iova, p, KIB(4), 3, NULL), -ERANGE);
	ck_assert_int_eq(usher_space_reserve(space, MIB(256), 0, &iova, NULL), -ENOSPC);
	usher_device_close(second); /* the mask goes with the device */
	iova.v = GIB(1);
	ck_assert_int_eq(usher_space_map_at(space, iova, p, KIB(4), 3, NULL), 0);
	close_plain();
}
END_TEST

START_TEST(forgets_what_a_mask_cuts_off)
{
	const struct usher_space_options none = {.guard = 0, .quarantine = 0};
	usher_iova_t high = {GIB(1)}, iova;
	uint8_t *p = memory(KIB(4));

	open_plain(&none);
	for (int i = 0; i < 2; i++) {
		/* In the second round this place has left the quarantine, and is used first. */
		ck_assert_int_eq(usher_space_map_at(space, high, p, KIB(4), 3, NULL), 0);
		ck_assert_int_eq(usher_space_unmap(space, high, KIB(4), NULL), 0);
		if (i)
			ck_assert_int_eq(usher_device_set_dma_bits(dev, 28, NULL), 0);
		ck_assert_int_eq(usher_space_map(space, p, KIB(4), 3, &iova, NULL), 0);
		ck_assert_uint_eq(iova.v, i ? KIB(4) : GIB(1));
		ck_assert_int_eq(usher_space_unmap(space, iova, KIB(4), NULL), 0);
	}
	close_plain();
}
END_TEST

static bool reaches(struct usher_device *d, usher_iova_t iova)
{
	uint8_t byte;

	ck_assert_int_eq(usher_device_master_on(d, NULL), 0);
	return !usher_model_dma_read(usher_model_of(d), iova, &byte, 1);
}

START_TEST(outlives_its_devices)
{
	struct usher_buffer b;
	struct usher_device *second;

	open_plain(NULL);
	ck_assert_int_eq(usher_buffer_alloc(space, KIB(8), 0, &b, NULL), 0);
	ck_assert_int_eq(usher_device_open("model:plain", space, &second, NULL), 0);
	ck_assert(reaches(dev, b.iova) && reaches(second, b.iova));
	dev = usher_device_close(dev);
	ck_assert(reaches(second, b.iova));
	usher_device_close(second);
	ck_assert_int_eq(usher_device_open("model:plain", space, &dev, NULL), 0);
	ck_assert(reaches(dev, b.iova));
	usher_buffer_free(&b);
	close_plain();
}
END_TEST

START_TEST(shares_buffers)
{
	struct usher_space *other;
	struct usher_device *second;
	struct usher_buffer b, copy;
	usher_iova_t at;

	open_plain(NULL);
	ck_assert_int_eq(usher_space_new(NULL, &other, NULL), 0);
	ck_assert_int_eq(usher_device_open("model:plain", other, &second, NULL), 0);
	ck_assert_int_eq(usher_buffer_alloc(space, 5000, USHER_BUFFER_TO_DEVICE, &b, NULL), 0);
	ck_assert_uint_eq(b.size, 8192);
	ck_assert_int_eq(usher_buffer_share(&b, other, &copy, NULL), 0);
	strcpy(b.host, "seen by both");
	ck_assert_str_eq(copy.host, "seen by both");
	ck_assert(reaches(second, copy.iova));
	ck_assert_int_eq(usher_model_dma_write(usher_model_of(second), copy.iova, "x", 1), -EFAULT);
	ck_assert_int_eq(usher_buffer_of(&b, (char *)b.host + 8000, 192, &at), 0);
	ck_assert_uint_eq(at.v, b.iova.v + 8000);
	ck_assert_int_eq(usher_buffer_of(&b, (char *)b.host + 8000, 193, &at), -ERANGE);
	ck_assert_int_eq(usher_buffer_of(&b, (char *)b.host - 1, 1, &at), -ERANGE);
	usher_buffer_free(&copy);
	usher_buffer_free(&b);
	usher_buffer_free(&b);
	usher_device_close(second);
	usher_space_free(other);
	close_plain();
}
END_TEST

START_TEST(says_where_huge_pages_come_from)
{
	struct usher_buffer b = USHER_BUFFER_NONE;
	struct usher_err e;

	open_plain(NULL);
	/* 32 TiB of huge pages: no host has reserved that many. */
	ck_assert_int_lt(
		usher_buffer_alloc(space, UINT64_C(1) << 45, USHER_BUFFER_HUGE_2M, &b, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.msg, "get 35184372088832 bytes of memory for DMA"));
	ck_assert_ptr_nonnull(strstr(e.hint, "huge pages are reserved beforehand"));
	close_plain();
}
END_TEST

static int never_unmaps(struct vfio_ioas *s, iova_t iova, uint64_t size, uint64_t *ret)
{
	(void)s, (void)iova, (void)size, (void)ret;
	return -EIO;
}

START_TEST(keeps_a_buffer_that_devices_still_reach)
{
	struct usher_buffer b = USHER_BUFFER_NONE;

	open_plain(NULL);
	ck_assert_int_eq(usher_buffer_alloc(space, 4096, 0, &b, NULL), 0);
	const struct vfio_ioas_ops *ops = space->ioas.ops;
	struct vfio_ioas_ops stubborn = *ops;
	stubborn.unmap = never_unmaps;
	space->ioas.ops = &stubborn;
	ck_assert_int_eq(usher_buffer_free(&b), -EIO);
	ck_assert_ptr_nonnull(b.host);
	((uint8_t *)b.host)[0] = 7;
	ck_assert(reaches(dev, b.iova));
	space->ioas.ops = ops;
	ck_assert_int_eq(usher_buffer_free(&b), 0);
	ck_assert_ptr_null(b.host);
	close_plain();
}
END_TEST

START_TEST(frees_a_buffer_that_the_caller_unmapped)
{
	struct usher_buffer b = USHER_BUFFER_NONE;

	open_plain(NULL);
	ck_assert_int_eq(usher_buffer_alloc(space, 4096, 0, &b, NULL), 0);
	ck_assert_int_eq(usher_space_unmap(space, b.iova, b.size, NULL), 0);
	ck_assert_int_eq(usher_buffer_free(&b), 0);
	ck_assert_int_eq(b.fd, -1);
	close_plain();
}
END_TEST

START_TEST(takes_callers_of_every_version)
{
	struct {
		struct usher_space_options known;
		uint64_t later;
	} o = {.known = {.guard = 4096, .quarantine = 1}};
	struct {
		struct usher_space_info known;
		uint64_t later;
	} info = {.later = 9};
	struct usher_err e;

	open_plain(NULL);
	ck_assert_int_eq(usher_space_query_sized(space, &info.known, sizeof(info), &e), 0);
	ck_assert_uint_gt(info.known.span_count, 0);
	ck_assert_uint_eq(info.later, 0);
	ck_assert_int_eq(usher_space_query_sized(space, &info.known, 8, &e), -EINVAL);
	close_plain();
	ck_assert_int_eq(usher_space_new_sized(&o.known, sizeof(o), &space, &e), 0);
	usher_space_free(space);
	o.later = 1;
	ck_assert_int_eq(usher_space_new_sized(&o.known, sizeof(o), &space, &e), -E2BIG);
}
END_TEST

START_TEST(refuses_a_guard_that_leaves_nothing)
{
	const struct usher_space_options o = {.guard = UINT64_MAX};
	struct usher_err e;

	ck_assert_int_eq(usher_space_new(&o, &space, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "a guard of 18446744073709551615 bytes leaves no"));
}
END_TEST

static int is_reached(usher_iova_t iova)
{
	return reaches(dev, iova);
}

START_TEST(agrees_with_a_reference)
{
	open_plain(NULL);
	const char *wrong = space_rounds(space, memory(SPACE_ROUNDS_MEMORY), is_reached);
	ck_assert_msg(!wrong, "%s", wrong);
	close_plain();
}
END_TEST

SUITE("lib_space", needs_a_device_first, places_mappings, unmaps_exactly, keeps_freed_iovas_apart,
	takes_iovas_of_the_callers, guards_what_the_caller_places, a_refused_place_disturbs_no_rest,
	rests_end_without_a_group_too, obeys_the_narrowest_device, forgets_what_a_mask_cuts_off,
	outlives_its_devices, shares_buffers, keeps_a_buffer_that_devices_still_reach,
	frees_a_buffer_that_the_caller_unmapped, takes_callers_of_every_version,
	refuses_a_guard_that_leaves_nothing, says_where_huge_pages_come_from,
	agrees_with_a_reference)
