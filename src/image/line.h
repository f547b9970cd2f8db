/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_LINE_H
#define IMAGE_LINE_H

#include "image/entry.h"
#include "image/variable.h"

/*
 * Configurations whose lines are "KEY VALUE". @text ends with a NUL.
 *
 * An entry of the Boot Loader Specification (loader/entries/NAME.conf). @v: variables that its
 * options may name, as Fedora's do. @version: what it sorts by; "" if it does not say.
 * Return: 0; -ENOENT it starts no kernel.
 */
int bls_read(const char *text, const struct variables *v, struct boot_entry *ret,
	char version[ENTRY_TITLE_MAX]);

/* What extlinux or syslinux starts by itself. Return: 0; -ENOENT none starts a kernel. */
int extlinux_choose(const char *text, struct boot_entry *ret);

/*
 * The command line that GRUB's tools would write from /etc/default/grub, without root=. Only plain
 * assignments count. Return: 0; -ENOENT it has none.
 */
int defaults_read(const char *text, char options[ENTRY_OPTIONS_MAX]);

#endif
