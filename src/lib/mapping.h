/* SPDX-License-Identifier: MIT */
#ifndef LIB_MAPPING_H
#define LIB_MAPPING_H

#include <stddef.h>
#include <stdint.h>

/* The mappings of a space, by IOVA: a hash table, since a driver may map and unmap for each I/O. */
struct mapping {
	uint64_t iova;
	uint64_t size; /* [bytes]; 0: no mapping stands here */
	uint64_t guard; /* taken behind it [bytes] */
	void *host; /* NULL: an IOVA that is only reserved */
	unsigned access;
	int crowds; /* 1: a guard in front of it had to give way for it */
};

struct mapping_table {
	struct mapping *slots; /* to walk: those of size > 0 */
	size_t room; /* a power of two, or 0 */
	size_t count;
};

int mapping_add(struct mapping_table *t, const struct mapping *m); /* 0, -ENOMEM */
struct mapping *mapping_find(const struct mapping_table *t, uint64_t iova); /* NULL: none */
void mapping_remove(struct mapping_table *t, struct mapping *m);
void mapping_fini(struct mapping_table *t);

#endif
