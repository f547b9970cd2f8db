/* SPDX-License-Identifier: MIT */
#ifndef VMM_WALLS_MARK_H
#define VMM_WALLS_MARK_H

#include <sys/syscall.h>

/*
 * The system calls of usher-vmm stand at the functions that make them. A mark lists the kinds of
 * thread (vmm/thread.h) that get there, the call, and for those of ARGUMENT in marks.py what they
 * ask for:
 *
 *	WALL_CALL(main | vcpu, ioctl, KVM_IRQFD, KVM_IRQ_LINE);
 *
 * 'every' stands for all kinds. marks.py compiles the marks into one filter for each kind; what is
 * not marked ends the guest (vmm/walls/filter.h). A mark at a call of the C library names what the
 * library asks the kernel for.
 *
 * WALL_REFUSE(vcpu, madvise, EPERM): the thread asks for this, gets this error, and does without.
 */
#define WALL_CALL(threads, call, ...) _Static_assert(SYS_##call >= 0, #threads)
#define WALL_REFUSE(threads, call, error) _Static_assert(SYS_##call >= 0, #threads #error)

#endif
