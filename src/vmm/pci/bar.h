/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_BAR_H
#define VMM_PCI_BAR_H

#include "vmm/pci/space.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct func_bars;

/*
 * The BARs and the ROM of an emulated function. A BAR is a row of pieces, each mapped (pages of
 * this process straight into guest memory) or trapped (each access comes here). Which pieces there
 * are is settled once; where they are follows the guest's writes to configuration space.
 *
 * Context: under the lock of the function, which the bus takes before it calls pieces. Only the
 * arbiter (vmm/pci/space) is shared with other functions, and it has a lock of its own.
 */
#define FUNC_BARS 7 /* six BARs and the ROM */
#define FUNC_BAR_ROM 6

enum func_bar_kind {
	FUNC_BAR_NONE,
	FUNC_BAR_MEM32,
	FUNC_BAR_MEM64, /* the next register is its upper half */
	FUNC_BAR_IO,
	FUNC_BAR_EXPANSION, /* the ROM */
};

struct func_bar {
	struct func_bars *bars;
	unsigned index;
	enum func_bar_kind kind;
	uint64_t size; /* [bytes] a power of two, as the register tells it */
	uint64_t at; /* where it is decoded in the guest; 0: nowhere */
	uint32_t written[2]; /* what the guest wrote last to the register and its upper half */
	unsigned piece_count;
	struct func_piece *pieces; /* ascending; they need not fill the BAR */
};

struct func_bar_ops {
	/*
	 * A trapped access to [@off, +@size) of the BAR. Return: true: the device has answered, so
	 * its pages are there. All-ones without an answer.
	 */
	bool (*read)(struct func_bar *b, uint64_t off, unsigned size, uint64_t *ret);
	bool (*write)(struct func_bar *b, uint64_t off, unsigned size, uint64_t value);
	/* A piece of @b cannot be at @at. NULL: not reported. */
	void (*misplaced)(struct func_bar *b, uint64_t at, const char *why);
};

struct func_bars {
	struct vm *vm;
	struct lock *lock; /* of the function */
	const struct func_bar_ops *ops;
	const uint8_t *config; /* the registers as the guest reads them: 64 bytes */
	struct func_bar bar[FUNC_BARS];
};

/* A BAR's register and its upper half: what the guest reads, and which bits it may write. */
struct func_bar_register {
	unsigned off; /* in configuration space */
	unsigned count; /* 1, or 2 with an upper half */
	uint32_t value[2];
	uint32_t mask[2];
};

/* A part of a BAR and what becomes of it. */
struct func_span {
	uint64_t off;
	uint64_t size; /* [bytes] */
	void *host; /* pages to map; NULL: trapped */
};

/* No BARs yet. @lock and @config are the function's, and must outlive them. */
void func_bars_init(struct func_bars *s, struct vm *vm, struct lock *lock,
	const struct func_bar_ops *ops, const uint8_t *config);

/*
 * Makes BAR @index. @size is rounded up to what a register can tell. Return: the BAR; its kind is
 * FUNC_BAR_NONE if no register can tell so large a size.
 */
struct func_bar *func_bar_make(
	struct func_bars *s, unsigned index, enum func_bar_kind kind, uint64_t size);

/* The register of @b at 0. @flags: its low bits, which say the kind and prefetching. */
struct func_bar_register func_bar_register(const struct func_bar *b, uint32_t flags);

/* Cuts @b into pieces, once; the pages of @spans stay the caller's. Return: 0, -ENOMEM. */
int func_bar_cut(struct func_bar *b, const struct func_span *spans, unsigned count, struct err *e);

/*
 * Adds a doorbell at @d->off of @b, which is cut into pieces and not decoded yet; @d->off is
 * from the piece's start afterwards. It is rung wherever the BAR is. Return: 0; -EINVAL it is not
 * in one trapped piece.
 */
int func_bar_add_doorbell(struct func_bar *b, struct bus_doorbell *d, struct err *e);

/* Takes all BARs from the guest; what was counted stays until func_bars_fini(). */
void func_bars_hide(struct func_bars *s);
/* Context: without the lock of the function, which a vCPU may still want. */
void func_bars_fini(struct func_bars *s);

/* Notes what the guest writes to configuration space: a size probe is not an address. */
void func_bars_wrote(struct func_bars *s, unsigned off, unsigned size, uint32_t value);

/* The registers are as after a reset. */
void func_bars_forget(struct func_bars *s);

/*
 * Brings the BARs to where configuration space says, if memory and ports are decoded: first takes
 * away all that moves or goes, then adds. A piece whose place is taken, by RAM or by another BAR,
 * waits until the place is free.
 */
enum func_decode { FUNC_DECODE_NONE = 0, FUNC_DECODE_IO = 1, FUNC_DECODE_MEM = 2 };

void func_bars_place(struct func_bars *s, unsigned decode);

/*
 * Traps what is mapped, where it is: its pages have gone away. A piece is mapped again when the
 * device answers behind it. Return: whether anything was mapped.
 */
bool func_bars_fault(struct func_bars *s);

/* Whether any BAR is decoded. */
bool func_bars_placed(const struct func_bars *s);

/* Whether @r is a piece of a BAR. */
bool func_is_piece(const struct bus_range *r);

#endif
