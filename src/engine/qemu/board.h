/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_BOARD_H
#define ENGINE_QEMU_BOARD_H

#include "engine/spec.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The machine that a guest of QEMU gets. If the caller's own words for QEMU name a machine, it is
 * theirs, with QEMU's default devices, processors and memory; usher adds the description's devices.
 * Else it is usher's: q35 with KVM, the host's processors, a root port for each lent card, and
 * nothing that the description does not ask for.
 */
bool qemu_board_is_ours(const struct guest_spec *s);

/* Such a machine has what QEMU puts into it. */
bool qemu_board_is_callers(const struct guest_spec *s);

/* True if the guest's console is usher's to show: not what a caller's own words make. */
bool qemu_board_has_console(const struct guest_spec *s);

/*
 * True if QEMU may need the host's network: for the caller's own words, unless all of them are
 * known to be about the machine. Networks of the description come by descriptors.
 */
bool qemu_board_has_network(const struct guest_spec *s);

/* Return: the value of an option among the caller's own words; NULL: it is not there. */
const char *qemu_own_word(const struct guest_spec *s, const char *option);

/* Return: the memory of the guest, by the description or by the caller's own words [bytes]. */
uint64_t qemu_board_memory(const struct guest_spec *s);

/* True if the guest's addresses may be as wide as the host's. */
bool qemu_board_is_wide(const struct guest_spec *s);

#endif
