/* SPDX-License-Identifier: MIT */
#ifndef CHECK_HYPERVISOR_H
#define CHECK_HYPERVISOR_H

#include <stdbool.h>

struct check_case;

/* True in the domain that controls Xen: Xen has the IOMMU, and lends devices itself. */
bool hypervisor_is_xen(struct check_case *c);
void hypervisor_tell_xen(struct check_case *c);

/* In a virtual machine: whether its hypervisor can give it an IOMMU, and what to do. */
bool hypervisor_has_iommu(struct check_case *c);
const char *hypervisor_fix(struct check_case *c);

#endif
