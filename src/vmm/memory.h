/* SPDX-License-Identifier: MIT */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include "vmm/gpa.h"
#include "vmm/ram.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Guest-physical memory: RAM and device memory (mmapped BARs), as a table of ranges. Listeners
 * (KVM's memslots, a VFIO container's IOVA mappings, later vhost) follow each change of it.
 *
 * Context: any thread; a lock of its own orders the changes. Listeners run under that lock: they
 * must not change memory themselves. Devices read and write RAM through vmm/copy.h.
 */
#define MEMORY_RANGES_MAX 256
#define MEMORY_STEPS_MAX 32 /* of one change */
#define MEMORY_BLOCKS_MAX 32 /* ranges of RAM */

enum memory_kind {
	MEMORY_RAM,
	MEMORY_DEVICE, /* pages of a BAR: a listener maps them for DMA only for peer-to-peer */
};

struct memory_range {
	gpa_t gpa;
	uint64_t size; /* [bytes], whole pages */
	void *host; /* where this process sees it */
	enum memory_kind kind;
	bool readonly;
	/*
	 * Set by struct memory, whatever the caller put there: the file that another process maps
	 * to share the range, and the range's offset in it [bytes]. -1: nobody can share it.
	 */
	int fd;
	uint64_t fd_off;
};

struct memory;

/*
 * A listener follows differences (map, unmap), or takes whole tables (commit, undo), or both: each
 * call may be NULL. The calls of one change are:
 *
 *   begin   a map or unmap for each step   commit             accepted by all
 *   begin   …   the opposite calls, last step first   undo    refused by one of the listeners
 *
 * Differences are taken back by the opposite call, so that a listener of differences needs no undo.
 */
struct memory_listener {
	const char *name;
	bool pins; /* it pins RAM: shared RAM gets huge pages before map() */
	void (*begin)(struct memory_listener *l);
	/* Return: 0, or -errno with the reason in @e; then nothing of @r is mapped. */
	int (*map)(struct memory_listener *l, const struct memory_range *r, struct err *e);
	void (*unmap)(struct memory_listener *l, const struct memory_range *r);
	/*
	 * @m->ranges is the new table. Return: 0, or -errno with the reason in @e; then undo()
	 * follows. A change that only removes ranges cannot be refused: the result is not asked.
	 */
	int (*commit)(struct memory_listener *l, const struct memory *m, struct err *e);
	/* @m->ranges is the table as it was before begin(), whether commit() was called or not. */
	void (*undo)(struct memory_listener *l, const struct memory *m);
	struct memory_listener *next;
};

/* A range of RAM, as vmm/copy.c finds it without a lock. */
struct memory_block {
	gpa_t gpa;
	uint64_t size;
	uint8_t *host;
	bool readonly;
};

struct memory {
	pthread_mutex_t lock; /* held for the length of a change */
	int memfd; /* RAM's file; -1: private */
	bool collapse; /* ram_collapse() before RAM is pinned */
	uint64_t ram_size; /* [bytes] */
	void *ram; /* aligned to MEMORY_HUGE */
	size_t limit; /* ranges that KVM takes, if fewer than MEMORY_RANGES_MAX; 0: not asked */
	size_t count;
	struct memory_range ranges[MEMORY_RANGES_MAX];
	size_t block_count; /* atomic */
	struct memory_block blocks[MEMORY_BLOCKS_MAX];
	struct memory_listener *listeners;
	bool used; /* a guest has run in it: it is no longer all zeros */
};

#define MEMORY_NONE                                            \
	{                                                      \
		.lock = PTHREAD_MUTEX_INITIALIZER, .memfd = -1 \
	}

/*
 * Creates RAM of @size bytes (whole pages) and maps it into this process. The guest sees it only
 * after memory_add(). @m: MEMORY_NONE, with listeners or not. Return: 0, -ENOMEM, -errno.
 */
int memory_init(struct memory *m, uint64_t size, enum memory_backing backing, struct err *e);

/* Return: how many ranges there can be. */
static inline size_t memory_limit(const struct memory *m)
{
	return m->limit && m->limit < MEMORY_RANGES_MAX ? m->limit : MEMORY_RANGES_MAX;
}

/* Removes all ranges in one change, last first, and unmaps RAM. MEMORY_NONE is fine. */
void memory_fini(struct memory *m);

/*
 * Announces the present ranges to @l as one change, then all later changes. @l stays the caller's
 * and must outlive @m. Return: 0; @l's -errno, then @l is not a listener.
 */
int memory_listen(struct memory *m, struct memory_listener *l, struct err *e);

/*
 * The same while the guest runs. RAM does not change then: @l maps it without the lock, which may
 * take seconds, and a vCPU that moves a BAR does not wait. @l has map() and unmap() alone.
 */
int memory_listen_live(struct memory *m, struct memory_listener *l, struct err *e);

/* Takes all ranges from such a listener, the last one first; RAM comes after the rest. */
void memory_unlisten(struct memory *m, struct memory_listener *l);

enum memory_action { MEMORY_ADD, MEMORY_REMOVE };

struct memory_step {
	enum memory_action action;
	struct memory_range range; /* MEMORY_REMOVE: gpa alone counts */
};

/*
 * Changes several ranges at once: all steps, in the order of @steps, or none. Put additions first
 * where addresses allow it: to take back an addition cannot fail.
 * RAM is removed only while neither a vCPU nor a device runs.
 *
 * Return: 0; -E2BIG too many steps; -EINVAL not whole pages; -ENOSPC; -EEXIST overlap; -ENOENT
 * nothing to remove there; a listener's -errno. The table is then as it was before.
 * -ENOTRECOVERABLE: a listener refused the change, and another one refused to map again what it
 * had removed. Then none of the ranges of @steps is left in the table, the old ones included.
 */
int memory_change(struct memory *m, const struct memory_step *steps, size_t count, struct err *e);

/* One MEMORY_ADD. Return: as memory_change(). */
int memory_add(struct memory *m, const struct memory_range *r, struct err *e);

/* One MEMORY_REMOVE of the range that starts at @gpa. Return: 0, -ENOENT. */
int memory_remove(struct memory *m, gpa_t gpa);

/* Copies the ranges of RAM to @ret, which has room for MEMORY_BLOCKS_MAX. Return: how many. */
size_t memory_ram_ranges(struct memory *m, struct memory_range *ret);

/*
 * Host pointer to [@gpa, +@len), NULL unless all of it is writable RAM in one range. For what is
 * loaded before the guest runs; a device uses vmm/copy.h.
 */
void *memory_ram(struct memory *m, gpa_t gpa, uint64_t len);

#endif
