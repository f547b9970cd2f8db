/* SPDX-License-Identifier: MIT */
/*
 * vm_map GROUP MIB ROUNDS: what it takes to map a guest's RAM for DMA when other processes can
 * share it, beside private RAM. All of what a start does counts: the file is made, huge pages are
 * made, cleared and pinned. A device of the group is on vfio-pci. Shared RAM is the file that
 * ram_prepare() makes; 'sealed' is the memfd of a host or a user that cannot make it.
 *
 * Output, medians: 'shared_map_ratio R shared_ms S private_ms P sealed_ms T'.
 */
#include "base/num.h"
#include "clock.h"
#include "fatal.h"
#include "host/host.h"
#include "vfio/type1.h"
#include "vmm/memory.h"
#include "vmm/ram.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS_MAX 32

enum way { PRIVATE, SHARED, SEALED, WAYS };

static struct vfio_ioas ioas = VFIO_IOAS_NONE;

static void open_space(int number)
{
	const struct vfio_member m = {.host = host_live(), .group = number};
	struct err e = {0};

	check_err(vfio_ioas_open(&vfio_type1, &ioas, &e), &e);
	check_err(vfio_ioas_bind(&ioas, &m, &e), &e);
}

static int map_dma(struct memory_listener *l, const struct memory_range *r, struct err *e)
{
	return vfio_ioas_map(
		&ioas, IOVA(r->gpa.v), r->host, r->size, VFIO_DMA_READ | VFIO_DMA_WRITE, e);
}

static void unmap_dma(struct memory_listener *l, const struct memory_range *r)
{
	struct err e = {0};

	check_err(vfio_ioas_unmap(&ioas, IOVA(r->gpa.v), r->size, &e), &e);
}

static double time_map(enum way way, uint64_t size)
{
	struct memory_listener dma = {
		.name = "dma", .pins = true, .map = map_dma, .unmap = unmap_dma};
	struct memory m = MEMORY_NONE;
	struct err e = {0};

	double begun = clock_now();
	if (way == SHARED)
		ram_prepare(size);
	check_err(memory_init(&m, size, way == PRIVATE ? MEMORY_PRIVATE : MEMORY_SHARED, &e), &e);
	/* At 4 GiB: the IOMMU keeps addresses below for itself. */
	const struct memory_range all = {.gpa = GPA(GIB(4)), .size = size, .host = m.ram};
	check_err(memory_listen(&m, &dma, &e), &e);
	check_err(memory_add(&m, &all, &e), &e);
	double took = (clock_now() - begun) * 1e3;
	memory_fini(&m);
	return took;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	static double took[WAYS][ROUNDS_MAX];
	size_t rounds = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr, "usage: vm_map GROUP MIB ROUNDS\n");
		return 2;
	}
	open_space(atoi(argv[1]));
	for (size_t i = 0; i < rounds; i++)
		for (enum way way = PRIVATE; way < WAYS; way++)
			took[way][i] = time_map(way, MIB(strtoull(argv[2], NULL, 10)));
	for (enum way way = PRIVATE; way < WAYS; way++)
		qsort(took[way], rounds, sizeof(took[0][0]), by_value);
	double private = took[PRIVATE][rounds / 2], shared = took[SHARED][rounds / 2];
	printf("shared_map_ratio %.3f shared_ms %.1f private_ms %.1f sealed_ms %.1f\n",
		shared / private, shared, private, took[SEALED][rounds / 2]);
	return 0;
}
