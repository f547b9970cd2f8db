/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONTROL_EXPLAIN_H
#define ENGINE_CONTROL_EXPLAIN_H

#include "engine/control.h"

struct err;

/* Why the engine has not obeyed the order of @q: @c->done has its answer. */
void control_explain(const struct control *c, const struct control_request *q, struct err *e);

#endif
