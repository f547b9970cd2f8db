/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_HOOK_H
#define LIBVIRT_HOOK_H

#include "bind/bind.h"

#include <stddef.h>
#include <sys/types.h>

/* What libvirt's hook for QEMU does with the devices of one domain. */
struct libvirt_hook {
	const struct bind_env *env;
	const char *run; /* LIBVIRT_RUN_DIR: libvirt writes NAME.pid there */
	pid_t caller; /* the process of libvirt that called the hook */
	const char *name; /* of the domain, not escaped */
	const char *allow; /* LIBVIRT_ALLOW_FILE; NULL: none */
};

/*
 * Before libvirt prepares the domain: takes the groups of its devices. libvirt leaves a device
 * alone that it finds on vfio-pci. @xml: of the domain. @ret gets the plan, bind_plan_fini(); an
 * empty one if the domain has no PCI device. @ret_wrong: the first line of the file of allowed
 * checks that is not understood; 0: none.
 * Return: 0, -EPERM if @ret->refusals, -EBADMSG for an XML that usher does not understand, -errno.
 */
int libvirt_hook_prepare(const struct libvirt_hook *k, const char *xml, size_t len,
	struct bind_plan *ret, unsigned *ret_wrong, struct err *e);

/*
 * After the domain's QEMU has started, and again when another libvirtd has found it: QEMU becomes
 * the owner of what the domain has. Idempotent. Return: 0, -errno of the first group that failed.
 */
int libvirt_hook_follow(const struct libvirt_hook *k, struct err *e);

/*
 * After the domain's end: returns all that it has. Idempotent. Calls @each with what became of a
 * group, and the error if it failed. Return: 0, the first -errno.
 */
int libvirt_hook_release(const struct libvirt_hook *k,
	void (*each)(const struct bind_report *done, const struct err *failure), struct err *e);

#endif
