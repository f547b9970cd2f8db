/* SPDX-License-Identifier: MIT */
/*
 * The VFIO calls against a scripted kernel, which answers as linux/vfio.h says, and as it should
 * not: short unmaps, broken capability chains, areas outside their region.
 */
#include "vfio/container.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "suite.h"
#include "vfio/device.h"
#include "vfio/explain.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The next answer of the scripted kernel, and the last call. */
static struct {
	uint8_t info[512]; /* of a region or an IOMMU, header and capabilities */
	size_t info_size;
	int code;
	uint64_t unmapped;
	uint32_t set[5]; /* struct vfio_irq_set: argsz, flags, index, start, count */
	int fds[4];
	uint8_t bar[16];
} model;

static int answer(void *arg, uint32_t argsz)
{
	uint32_t want = (uint32_t)model.info_size;

	memcpy(arg, model.info, min_u64(argsz, model.info_size));
	memcpy(arg, &want, sizeof(want)); /* argsz: first in every structure */
	return 0;
}

int __real_ioctl(int fd, unsigned long request, void *arg);
ssize_t __real_pread64(int fd, void *buf, size_t len, off_t off);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off);

#define SCRIPTED 1000 /* the descriptor of a device and a container that answer from the script */

static int scripted_ioctl(unsigned long request, void *arg)
{
	struct vfio_iommu_type1_dma_unmap *u = arg;
	struct vfio_device_info *info = arg;
	struct vfio_irq_set *set = arg;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI;
		info->num_regions = 9;
		info->num_irqs = 5;
		return 0;
	case VFIO_CHECK_EXTENSION:
		return 1;
	case VFIO_DEVICE_SET_IRQS:
		memcpy(model.set, set, sizeof(model.set));
		memcpy(model.fds, set->data, min_u64(set->argsz - sizeof(*set), sizeof(model.fds)));
		return model.code;
	default:
		break;
	}
	if (model.code)
		return model.code;
	switch (request) {
	case VFIO_IOMMU_GET_INFO: /* and VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, by number */
	case VFIO_DEVICE_GET_REGION_INFO:
		return answer(arg, *(uint32_t *)arg);
	case VFIO_IOMMU_UNMAP_DMA:
		u->size = model.unmapped;
		return 0;
	default:
		return 0;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;

	va_start(ap, request);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	if (fd != SCRIPTED)
		return __real_ioctl(fd, request, arg);
	int r = scripted_ioctl(request, arg);
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off)
{
	if (fd != SCRIPTED)
		return __real_pread64(fd, buf, len, off);
	memcpy(buf, model.bar + (off - 0x100), len);
	return (ssize_t)len;
}

static struct vfio_dev dev(void)
{
	struct vfio_dev d;

	ck_assert_int_eq(vfio_dev_from_fd(SCRIPTED, &d, NULL), 0);
	return d;
}

/* The first call asks the container for its version. */
static struct vfio_ioas ioas(void)
{
	struct vfio_ioas s;

	ck_assert_int_eq(vfio_ioas_from_fd(SCRIPTED, &s, NULL), 0);
	return s;
}

static void region(uint64_t size, uint32_t flags)
{
	struct vfio_region_info r = {
		.flags = flags, .cap_offset = sizeof(r), .size = size, .offset = 0x100};

	memset(&model, 0, sizeof(model));
	memcpy(model.info, &r, sizeof(r));
	model.info_size = sizeof(r);
}

static void *cap(uint16_t id, uint32_t next, size_t size)
{
	struct vfio_info_cap_header h = {.id = id, .version = 1, .next = next};
	void *at = model.info + model.info_size;

	memcpy(at, &h, sizeof(h));
	model.info_size += size;
	return at;
}

#define MAPPABLE \
	(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP)

START_TEST(takes_sparse_areas_that_fit)
{
	struct vfio_dev d = dev();
	struct vfio_region r;
	struct vfio_region_sparse_mmap_area areas[] = {
		{0, 0x1000}, {0x3000, 0x1000}, {0x3800, 0x1000}, {0x4000, 0}, {0xf000, 0x2000}};

	region(0x10000, MAPPABLE | VFIO_REGION_INFO_FLAG_CAPS);
	struct vfio_region_info_cap_sparse_mmap *s = cap(VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		(uint32_t)(sizeof(struct vfio_region_info) + sizeof(*s) + sizeof(areas)),
		sizeof(*s) + sizeof(areas));
	s->nr_areas = COUNT(areas);
	memcpy(s->areas, areas, sizeof(areas));
	cap(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 0, sizeof(struct vfio_info_cap_header));

	ck_assert_int_eq(vfio_region_info(&d, 0, &r, NULL), 0);
	ck_assert_uint_eq(r.size, 0x10000);
	ck_assert(r.msix_mappable);
	ck_assert_uint_eq(r.area_count, 2); /* dropped: overlapping, empty, beyond the end */
	ck_assert_uint_eq(r.areas[1].off, 0x3000);

	s->nr_areas = UINT32_MAX; /* larger than the answer */
	ck_assert_int_eq(vfio_region_info(&d, 0, &r, NULL), 0);
	ck_assert_uint_le(r.area_count, 3);
}
END_TEST

START_TEST(ends_a_chain_that_goes_back)
{
	struct vfio_dev d = dev();
	struct vfio_region r;

	region(0x1000, MAPPABLE | VFIO_REGION_INFO_FLAG_CAPS);
	cap(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, sizeof(struct vfio_region_info),
		sizeof(struct vfio_info_cap_header));
	ck_assert_int_eq(vfio_region_info(&d, 0, &r, NULL), 0);
	ck_assert(r.msix_mappable);
	ck_assert_uint_eq(r.area_count, 1); /* no sparse areas: the whole region */
	ck_assert_uint_eq(r.areas[0].size, 0x1000);
}
END_TEST

START_TEST(refuses_a_region_beyond_its_file)
{
	struct vfio_dev d = dev();
	struct vfio_region r;

	region(UINT64_MAX, MAPPABLE);
	ck_assert_int_eq(vfio_region_info(&d, 0, &r, NULL), -EPROTO);
}
END_TEST

START_TEST(reads_registers_in_bounds)
{
	struct vfio_dev d = dev();
	struct vfio_region r;
	uint64_t v = 77;

	region(16, VFIO_REGION_INFO_FLAG_READ);
	memcpy(model.bar, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	ck_assert_int_eq(vfio_region_info(&d, 0, &r, NULL), 0);
	ck_assert_int_eq(vfio_region_get(&d, &r, 0, 4, &v), 0);
	ck_assert_uint_eq(v, 0x04030201);
	ck_assert_int_eq(vfio_region_get(&d, &r, 0, 8, &v), 0);
	ck_assert_uint_eq(v, 0x0807060504030201);
	ck_assert_int_eq(vfio_region_get(&d, &r, 13, 4, &v), -ERANGE);
	ck_assert_int_eq(vfio_region_put(&d, &r, 0, 4, 0), -EACCES);
}
END_TEST

START_TEST(sets_vectors)
{
	struct vfio_dev d = dev();
	int fds[] = {7, -1, 9};

	memset(&model, 0, sizeof(model));
	ck_assert_int_eq(vfio_irq_set(&d, VFIO_PCI_MSIX_IRQ_INDEX, 2, fds, 3), 0);
	ck_assert_uint_eq(model.set[0], sizeof(model.set) + sizeof(fds));
	ck_assert_uint_eq(model.set[3], 2);
	ck_assert_uint_eq(model.set[4], 3);
	ck_assert_uint_eq(model.set[1], VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
	ck_assert_int_eq(model.fds[1], -1);
	ck_assert_int_eq(model.fds[2], 9);

	model.code = 1; /* the kernel has one vector only, and returns their number */
	ck_assert_int_eq(vfio_irq_set(&d, VFIO_PCI_MSIX_IRQ_INDEX, 0, fds, 3), 1);
	ck_assert_int_eq(vfio_irq_disable(&d, VFIO_PCI_MSIX_IRQ_INDEX), -EIO);
	model.code = 0;
	ck_assert_int_eq(vfio_irq_disable(&d, VFIO_PCI_MSIX_IRQ_INDEX), 0);
	ck_assert_uint_eq(model.set[4], 0);
	ck_assert_uint_eq(model.set[1], VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
	ck_assert_int_eq(vfio_irq_set(&d, 0, 0, fds, 0), -EINVAL);
	ck_assert_int_eq(vfio_irq_set(&d, 0, 0, fds, VFIO_VECTORS_MAX + 1), -EINVAL);
}
END_TEST

START_TEST(learns_the_iommu)
{
	struct vfio_iommu_type1_info info = {
		.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
		.iova_pgsizes = 0x40201000,
		.cap_offset = sizeof(info)};
	struct vfio_iova_range ranges[] = {{0, 0xfedfffff}, {0xfef00000, 0x7fffffffff}};
	struct vfio_iommu got;

	memset(&model, 0, sizeof(model));
	memcpy(model.info, &info, sizeof(info));
	model.info_size = sizeof(info);
	uint32_t second =
		(uint32_t)(sizeof(info) + sizeof(struct vfio_iommu_type1_info_cap_iova_range) +
			   sizeof(ranges));
	struct vfio_iommu_type1_info_cap_iova_range *c =
		cap(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, second, sizeof(*c) + sizeof(ranges));
	c->nr_iovas = 2;
	memcpy(c->iova_ranges, ranges, sizeof(ranges));
	struct vfio_iommu_type1_info_dma_avail *a =
		cap(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 0, sizeof(*a));
	a->avail = 65535;

	struct vfio_ioas s = ioas();
	ck_assert_int_eq(vfio_ioas_info(&s, &got, NULL), 0);
	ck_assert_uint_eq(got.page_sizes, 0x40201000);
	ck_assert_uint_eq(got.dma_avail, 65535);
	ck_assert_uint_eq(got.range_count, 2);
	ck_assert_uint_eq(got.ranges[1].first.v, 0xfef00000);
	ck_assert_uint_eq(got.ranges[1].last.v, 0x7fffffffff);
	vfio_ioas_close(&s);
}
END_TEST

START_TEST(holds_unmap_to_its_word)
{
	struct err e;

	memset(&model, 0, sizeof(model));
	struct vfio_ioas s = ioas();
	const struct vfio_container container = {.fd = SCRIPTED};
	model.unmapped = 0x1000;
	ck_assert_int_eq(vfio_ioas_unmap(&s, IOVA(0x1000), 0x1000, &e), 0);
	ck_assert_int_eq(vfio_ioas_unmap(&s, IOVA(0x1000), 0x2000, &e), -EIO);
	model.unmapped = 0;
	ck_assert_int_eq(vfio_ioas_unmap(&s, IOVA(0x1000), 0x2000, &e), -ENOENT);
	model.code = -ENOMEM;
	ck_assert_int_eq(vfio_ioas_map(&s, IOVA(0), NULL, 0x1000, 3, &e), -ENOMEM);
	model.code = -EPERM;
	ck_assert_int_eq(vfio_container_set_iommu(&container, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "remap interrupts"));
	ck_assert_ptr_nonnull(strstr(e.hint, "allow_unsafe_interrupts"));
	vfio_ioas_close(&s);
}
END_TEST

START_TEST(tells_a_container_from_a_file)
{
	struct vfio_ioas c;
	struct vfio_dev d;
	struct err e;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(vfio_ioas_from_fd(fds[0], &c, &e), -ENOTTY);
	ck_assert_int_eq(vfio_dev_from_fd(fds[0], &d, &e), -ENOTTY);
	ck_assert_int_eq(close(fds[0]) | close(fds[1]), 0); /* they are still ours */
}
END_TEST

static struct host *snapshot(const char *extra)
{
	char path[FILE_PATH_MAX], text[8192];
	struct host *h = NULL;
	struct err e;
	static char copy[] = "/tmp/usher-vfio-XXXXXX";

	ck_assert_int_eq(file_path(path, sizeof(path), "%s/host/bridge.host", suite_fixtures), 0);
	int len = file_read(path, text, sizeof(text));
	ck_assert_int_gt(len, 0);
	char *end = text + len - strlen("end"); /* file_read() removes the newline */
	ck_assert_str_eq(end, "end");
	len = (int)(end - text);
	ck_assert_int_lt(snprintf(end, sizeof(text) - (size_t)len, "\n%s\nend\n", extra),
		(int)sizeof(text) - len);
	int fd = mkstemp(copy);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, text, strlen(text)), 0);
	ck_assert_int_eq(host_snapshot_open(copy, &h, &e), 0);
	ck_assert_int_eq(close(fd) | unlink(copy), 0);
	return h;
}

/* Group 2 is in use, and no process has its node open. */
static void busy_without_node(struct host *h, const char *hint)
{
	struct err e;

	ck_assert_int_eq(vfio_explain_busy(h, 2, makedev(235, 3), &e), -EBUSY);
	ck_assert_str_eq(e.msg, "IOMMU group 2 is in use by another process");
	ck_assert_str_eq(e.hint, hint);
}

START_TEST(names_who_is_in_the_way)
{
	struct host *h = snapshot("holder 4711 1000 235:2 sp\\x1bdk");
	struct err e;

	ck_assert_int_eq(vfio_explain_not_viable(h, 2, &e), -EPERM);
	ck_assert_str_eq(e.msg, "IOMMU group 2 is not viable: 0000:02:01.0 is on 'e1000'");
	ck_assert_str_eq(
		e.hint, "the whole group must leave the host's drivers: usher bind 0000:02:01.0");
	ck_assert_int_eq(vfio_explain_not_viable(h, 99, &e), -EPERM);
	ck_assert_int_eq(vfio_explain_not_viable(NULL, 2, &e), -EPERM);

	ck_assert_int_eq(vfio_explain_busy(h, 2, makedev(235, 2), &e), -EBUSY);
	ck_assert_str_eq(e.msg, "IOMMU group 2 is open in process 4711 ('sp\\x1bdk', user 1000)");
	busy_without_node(h,
		"a device of the group may be open without its node: see /proc/*/fd for "
		"anon_inode:[vfio-device]");
	host_close(h);
}
END_TEST

START_TEST(names_who_may_have_a_device_open)
{
	struct host *h = snapshot("link /proc/1/fd/3 anon_inode:[eventfd]\n"
				  "link /proc/12/fd/3 anon_inode:[vfio-device]\n"
				  "link /proc/12/fd/4 anon_inode:[vfio-device]\n"
				  "file /proc/12/comm sp\\x1bdk\n"
				  "link /proc/47/fd/9 anon_inode:[vfio-device]\n"
				  "link /proc/self/fd/9 anon_inode:[vfio-device]");

	busy_without_node(h,
		"a device of the group may be open without its node; VFIO devices are open in: "
		"process 12 ('sp\\x1bdk'), process 47 ('')");
	host_close(h);
}
END_TEST

START_TEST(tells_why_a_group_has_not_the_device)
{
	struct host *h = snapshot("");
	struct err e = {.msg = "as it was"};

	ck_assert_int_eq(vfio_explain_absent(h, "0000:09:00.0", &e), -ENODEV);
	ck_assert_int_eq(vfio_explain_absent(NULL, "0000:02:01.0", &e), -ENODEV);
	ck_assert_str_eq(e.msg, "as it was");
	ck_assert_int_eq(vfio_explain_absent(h, "0000:02:01.0", &e), -ENODEV);
	ck_assert_str_eq(e.msg, "0000:02:01.0 is on driver 'e1000', not on vfio-pci");
	ck_assert_str_eq(e.hint, "usher bind 0000:02:01.0");
	ck_assert_int_eq(vfio_explain_absent(h, "0000:02:02.0", &e), -ENODEV);
	ck_assert_str_eq(e.msg, "0000:02:02.0 is on no driver, so VFIO does not have it");
	host_close(h);
}
END_TEST

SUITE("vfio", names_who_is_in_the_way, names_who_may_have_a_device_open,
	tells_why_a_group_has_not_the_device, takes_sparse_areas_that_fit,
	ends_a_chain_that_goes_back, refuses_a_region_beyond_its_file, reads_registers_in_bounds,
	sets_vectors, learns_the_iommu, holds_unmap_to_its_word, tells_a_container_from_a_file)
