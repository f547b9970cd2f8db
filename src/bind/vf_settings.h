/* SPDX-License-Identifier: MIT */
#ifndef BIND_VF_SETTINGS_H
#define BIND_VF_SETTINGS_H

/*
 * Settings of a virtual function (MAC address, VLAN, rates, trust …), which an administrator sets
 * through the interface of its physical function. That function's driver stores them and loses
 * them when the virtual functions are created again. The user of a lent function may change them,
 * too. usher reads them before, and restores them.
 */

#include "bind/env.h"
#include "host/host.h"
#include "pci/address.h"

#define BIND_VF_SETTINGS_TEXT 160 /* of bind_vf_settings_format(), with the NUL */
#define BIND_INTERFACE_MAX 16 /* IFNAMSIZ */
#define VFS_SETTINGS_MAX 256 /* functions of one device whose settings usher stores */

/* "0 52:54:00:00:00:09 100 0 0x8100 0 0 1 0 - 0": index, MAC, VLAN, … in struct host_vf's order. */
const char *bind_vf_settings_format(const struct host_vf *vf, char buf[BIND_VF_SETTINGS_TEXT]);
/* Return: 0, -EBADMSG for what bind_vf_settings_format() does not write. */
int bind_vf_settings_parse(const char *text, struct host_vf *ret);

/*
 * The interface of a physical function. Return: 0, -ENOENT when it has none (a disk has not), or
 * more than one: then it is unknown which of them stores the settings.
 */
int bind_vf_settings_interface(
	struct host *h, struct pci_address physical, char ret[BIND_INTERFACE_MAX]);

/* Settings of all functions of an interface, up to @max. Return: how many, -errno. */
int bind_vf_settings_list(struct host *h, const char *interface, struct host_vf *ret, size_t max);

/* Of one function, by its own address. Return: 0, -ENOENT if there are none, -errno. */
int bind_vf_settings_read(struct host *h, struct pci_address a, struct host_vf *ret);

/*
 * Changes the interface's settings from @now to @want, as far as they differ. Return: how many it
 * changed, -errno of the first that the kernel refused, after trying all others.
 */
int bind_vf_settings_apply(const struct bind_env *env, const char *interface,
	const struct host_vf *now, const struct host_vf *want, struct err *e);
/* The same for the function at @a. */
int bind_vf_settings_restore(const struct bind_env *env, struct pci_address a,
	const struct host_vf *want, struct err *e);

/* The live set_vf of struct bind_kernel_ops: one setting. */
int bind_vf_settings_change(const char *interface, int setting, const struct host_vf *vf);

#endif
