/* SPDX-License-Identifier: MIT */
#ifndef VMM_LOAD_H
#define VMM_LOAD_H

struct err;
struct machine;

/*
 * Puts the kernel that machine.spec names into guest memory, with what it finds its way by, and
 * processor 0 at its first instruction. Return: 0, -errno with a sentence.
 */
int load_guest(struct machine *m, struct err *e);

#endif
