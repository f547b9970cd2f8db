/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LEND_H
#define ENGINE_LEND_H

struct open_devices;

/*
 * Before Linux 6.6, KVM learns of a device only by the descriptor of its group. With that,
 * usher-vmm could open every device of the group, so it gets none where KVM needs none.
 *
 * Asks this kernel by a VM of its own, with device @i of @d, which may be open elsewhere. Leaves
 * descriptors open: for a process that ends soon.
 * Return: the group's descriptor; -EPERM KVM takes the device's; -errno.
 */
int lend_group(struct open_devices *d, unsigned i);

#endif
