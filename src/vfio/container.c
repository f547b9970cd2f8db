/* SPDX-License-Identifier: MIT */
#include "vfio/container.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

static int kernel_call(struct vfio_container *c, unsigned long request, void *arg)
{
	int r = ioctl(c->fd, request, arg);

	return r < 0 ? -errno : r;
}

static const struct vfio_container_ops kernel_ops = {.call = kernel_call};

static int explain_open(int code, struct err *e)
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
		return explain_open(-errno, e);
	int r = vfio_container_from_fd(fd, ret, e);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	return 0;
}

int vfio_container_from_fd(int fd, struct vfio_container *ret, struct err *e)
{
	struct vfio_container c = {.ops = &kernel_ops, .fd = fd};
	int version = c.ops->call(&c, VFIO_GET_API_VERSION, NULL);

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
	if (c->ops && c->ops->close)
		c->ops->close(c);
	fd_close(&c->fd);
}

int vfio_container_has(struct vfio_container *c, unsigned long extension)
{
	/* The argument itself, not a pointer to it. */
	int r = c->ops->call(c, VFIO_CHECK_EXTENSION, (void *)extension);

	return r > 0 ? r : 0;
}
