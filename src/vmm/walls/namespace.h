/* SPDX-License-Identifier: MIT */
#ifndef VMM_WALLS_NAMESPACE_H
#define VMM_WALLS_NAMESPACE_H

/*
 * What the process sees of the host: no file, no network, no host name and no IPC object of it. A
 * user other than root gets a user namespace first, where the host permits one. Context: a process
 * with one thread, and but for the last before it drops its capabilities. Descriptors stay open.
 *
 * Each of these returns 0, or -errno, and then nothing has changed.
 */
int namespace_enter_user(void);
int namespace_enter_network(void);
int namespace_enter_ipc(void);
int namespace_enter_names(void); /* host and domain name */
int namespace_enter_empty_root(void);

/*
 * No path leads to a file: a second wall, of another part of the kernel. Needs no_new_privs.
 * Return: also 1, if this kernel has no such part.
 */
int namespace_bar_paths(void);

/*
 * Files that the calling thread opens from now on cannot be cut off, whoever has their descriptors.
 * Needs no_new_privs. Return: also -EOPNOTSUPP: before Linux 6.2.
 */
int namespace_bar_truncation(void);

#endif
