/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ENVIRONMENT_H
#define ENGINE_ENVIRONMENT_H

struct guest_spec;
struct program;

/*
 * Adds what a program of the user's gets of our own environment: the few words that nearly every
 * program needs, and what the user asked for (spec.env). A caller's environment holds passwords,
 * tokens and sockets of its session, so the rest stays here.
 */
void environment_add(const struct guest_spec *s, struct program *p);

#endif
