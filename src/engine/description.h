/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DESCRIPTION_H
#define ENGINE_DESCRIPTION_H

#include "engine/engine.h"

/*
 * Sends usher-vmm the guest's description, with all descriptors, over @run->line_fd. Opens files
 * and starts what serves the guest's devices; @run has it all. Return: 0, -errno.
 */
int description_send(const struct bind_env *env, const struct guest_spec *s, struct engine_run *run,
	struct err *e);

#endif
