/* SPDX-License-Identifier: MIT */
#ifndef HOST_INTERFACE_H
#define HOST_INTERFACE_H

struct host;

#define HOST_INTERFACE_MAX 16 /* of the kernel's names, with the NUL: IFNAMSIZ */

/*
 * Finds the network interface that @word names, by its name or, on the live machine, by one of its
 * alternative names (ip-link(8), altname). @ret gets the name that sysfs has for it.
 * Return: 0; -ENODEV: there is none; -EXDEV: sysfs shows another network namespace than that of
 * this process, and another interface of that name in it.
 */
int host_interface(struct host *h, const char *word, char ret[HOST_INTERFACE_MAX]);

#endif
