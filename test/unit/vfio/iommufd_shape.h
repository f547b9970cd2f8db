/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_IOMMUFD_SHAPE_H
#define TEST_UNIT_IOMMUFD_SHAPE_H

#include "vfio/ioas.h"

/*
 * A back end of iommufd's shape, so that the verbs are not drawn from one example.
 *
 * How it works. One iommufd for the process holds I/O address spaces by their number (IOAS id). A
 * device is opened by its name, is bound to the iommufd, and is attached to one IOAS. There is no
 * group, no container, and nothing to unlock: an IOAS maps before any device is there. Unmapping
 * goes by range, and refuses to cut a mapping. A bus reset needs no descriptor as a proof, because
 * the iommufd knows its devices. The devices are models (src/model), whose containers are not used.
 */
extern const struct vfio_ioas_ops iommufd_shape;

#endif
