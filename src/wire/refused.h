/* SPDX-License-Identifier: MIT */
#ifndef WIRE_REFUSED_H
#define WIRE_REFUSED_H

#include <stdint.h>

/*
 * A page that the keeper shares with usher-vmm. A thread there that makes a system call which its
 * filter refuses writes here which one that was, by stores alone: it may be at any place, with any
 * lock, and not be permitted to write to a descriptor. The kernel then ends the process by SIGSYS,
 * and the keeper reads the page. A guest that has taken over usher-vmm writes here what it likes.
 */
struct wire_refused {
	uint32_t made; /* 1: the rest counts */
	uint32_t call; /* number */
	uint32_t arch; /* AUDIT_ARCH_… */
	char thread[16]; /* its kind, with a NUL */
	uint64_t argument; /* the second one: what an ioctl asks for */
};

#define WIRE_REFUSED_PAGE 4096 /* [bytes] of the descriptor */

#endif
