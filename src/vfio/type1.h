/* SPDX-License-Identifier: MIT */
#ifndef VFIO_TYPE1_H
#define VFIO_TYPE1_H

#include "vfio/ioas.h"

/* The kernel's back end: VFIO containers with a type 1 (v2) IOMMU, and their groups. */
extern const struct vfio_ioas_ops vfio_type1;

/* A container by its descriptor; as vfio_ioas_from_fd(). */
int vfio_type1_from_fd(int fd, struct vfio_ioas *ret, struct err *e);

#endif
