/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_NET_MACVTAP_H
#define ENGINE_NET_MACVTAP_H

struct err;

/*
 * A macvtap for one guest. The kernel lets any number of programs open its device file, and spreads
 * the frames over them: each guest would lose some.
 *
 * Claims it until @fd, of the device file @path, is closed everywhere. @name: of the interface.
 * Return: 0; -EBUSY another program has it open, with a sentence that names the program.
 */
int macvtap_claim(int fd, const char *path, const char *name, struct err *e);

#endif
