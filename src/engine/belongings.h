/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_BELONGINGS_H
#define ENGINE_BELONGINGS_H

#include <stddef.h>

struct err;

/*
 * What a guest owns beyond its end: the variables of its firmware, the state of its TPM. It is in a
 * folder of mode 0700 and of the guest's name: of root in /var/lib/usher/guest, of another user in
 * $XDG_STATE_HOME/usher/guest or ~/.local/state/usher/guest. usher never removes it.
 */

/*
 * The path of @file in the folder of guest @name, which is made if it is missing; @file "": of the
 * folder. Return: 0, -ENOENT the user has no home; -errno with a sentence.
 */
int belongings_path(const char *name, const char *file, char *ret, size_t size, struct err *e);

#endif
