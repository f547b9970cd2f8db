/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_EXEC_H
#define ENGINE_EXEC_H

#include "engine/engine.h"

/*
 * The engine of `usher exec`: it runs a program that drives the devices, as an ordinary user.
 * spec.engine_args: the program and its arguments. spec.memory: how much it may lock for DMA
 * (RLIMIT_MEMLOCK). spec.uid, spec.gid: the user.
 */
#define EXEC_VARIABLE "USHER_DEVICE" /* "0000:01:00.0=fd:CONTAINER,none,DEVICE …" */

extern const struct engine engine_exec;

#endif
