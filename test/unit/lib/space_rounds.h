/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_SPACE_ROUNDS_H
#define TEST_UNIT_SPACE_ROUNDS_H

#include <usher/space.h>

/*
 * 10,000 random operations on an IOVA space, checked against a plain list: what is mapped, guards,
 * quarantine, and how many mappings the IOMMU has left. Two back ends, one test:
 * test/unit/lib/space.c on the model, test/live/lib_device.c on the kernel.
 *
 * @s has the default guard and quarantine, and no mappings; it has none afterwards. @memory: of
 * SPACE_ROUNDS_MEMORY bytes. @reaches: NULL, or asked once for the last byte of each mapping.
 * Return: NULL, or what was wrong.
 */
#define SPACE_ROUNDS_MEMORY (256u << 10)

const char *space_rounds(struct usher_space *s, void *memory, int (*reaches)(usher_iova_t last));

#endif
