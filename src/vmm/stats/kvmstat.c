/* SPDX-License-Identifier: MIT */
#include "vmm/stats/kvmstat.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/stats/figures.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NAME_MAX_LEN 128
#define FIGURES_MAX 256

/* One statistics descriptor of KVM and its description of its figures. */
struct book {
	int fd;
	struct kvm_stats_header h;
	uint8_t *descs; /* h.num_desc of them, each with its name */
};

static size_t desc_size(const struct book *b)
{
	return sizeof(struct kvm_stats_desc) + b->h.name_size;
}

WALL_CALL(main, ioctl, KVM_GET_STATS_FD);
WALL_CALL(main, pread64);

static int book_open(struct book *b, int cpu_fd)
{
	*b = (struct book){.fd = ioctl(cpu_fd, KVM_GET_STATS_FD, NULL)};
	if (b->fd < 0)
		return -1;
	if (fd_pread_full(b->fd, &b->h, sizeof(b->h), 0) < 0 || b->h.name_size > NAME_MAX_LEN ||
		b->h.num_desc > FIGURES_MAX)
		return -1;
	b->descs = calloc(b->h.num_desc, desc_size(b));
	if (!b->descs)
		return -1;
	return fd_pread_full(b->fd, b->descs, b->h.num_desc * desc_size(b), b->h.desc_offset);
}

static void book_close(struct book *b)
{
	free(b->descs);
	fd_close(&b->fd);
}

/* Return: a count, summed over all processors; 0 for a histogram or a momentary value. */
static uint64_t figure_sum(
	const struct book *books, unsigned count, uint32_t i, const char **ret_name)
{
	const struct book *b = &books[0];
	struct kvm_stats_desc d;
	uint64_t total = 0, v = 0;

	memcpy(&d, b->descs + i * desc_size(b), sizeof(d));
	*ret_name = (const char *)b->descs + i * desc_size(b) + sizeof(d);
	if ((d.flags & KVM_STATS_TYPE_MASK) != KVM_STATS_TYPE_CUMULATIVE || d.size != 1 ||
		(d.flags & KVM_STATS_UNIT_MASK) != KVM_STATS_UNIT_NONE)
		return 0;
	for (unsigned c = 0; c < count; c++)
		if (fd_pread_full(books[c].fd, &v, sizeof(v), books[c].h.data_offset + d.offset) >=
			0)
			total += v;
	return total;
}

void kvmstat_put(const struct vm *vm, struct figures *f)
{
	cleanup_free struct book *books = calloc(vm->cpu_count + 1, sizeof(*books));
	unsigned count = 0;

	while (books && vm->cpus && count < vm->cpu_count &&
		book_open(&books[count], vm->cpus[count].fd) >= 0)
		count++;
	if (count && count == vm->cpu_count) {
		figures_open(f, "kvm");
		for (uint32_t i = 0; i < books[0].h.num_desc; i++) {
			const char *name;
			uint64_t n = figure_sum(books, count, i, &name);
			if (n)
				figures_number(f, name, n);
		}
		figures_close(f);
	}
	/* Also the last one, which may be half open. */
	for (unsigned c = 0; books && c <= count && c < vm->cpu_count; c++)
		book_close(&books[c]);
}
