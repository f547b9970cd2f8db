/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_WORDS_EXTRA_H
#define ENGINE_QEMU_WORDS_EXTRA_H

struct guest_spec;
struct program;
struct qemu_parts;

/* Appends QEMU's words for what not each guest has: firmware, display, TPM, USB. */
void qemu_words_extra(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p);

#endif
