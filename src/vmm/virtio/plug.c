/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/plug.h"

#include "base/err.h"
#include "vmm/virtio/rng.h"

#include <errno.h>

int virtio_plug(struct vm *vm, const struct virtio_spec *s, struct err *e)
{
	switch (s->type) {
	case VIRTIO_TYPE_RNG:
		return virtio_rng_add(vm, e);
	}
	return err_say(e, -EINVAL, "virtio: a device of type %d is unknown", (int)s->type);
}
