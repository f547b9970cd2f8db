/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LIBVIRT_END_H
#define ENGINE_LIBVIRT_END_H

struct guest_spec;

#define LIBVIRT_UUID_TEXT 37

/*
 * A UUID for the domain of @s: a new one for each start. A guest with a TPM always has the same,
 * which follows from its name and this host: by the UUID libvirt finds the TPM's state.
 */
void libvirt_end_name(const struct guest_spec *s, char ret[LIBVIRT_UUID_TEXT]);

/*
 * usher-libvirt is gone: waits until QEMU is, too, which libvirt's daemon ends then. A QEMU that
 * nobody ends is killed. @uuid: of libvirt_end_name(); @name may be a domain of somebody else, or
 * what an earlier keeper has left behind.
 */
void libvirt_end_await(const char *name, const char *uuid);

#endif
