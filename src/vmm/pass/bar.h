/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_BAR_H
#define VMM_PASS_BAR_H

#include "vfio/region.h"
#include "vmm/bus.h"
#include "vmm/pass/reserve.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_bar;
struct pass_dev;

/*
 * A BAR, or the ROM, as pieces that are either mapped (pages of the device straight into the
 * guest) or trapped (each access comes here). Which is which is settled once, by what VFIO lets us
 * mmap and by where the MSI-X table and PBA lie; where the pieces are in the guest follows the
 * guest's writes to configuration space.
 */
#define PASS_BARS 7 /* six BARs and the ROM */
#define PASS_ROM 6

enum pass_bar_kind {
	PASS_BAR_NONE,
	PASS_BAR_MEM32,
	PASS_BAR_MEM64, /* the next register is its upper half */
	PASS_BAR_IO,
	PASS_BAR_ROM,
};

struct pass_piece {
	struct bus_range
		range; /* where it is while its BAR is placed, and how it answers trapped */
	struct pass_bar *bar;
	uint64_t off; /* from the BAR's start */
	uint64_t size;
	void *host; /* where it is mapped; NULL: trapped */
	bool in_memory; /* now in vm->memory */
	bool on_bus; /* now on a bus */
	bool trapped; /* on the bus for a fault alone, until the device answers there again */
};

struct pass_bar {
	struct pass_dev *dev;
	unsigned index;
	enum pass_bar_kind kind;
	uint64_t size; /* a power of two, as the register tells it; the region may be smaller */
	struct vfio_region region;
	unsigned piece_count;
	struct pass_piece *pieces;
	uint32_t written[2]; /* what the guest wrote last to the register and its upper half */
	struct pass_reserve reserve; /* of the mapped pieces */
	bool placed;
	uint64_t at; /* address in the guest, while placed */
};

/* A part of a BAR that must be trapped. */
struct pass_hole {
	uint64_t off;
	uint64_t size;
};

/* A part of a BAR and what becomes of it. */
struct pass_span {
	uint64_t off;
	uint64_t size;
	bool mapped;
};

#define PASS_SPANS_MAX (2 * (VFIO_AREAS_MAX + 2) + 1)

/*
 * Cuts a region into spans, ascending and without gaps: mapped where VFIO allows it, in whole
 * pages, but for the pages that @holes touch. Return: how many of @ret are set.
 */
unsigned pass_bar_cut(const struct vfio_region *r, const struct pass_hole *holes, unsigned count,
	struct pass_span ret[PASS_SPANS_MAX]);

/* Learns the BARs from VFIO and emulates their registers. Return: 0, -errno. */
int pass_bars_init(struct pass_dev *d, struct err *e);

/*
 * Cuts the BARs into pieces and maps into this process what can be mapped, once the MSI-X table's
 * place is known. A piece that cannot be mapped is trapped. Return: 0, -ENOMEM.
 */
int pass_bars_map(struct pass_dev *d, struct err *e);

/* Lets go of the device; what was counted stays until pass_bars_fini(). */
void pass_bars_release(struct pass_dev *d);
void pass_bars_fini(struct pass_dev *d);

/*
 * Traps what is mapped now, where it is. What pass_bars_place() places anew is mapped again, and so
 * is a piece where the device has answered. Return: whether anything was mapped.
 */
bool pass_bars_trap(struct pass_dev *d);

/* Pieces that found their place taken, and are nowhere, get it if it is free by now. */
void pass_bars_retry(struct pass_dev *d);

/* The mapped piece that all of [@addr, +@size) is in. Return: NULL when it is in none. */
struct bus_range *pass_bars_find(struct pass_dev *d, uint64_t addr, unsigned size);

/* Whether @r is a piece of a BAR. */
bool pass_is_range(const struct bus_range *r);

/* Notes what a guest writes to the registers: a size probe must not be taken for an address. */
void pass_bars_wrote(struct pass_dev *d, unsigned off, unsigned size, uint32_t value);

/*
 * Brings the BARs to where configuration space says, if memory (@mem) and ports (@io) are decoded:
 * first takes away all that moves or goes, then adds. What cannot be placed (over RAM, past the
 * end) answers nobody, as on a real bus; over another BAR, until that one leaves.
 */
enum pass_decode { PASS_DECODE_NONE = 0, PASS_DECODE_IO = 1, PASS_DECODE_MEM = 2 };

void pass_bars_place(struct pass_dev *d, unsigned decode);

#endif
