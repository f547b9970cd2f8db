/* SPDX-License-Identifier: MIT */
/*
 * lib_errno ADDRESS GROUP OTHER GROUP: checks the tables of ioas_rows.h and errno_rows.h against
 * the kernel, and facts that only a kernel has. dma_entry_limit of vfio_iommu_type1 is ENTRIES.
 */
#include "base/err.h"
#include "unit/lib/errno_rows.h"
#include "unit/vfio/ioas_rows.h"
#include "vfio/region.h"
#include "vfio/type1.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRIES 64

static int failed, number;

static int open_group(struct errno_bench *b, struct vfio_group *ret)
{
	(void)b;
	return vfio_group_open(NULL, number, ret, NULL);
}

static void row(const char *text, int expected, int found)
{
	if (found == expected)
		printf("ok %s\n", text);
	else
		printf("not ok %s: %d, expected %d\n", text, found, expected);
	failed |= found != expected;
}

static void kernel_alone(struct errno_bench *b)
{
	struct vfio_region config, bar;
	struct vfio_dev *d = &b->other;
	uint8_t byte = 0;

	row("REGION_INFO", 0,
		vfio_region_info(d, VFIO_PCI_CONFIG_REGION_INDEX, &config, NULL) |
			vfio_region_info(d, VFIO_PCI_BAR0_REGION_INDEX, &bar, NULL));
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, d->fd, (off_t)bar.offset);
	row("map of a BAR for oneself", -EINVAL, p == MAP_FAILED ? -errno : 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, d->fd, (off_t)config.offset);
	row("map of configuration space", -EINVAL, p == MAP_FAILED ? -errno : 0);
	row("read past the end", -EINVAL,
		pread(d->fd, &byte, 1, (off_t)(bar.offset + bar.size)) < 0 ? -errno : 0);
}

static int open_other(struct errno_bench *b, const char *name, int group, struct err *e)
{
	static struct vfio_container c;
	static struct vfio_group g;
	int r = vfio_container_open(&c, e);

	if (r >= 0)
		r = vfio_group_open(NULL, group, &g, e);
	if (r >= 0)
		r = vfio_group_set_container(&g, &c, NULL, e);
	if (r >= 0)
		r = vfio_container_set_iommu(&c, e);
	b->other_groups[0] = g.fd;
	b->other_group_count = 1;
	return r < 0 ? r : vfio_group_device(&g, name, &b->other, e);
}

int main(int argc, char **argv)
{
	struct errno_bench b = {.group = open_group, .row = row, .entries = ENTRIES};
	struct err e = {0};

	if (argc != 5)
		return 2;
	b.name = argv[1];
	number = atoi(argv[2]);
	ioas_rows(&(struct ioas_bench){.ops = &vfio_type1,
		.first = {.name = argv[1], .group = number},
		.second = {.name = argv[3], .group = atoi(argv[4])},
		.row = row});
	if (vfio_container_open(&b.c, &e) < 0 || vfio_group_open(NULL, number, &b.g, &e) < 0 ||
		open_other(&b, argv[3], atoi(argv[4]), &e) < 0) {
		printf("not ok %s\n", e.msg);
		return 1;
	}
	kernel_alone(&b);
	errno_rows(&b);
	return failed;
}
