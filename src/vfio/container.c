/* SPDX-License-Identifier: MIT */
#include "vfio/container.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vfio/cap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define INFO_SIZE_MAX KIB(64) /* a larger answer is cut: no kernel gives one */

/* ioctl(2) as 0 or more, or -errno. */
static int container_call(const struct vfio_container *c, unsigned long request, void *arg)
{
	int r = ioctl(c->fd, request, arg);

	return r < 0 ? -errno : r;
}

static int explain_container_open(int code, struct err *e)
{
	(void)err_set(e, code, "open %s", VFIO_CONTAINER_NODE);
	switch (code) {
	case -ENOENT:
	case -ENODEV:
		err_hint(e, "VFIO is not loaded: modprobe vfio-pci");
		break;
	case -EACCES:
	case -EPERM:
		err_hint(e, "the node is mode 0666 by default: udev or a container runtime "
			    "narrowed it");
		break;
	default:
		break;
	}
	return code;
}

int vfio_container_open(struct vfio_container *ret, struct err *e)
{
	cleanup_fd int fd = open(VFIO_CONTAINER_NODE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return explain_container_open(-errno, e);
	int r = vfio_container_from_fd(fd, ret, e);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	return 0;
}

int vfio_container_from_fd(int fd, struct vfio_container *ret, struct err *e)
{
	struct vfio_container c = {.fd = fd};
	int version = container_call(&c, VFIO_GET_API_VERSION, NULL);

	if (version < 0)
		return err_set(e, version, "descriptor %d is not a VFIO container", fd);
	if (version != VFIO_API_VERSION)
		return err_say(e, -EPROTO, "this kernel's VFIO is version %d, usher speaks %d",
			version, VFIO_API_VERSION);
	if (!vfio_container_has(&c, VFIO_TYPE1v2_IOMMU)) {
		(void)err_say(e, -ENOTSUP, "VFIO has no type 1 (v2) IOMMU");
		err_hint(e, "modprobe vfio_iommu_type1; it needs an IOMMU that is switched on");
		return -ENOTSUP;
	}
	*ret = c;
	return 0;
}

void vfio_container_close(struct vfio_container *c)
{
	fd_close(&c->fd);
}

int vfio_container_has(const struct vfio_container *c, unsigned long extension)
{
	/* The argument itself, not a pointer to it. */
	int r = container_call(c, VFIO_CHECK_EXTENSION, (void *)extension);

	return r > 0 ? r : 0;
}

int vfio_container_set_iommu(const struct vfio_container *c, struct err *e)
{
	int r = container_call(c, VFIO_SET_IOMMU, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);

	if (r >= 0)
		return 0;
	switch (r) {
	case -EPERM:
		/* The kernel refuses because nothing isolates the MSIs of devices. */
		(void)err_say(
			e, r, "the IOMMU does not remap interrupts: a device could forge them");
		err_hint(e, "switch interrupt remapping on in the firmware; where every guest is "
			    "trusted: modprobe vfio_iommu_type1 allow_unsafe_interrupts=1");
		return r;
	case -EINVAL:
		return err_say(
			e, r, "set the container's IOMMU: no group is in it, or it is set already");
	default:
		return err_set(e, r, "set the container's IOMMU to type 1 (v2)");
	}
}

static void container_take_ranges(
	const struct vfio_iommu_type1_info_cap_iova_range *cap, size_t room, struct vfio_iommu *ret)
{
	size_t fit = (room - sizeof(*cap)) / sizeof(cap->iova_ranges[0]);
	size_t n = min_u64(min_u64(cap->nr_iovas, fit), VFIO_RANGES_MAX);

	for (size_t i = 0; i < n; i++) {
		ret->ranges[i].first = IOVA(cap->iova_ranges[i].start);
		ret->ranges[i].last = IOVA(cap->iova_ranges[i].end);
	}
	ret->range_count = n;
}

static void container_take_caps(
	const struct vfio_iommu_type1_info *info, size_t size, struct vfio_iommu *ret)
{
	const struct vfio_info_cap_header *h = NULL;

	while ((h = vfio_cap_next(info, size, info->cap_offset, h))) {
		size_t room = vfio_cap_room(info, size, h);
		const void *cap = h;
		if (h->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE &&
			room >= sizeof(struct vfio_iommu_type1_info_cap_iova_range))
			container_take_ranges(cap, room, ret);
		if (h->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL &&
			room >= sizeof(struct vfio_iommu_type1_info_dma_avail))
			ret->dma_avail =
				((const struct vfio_iommu_type1_info_dma_avail *)cap)->avail;
	}
}

int vfio_container_info(const struct vfio_container *c, struct vfio_iommu *ret, struct err *e)
{
	struct vfio_iommu_type1_info head = {.argsz = sizeof(head)};
	int r = container_call(c, VFIO_IOMMU_GET_INFO, &head);

	if (r < 0)
		return err_set(e, r, "ask the container for its IOMMU");
	size_t size = min_u64(max_u64(head.argsz, sizeof(head)), INFO_SIZE_MAX);
	cleanup_free struct vfio_iommu_type1_info *info = calloc(1, size);
	if (!info)
		return err_set(e, -ENOMEM, "ask the container for its IOMMU");
	info->argsz = (uint32_t)size;
	r = container_call(c, VFIO_IOMMU_GET_INFO, info);
	if (r < 0)
		/* cleanup_free: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		return err_set(e, r, "ask the container for its IOMMU");

	memset(ret, 0, sizeof(*ret));
	ret->dma_avail = UINT32_MAX;
	ret->page_sizes = info->flags & VFIO_IOMMU_INFO_PGSIZES ? info->iova_pgsizes : 0;
	if (!ret->page_sizes)
		ret->page_sizes = KIB(4);
	if (info->flags & VFIO_IOMMU_INFO_CAPS)
		container_take_caps(info, size, ret);
	return 0;
}
