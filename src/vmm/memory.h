/* SPDX-License-Identifier: MIT */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include "base/num.h"
#include "vmm/gpa.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Guest-physical memory: RAM, in one piece, and device memory (mmapped BARs). A change is
 * announced to listeners (KVM's memslots, a VFIO container's IOVA mappings, later vhost), in
 * order when something is added and in reverse order when it goes; a listener that fails undoes
 * the change in those before it.
 *
 * Context: main thread, or a vCPU thread that holds the VM's lock.
 */
#define MEMORY_RANGES_MAX 128

enum memory_kind {
	MEMORY_RAM, /* part of the memfd */
	MEMORY_DEVICE, /* pages of a device (BAR): not for DMA unless a listener wants peer-to-peer */
};

struct memory_range {
	gpa_t gpa;
	uint64_t size; /* [bytes], whole pages */
	void *host; /* where this process sees it */
	enum memory_kind kind;
	bool readonly;
};

struct memory_listener {
	const char *name;
	/* Return: 0, or -errno with the reason in @e; then nothing of @r is mapped. */
	int (*map)(struct memory_listener *l, const struct memory_range *r, struct err *e);
	void (*unmap)(struct memory_listener *l, const struct memory_range *r);
	struct memory_listener *next;
};

/*
 * How RAM is backed. Large pages make nested paging and the IOMMU's mappings much quicker, and
 * only private memory gets them from the kernel as it is touched; shared memory does not on hosts
 * as they are set up by default (shmem_enabled is "never").
 */
enum memory_backing {
	MEMORY_PRIVATE, /* anonymous: 2 MiB pages where the kernel has them */
	MEMORY_SHARED, /* a memfd, that other processes can map (vhost-user) */
	MEMORY_POOL, /* a memfd of hugetlbfs: fails when the host's pool is too small */
};

struct memory {
	int memfd; /* -1: private */
	uint64_t ram_size; /* [bytes] */
	void *ram; /* the memfd, all of it, mapped shared; aligned to MEMORY_HUGE */
	size_t count;
	struct memory_range ranges[MEMORY_RANGES_MAX];
	struct memory_listener *listeners;
	bool used; /* a guest has run in it: it is no longer all zeros */
};

#define MEMORY_PAGE KIB(4)
#define MEMORY_HUGE MIB(2)

#define MEMORY_NONE         \
	{                   \
		.memfd = -1 \
	}

/*
 * Creates RAM of @size bytes (whole pages) and maps it into this process; no range yet: where it
 * lies in the guest is the machine's affair (memory_add). @m: MEMORY_NONE, with listeners or not. Return: 0, -ENOMEM, -errno.
 */
int memory_init(struct memory *m, uint64_t size, enum memory_backing backing, struct err *e);

/* Takes all ranges away, last first, and lets go of RAM. MEMORY_NONE is fine. */
void memory_fini(struct memory *m);

/* Announces what is there already, then all changes. @l stays the caller's and must outlive @m. */
int memory_listen(struct memory *m, struct memory_listener *l, struct err *e);

/*
 * Adds a range and announces it. Return: 0, -EINVAL when not whole pages, -ENOSPC, -EEXIST on overlap,
 * a listener's -errno.
 */
int memory_add(struct memory *m, const struct memory_range *r, struct err *e);

/* Takes away the range that starts at @gpa. Return: 0, -ENOENT. */
int memory_remove(struct memory *m, gpa_t gpa);

/* Host pointer to [@gpa, +@len), NULL unless all of it is guest RAM in one range. */
void *memory_ram(struct memory *m, gpa_t gpa, uint64_t len);

#endif
