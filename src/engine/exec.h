/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_EXEC_H
#define ENGINE_EXEC_H

#include "engine/engine.h"

/*
 * The engine of `usher exec`: what it runs is no guest but a program that drives the devices by
 * itself, as an ordinary user. spec.engine_args: the program and its arguments; spec.memory: what
 * it may keep in memory for DMA (RLIMIT_MEMLOCK); spec.uid, spec.gid: whom it becomes.
 */
#define EXEC_VARIABLE "USHER_DEVICE" /* "0000:01:00.0=fd:CONTAINER,none,DEVICE …" */

extern const struct engine engine_exec;

#endif
