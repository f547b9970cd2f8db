/* SPDX-License-Identifier: MIT */
#ifndef PCI_ROMFILE_H
#define PCI_ROMFILE_H

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Reads a whole ROM file. *@ret is the caller's to free().
 * Return: 0, -EINVAL not a regular file, -EFBIG above PCI_ROM_MAX, -ENOMEM, -errno.
 */
int pci_rom_file_read(int fd, uint8_t **ret, size_t *ret_size, struct err *e);

/* Opens and reads it. Return: the same. */
int pci_rom_file_load(const char *path, uint8_t **ret, size_t *ret_size, struct err *e);

#endif
