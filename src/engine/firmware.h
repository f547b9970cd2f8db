/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_FIRMWARE_H
#define ENGINE_FIRMWARE_H

#include "base/file.h"
#include "engine/spec.h"

struct err;

/*
 * UEFI firmware of the host (OVMF) for a guest, and the guest's own variables: boot entries, and
 * with Secure Boot the keys. They outlive the guest, in a file of its folder (engine/belongings.h),
 * one for each kind of firmware.
 */
struct firmware {
	const char *code; /* path; static */
	int variables; /* for reading and writing; -1: none */
};

/* Where the host has a firmware; paths, static. NULL: @kind is none of UEFI. */
struct firmware_place {
	const char *code;
	const char *variables; /* those of each guest at its first start */
};

/* Return: 0; -ENOENT with a sentence: the host has no such firmware. */
int firmware_find(enum guest_firmware kind, struct firmware_place *ret, struct err *e);

/* Whether the host has the files of that firmware. Return: 0, -ENOENT with a sentence. */
int firmware_check(enum guest_firmware kind, struct err *e);

/*
 * Opens the variables of guest @name, and makes them from the host's template at its first start.
 * Return: 0, -ENOENT, -EINVAL they are of another size; -errno.
 */
int firmware_open(enum guest_firmware kind, const char *name, struct firmware *ret, struct err *e);

/* Return: 0, -EINVAL. */
int firmware_parse(const char *text, enum guest_firmware *ret);
/* Return: static, as "uefi-secure". */
const char *firmware_name(enum guest_firmware kind);

#endif
