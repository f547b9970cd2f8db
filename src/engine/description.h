/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DESCRIPTION_H
#define ENGINE_DESCRIPTION_H

#include "engine/engine.h"

/*
 * Sends usher-vmm the guest's description, with all descriptors but those of lent devices, over
 * @run->line_fd. Opens files and starts what serves the guest's devices; @run has it all.
 * Return: 0, -errno.
 */
int description_send(const struct bind_env *env, const struct guest_spec *s, struct engine_run *run,
	struct err *e);

/*
 * Sends the lent devices of @run->devices, if there are any, as soon as all that serves the guest
 * answers: usher-vmm goes on. Return: 0, -errno.
 */
int description_send_devices(const struct guest_spec *s, struct engine_run *run, struct err *e);

#endif
