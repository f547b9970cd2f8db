/* SPDX-License-Identifier: MIT */
#ifndef BIND_BIND_H
#define BIND_BIND_H

/*
 * Taking PCI devices from their drivers for VFIO, and giving them back.
 *
 * The unit is the IOMMU group. bind_plan() decides and touches nothing; bind_take() plans again
 * under the group's lock, writes the journal, carries the plan out, verifies it, and undoes it
 * when a step fails; bind_release() returns a group to what the journal has;
 * bind_restore() does so for what a crash left behind. After any of them a crash at any point
 * leaves a journal from which bind_restore() brings every device back to its first driver.
 *
 * The journal entry is the lease: it lives from before the first write until the release.
 */

#include "bind/env.h"
#include "bind/lease.h"
#include "bind/plan.h"
#include "bind/release.h"
#include "bind/take.h"

#endif
