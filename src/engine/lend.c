/* SPDX-License-Identifier: MIT */
#include "engine/lend.h"

#include "base/clean.h"
#include "engine/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Return: KVM's object for VFIO devices, which keeps its VM; -errno. */
static int kvm_make(void)
{
	struct kvm_create_device made = {.type = KVM_DEV_TYPE_VFIO};
	cleanup_fd int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	cleanup_fd int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0 || ioctl(vm, KVM_CREATE_DEVICE, &made) < 0)
		return -errno;
	return (int)made.fd;
}

/* KVM_DEV_VFIO_GROUP_ADD has the value of KVM_DEV_VFIO_FILE_ADD. Return: 0; -EINVAL, too old. */
static int kvm_add(int object, int device)
{
	int32_t file = device;
	const struct kvm_device_attr attr = {.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)&file};

	return ioctl(object, KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
}

int lend_group(struct open_devices *d, unsigned i)
{
	struct vfio_dev again = VFIO_DEV_NONE;

	int object = kvm_make();
	if (object < 0)
		return object;
	int r = devices_open_again(NULL, d, i, &again, NULL);
	if (r < 0)
		return r;
	r = kvm_add(object, again.fd);
	if (r != -EINVAL)
		return r < 0 ? r : -EPERM;
	return vfio_ioas_kvm_file(&d->ioas, &again);
}
