/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LIBVIRT_END_H
#define ENGINE_LIBVIRT_END_H

#define LIBVIRT_UUID_TEXT 37

/* A new one, random. */
void libvirt_end_name(char ret[LIBVIRT_UUID_TEXT]);

/*
 * usher-libvirt is gone: waits until QEMU is, too, which libvirt's daemon ends then. A QEMU that
 * nobody ends is killed. @uuid: of libvirt_end_name(); @name may be a domain of somebody else.
 */
void libvirt_end_await(const char *name, const char *uuid);

#endif
