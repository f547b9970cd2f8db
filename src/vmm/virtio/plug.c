/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/plug.h"

#include "base/err.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_socket.h"

#include <errno.h>

void virtio_prepare(struct virtio_spec *s)
{
	if (s->type == VIRTIO_TYPE_BLK && !s->backend.present)
		(void)blk_ring_open(&s->ring);
}

int virtio_plug(struct vm *vm, const struct virtio_spec *s, struct err *e)
{
	if (s->backend.present)
		return vhost_user_add(vm, s->type, &s->backend, s->fd, e);
	switch (s->type) {
	case VIRTIO_TYPE_BLK:
		return virtio_blk_add(vm, s->fd, &s->disk, &s->ring, e);
	case VIRTIO_TYPE_NET:
		return virtio_net_add(vm, &s->net, s->fd, e);
	case VIRTIO_TYPE_RNG:
		return virtio_rng_add(vm, e);
	case VIRTIO_TYPE_BALLOON:
		return virtio_balloon_add(vm, e);
	case VIRTIO_TYPE_VSOCK:
		return s->listens ? virtio_vsock_socket_add(vm, s->fd, s->cid, e)
				  : virtio_vsock_add(vm, s->fd, s->cid, e);
	case VIRTIO_TYPE_FS: /* by a back end alone */
	case VIRTIO_TYPE_CONSOLE:
		break; /* not plugged by the list: see vmm/devices.c */
	}
	return err_say(e, -EINVAL, "virtio: a device of type %d is unknown", (int)s->type);
}
