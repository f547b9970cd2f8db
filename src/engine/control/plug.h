/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONTROL_PLUG_H
#define ENGINE_CONTROL_PLUG_H

#include "engine/control.h"

/* The requests `attach` and `detach` of a guest's control socket; engine/plug does them. */

/* Starts what @q asks for; the client waits for it, not the keeper. */
void control_plug_begin(
	struct control *c, struct control_client *from, const struct control_request *q);

/* There is a result, or the job was killed: tells the client. */
void control_plug_finish(struct control *c);

/* The guest has ended: nobody waits for its devices any more. */
void control_plug_abort(struct control *c);

#endif
