/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_GATE_H
#define REVIVE_GATE_H

#include "revive/plan.h"

/* Who uses the device itself goes to p->says; who uses others below its port, to p->aside. */
int revive_gate(const struct bind_env *env, const struct revive_request *q, struct revive_plan *p,
	struct err *e);

#endif
