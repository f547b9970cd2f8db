/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LIBVIRT_BOOT_H
#define ENGINE_LIBVIRT_BOOT_H

/*
 * The kernel that a disk brings, for a domain: libvirt takes paths alone. So the keeper puts the
 * two files into the guest's folder, where libvirt gives them to QEMU's user. They go with the
 * guest.
 */

struct err;
struct guest_spec;

#define LIBVIRT_KERNEL "port-:kernel" /* the keeper removes what begins with "port-" */
#define LIBVIRT_INITRD "port-:initrd"

/* Opens them, if @s asks for it, into @s->files. Return: 0; -EINVAL the disk has none; -errno. */
int libvirt_boot_check(const struct guest_spec *s, struct err *e);

/* Writes them into the folder of the guest below @run_dir. Return: 0, -errno. */
int libvirt_boot_place(const struct guest_spec *s, const char *run_dir, struct err *e);

#endif
