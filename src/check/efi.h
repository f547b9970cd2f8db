/* SPDX-License-Identifier: MIT */
#ifndef CHECK_EFI_H
#define CHECK_EFI_H

#include <stddef.h>

struct host;

/*
 * Reads a variable that a boot loader leaves for the system: "LoaderInfo", "StubInfo",
 * "LoaderEntrySelected". @buf is "" when there is none: BIOS, or a loader that sets none.
 * Ref: The Boot Loader Interface, https://systemd.io/BOOT_LOADER_INTERFACE
 */
void efi_loader_variable(struct host *h, const char *name, char *buf, size_t size);

#endif
