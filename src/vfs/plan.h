/* SPDX-License-Identifier: MIT */
#ifndef VFS_PLAN_H
#define VFS_PLAN_H

/*
 * Virtual functions of a device, made and removed without a host driver ever seeing them, and
 * never while one of them is in use.
 *
 * The kernel knows their number only as a whole: to go from two to four it removes the two first.
 * So every change but the first counts as a removal of all existing functions. The driver loses
 * their settings (MAC address, VLAN), so usher reads them before and restores them afterwards.
 *
 * STATE/vfs/ADDRESS remembers how many there were before and whether host drivers were probed,
 * from before the first write until the last one is removed, so that vfs_restore() can undo
 * what a crash broke off.
 *
 * Ref: Documentation/PCI/pci-iov-howto.rst; drivers/pci/iov.c sriov_numvfs_store().
 */

#include "bind/lease.h"
#include "bind/plan.h"
#include "bind/release.h"
#include "bind/vf_settings.h"

#include <limits.h>

#define VFS_AS_IT_IS UINT_MAX /* no change: only the present state */

struct vfs_request {
	struct bind_target function; /* the physical one */
	unsigned count; /* wanted */
};

struct vfs_plan {
	struct pci_device device;
	unsigned total; /* sriov_totalvfs */
	unsigned now; /* sriov_numvfs */
	bool probes; /* sriov_drivers_autoprobe: host drivers are offered new ones */
	bool first_probes; /* what it was before usher changed it */
	size_t function_count;
	struct pci_device *functions; /* the virtual ones that are there, by index */
	char interface[BIND_INTERFACE_MAX]; /* that keeps their settings; "" for none */
	struct bind_plan says; /* problems and refusals; no groups */
};

#define VFS_PLAN_NONE ((struct vfs_plan){0})

/*
 * Decides; reads only. A plan with refusals is a success. @ret: vfs_plan_fini().
 * Return: 0, -ENOMEM, -errno.
 */
int vfs_plan(const struct bind_env *env, const struct vfs_request *q, struct vfs_plan *ret,
	struct err *e);
void vfs_plan_fini(struct vfs_plan *p);

/*
 * The exact steps of a plan; none when all is as wanted. BIND_OP_VERIFY here: attribute @path
 * reads @text, and as many virtual functions are there. *@ret is the caller's to free().
 * Return: 0, -ENOMEM.
 */
int vfs_steps(const struct bind_env *env, const struct vfs_request *q, const struct vfs_plan *p,
	struct bind_step **ret, size_t *ret_count);

/*
 * Carries a request out under the locks of all groups that it touches. @ret: the plan as it was
 * made there, and after success the functions that are there now. A failure is undone; what could
 * not be stays in the journal.
 * Return: 0, -EPERM when @ret->says.refusals, -EBUSY, -ETIMEDOUT, -errno.
 */
int vfs_set(const struct bind_env *env, const struct vfs_request *q, struct vfs_plan *ret,
	struct err *e);

/*
 * What usher remembers of each device's virtual functions, by address: BROKEN, MANUAL, BUSY, VOID
 * or CORRUPT. *@ret is the caller's to free(). Return: 0, -ENOMEM, -errno.
 */
int vfs_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e);

/*
 * Restores the number of functions after an interrupted change; with BIND_MANUAL_RELEASE
 * any device back to what it was before usher came. Idempotent.
 * Return: 0 done or nothing to do, 1 left alone, -EPERM while one is in use, -errno.
 */
int vfs_restore(
	const struct bind_env *env, struct pci_address a, enum bind_manual manual, struct err *e);

#endif
