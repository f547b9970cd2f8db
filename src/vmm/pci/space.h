/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_SPACE_H
#define VMM_PCI_SPACE_H

#include "base/log.h"
#include "vmm/bus.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct func_bar;
struct vm;

/*
 * The arbiter of guest-physical addresses and ports: which piece of which BAR is where.
 * Context: any thread. Each function here takes the arbiter's lock, which also guards the pieces'
 * `state`, `range.base` and `next`. The arbiter announces memory changes and changes the buses
 * under its lock. It calls no function of a device.
 */
enum func_piece_state {
	FUNC_PIECE_OFF, /* its BAR is not decoded */
	FUNC_PIECE_WAITING, /* decoded, but its place is taken: it gets no access */
	FUNC_PIECE_TRAPPED, /* on a bus: each access exits */
	FUNC_PIECE_MAPPED, /* its pages are in guest memory */
	FUNC_PIECE_FAULTED, /* its pages went away: on the bus until the device answers again */
};

/* A part of a BAR that is reached in one way. */
struct func_piece {
	struct bus_range range; /* its place while the BAR is decoded, and how it answers trapped */
	struct bus *bus; /* that it is on when it is trapped */
	struct func_bar *bar;
	uint64_t off; /* [bytes] from the BAR's start */
	void *host; /* pages to map into the guest; NULL: always trapped */
	enum func_piece_state state;
	struct func_piece *next; /* in the arbiter's list */
	struct func_piece *batch; /* the next one of the same change; its function's */
};

struct pci_space {
	pthread_mutex_t lock;
	struct log_guest full; /* pieces that are trapped because memory has no range left */
	struct func_piece *first; /* all pieces that are not off, in the order of their arrival */
};

#define PCI_SPACE_NONE                            \
	{                                         \
		.lock = PTHREAD_MUTEX_INITIALIZER \
	}

/*
 * Puts the pieces of @list, linked by `batch`, to where `bus` and `range.base` say; they are off.
 * Pieces with pages go into memory, in one change if that works; without room for one more memory
 * range a piece is trapped. A piece whose place is taken waits.
 */
void pci_space_place(struct vm *vm, struct func_piece *list);

/*
 * Why @p waits. Return: -EEXIST its place is taken, -ENOSPC its bus is full; 0: it need not wait.
 */
int pci_space_check(struct vm *vm, const struct func_piece *p, struct err *e);

/*
 * Takes the pieces of @list away from memory, in one change, and from their buses.
 * Return: true if a place is free now.
 */
bool pci_space_leave(struct vm *vm, struct func_piece *list);

/* Gives places that are free now to pieces that wait: first come, first served. */
void pci_space_settle(struct vm *vm);

/* Traps @p if it is mapped. Return: whether it was. */
bool pci_space_fault(struct vm *vm, struct func_piece *p);

/* The device has answered behind @p: if a fault has trapped it, it is mapped again. */
void pci_space_cure(struct vm *vm, struct func_piece *p);

/*
 * The mapped piece that holds all of [@addr, +@size), with a pin; NULL if there is none: struct
 * bus.late of the guest's MMIO. A vCPU's access exits because a piece is trapped; when the vCPU
 * comes to serve it, another vCPU may have caused the piece to be mapped again.
 */
struct bus_range *pci_space_late(struct bus *mmio, uint64_t addr, unsigned size);

#endif
