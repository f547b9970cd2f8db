/* SPDX-License-Identifier: MIT */
#include "engine/control/explain.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>

static void resize_explain(const struct control_request *q, int r, struct err *e)
{
	if (r == -ERANGE) {
		(void)err_say(e, r, "disk '%s' is larger than %" PRIu64 " bytes", q->disk, q->size);
		err_hint(e, "usher makes no disk smaller: the guest would lose what is behind");
	} else if (r == -EINVAL && q->size) {
		(void)err_say(e, r,
			"disk '%s' does not grow by a size: it is no image, or the guest "
			"only reads it",
			q->disk);
		err_hint(e, "grow what it is on first, then resize it without a size");
	} else if (r == -EBUSY) {
		(void)err_say(e, r, "a disk of the guest is being resized");
	} else if (r == -ENODEV) {
		(void)err_say(e, r, "the guest has released disk '%s'", q->disk);
	} else {
		(void)err_set(e, r, "resize disk '%s'", q->disk);
	}
}

static void balloon_explain(
	const struct control *c, const struct control_request *q, int r, struct err *e)
{
	const char *name = c->guest.spec->name;

	if (r == -ERANGE) {
		(void)err_say(e, r, "guest '%s' has %" PRIu64 " bytes of memory, and gets no more",
			name, c->guest.spec->memory);
	} else if (r == -EINVAL) {
		(void)err_say(e, r, "no guest runs in %" PRIu64 " bytes", q->size);
		err_hint(e, "give a size with its unit, such as 512M");
	} else if (c->guest.spec->device_count) {
		(void)err_say(e, r,
			"guest '%s' has lent devices: its memory is pinned for their DMA, and the "
			"host gets nothing back of it",
			name);
	} else {
		(void)err_say(e, r, "guest '%s' has no balloon", name);
		err_hint(e, "run it with --balloon");
	}
}

static void link_explain(
	const struct control *c, const struct control_request *q, int r, struct err *e)
{
	if (r == -EALREADY) {
		(void)err_say(e, r, "the link of card '%s' is %s already", q->card,
			q->up ? "up" : "down");
	} else if (r == -EPIPE) {
		(void)err_say(e, r, "the link of card '%s' stays down: its passt or tap is gone",
			q->card);
		err_hint(e, "stop the guest and run it again");
	} else if (r == -ENODEV) {
		(void)err_say(e, r, "the guest has released card '%s'", q->card);
	} else if (r == -ENXIO) {
		(void)err_say(e, r, "guest '%s' has started without card '%s'", c->guest.spec->name,
			q->card);
		err_hint(e, "the warning at its start says why");
	} else {
		(void)err_set(e, r, "link card '%s'", q->card);
	}
}

void control_explain(const struct control *c, const struct control_request *q, struct err *e)
{
	const char *name = c->guest.spec->name;
	int r = c->done.result;

	if (r == -EOPNOTSUPP)
		(void)err_say(e, -ENOTSUP, "%s: engine '%s' cannot do that with a running guest",
			control_command_name(q->command), c->guest.engine);
	else if (q->command == CONTROL_CONSOLE && r == -ENOTCONN)
		(void)err_say(e, -ENOTSUP,
			"guest '%s' has no console here: its words for QEMU say where that is",
			name);
	else if (q->command == CONTROL_RESIZE)
		resize_explain(q, r, e);
	else if (q->command == CONTROL_BALLOON)
		balloon_explain(c, q, r, e);
	else if (q->command == CONTROL_LINK)
		link_explain(c, q, r, e);
	else if (r == -EALREADY)
		(void)err_say(e, r, "guest '%s' is %s already", name,
			q->command == CONTROL_PAUSE ? "paused" : "running");
	else if (r == -EAGAIN && q->command == CONTROL_STOP) {
		(void)err_say(
			e, r, "guest '%s' is paused, and does not see its power button", name);
		err_hint(e, "resume it first, or stop it by force");
	} else if (r == -EUSERS)
		(void)err_say(e, r, "too many look at %s%s of guest '%s' already",
			q->port[0] ? "port " : "the console", q->port, name);
	else
		(void)err_set(e, r, "%s guest '%s'", control_command_name(q->command), name);
}
