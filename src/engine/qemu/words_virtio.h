/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_WORDS_VIRTIO_H
#define ENGINE_QEMU_WORDS_VIRTIO_H

#include <stddef.h>

struct guest_spec;
struct program;
struct qemu_parts;

/* Appends QEMU's words for the virtio devices of @s: disks, network cards, rng. */
void qemu_words_virtio(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p);

/* For its console and its ports. */
void qemu_words_ports(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p);

/*
 * ",bootindex=N" for disk or device @i, if the guest boots by firmware: disks first, in the order
 * of their options. Return: @buf, or "".
 */
#define QEMU_BOOT_TEXT 32
const char *qemu_boot_index(
	const struct guest_spec *s, const struct qemu_parts *parts, size_t i, char *buf);

/* A set of QEMU for descriptor @fd; its name is "/dev/fdset/@fd". */
void qemu_words_fd(int fd, struct program *p);

#endif
