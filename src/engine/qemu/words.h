/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_WORDS_H
#define ENGINE_QEMU_WORDS_H

struct guest_spec;
struct program;
struct qemu_parts;

/* Names of root ports: of those for the cards of a description, and of empty ones. */
#define QEMU_SLOT "usher-slot"
#define QEMU_SPARE "usher-spare"
#define QEMU_SPARES 4
#define QEMU_BALLOON "usher-balloon"

/* Return: the program that runs guests: qemu-system-x86_64, or what QEMU_SYSTEM names. */
const char *qemu_program(void);

/* Appends QEMU's words for a description. It reads nothing of the host. */
void qemu_words_add(const struct guest_spec *s, const struct qemu_parts *parts, struct program *p);

#endif
