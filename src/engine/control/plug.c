/* SPDX-License-Identifier: MIT */
#include "engine/control/plug.h"

#include "base/num.h"
#include "engine/control_answer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Why this guest's devices do not change. Return: 0, -ENOTSUP, -EAGAIN. */
static int plug_refuse(const struct control *c, const struct control_request *q, struct err *e)
{
	const char *what = control_command_name(q->command), *name = c->guest.spec->name;

	if (c->guest.is_program)
		return err_say(e, -ENOTSUP, "%s: '%s' is a program, not a guest", what, name);
	if (strcmp(c->guest.engine, "libvirt") == 0) {
		err_say(e, -ENOTSUP, "%s: libvirt runs guest '%s'", what, name);
		err_hint(e, "usher %s --libvirt qemu:///system %s DEVICE", what, name);
		return -ENOTSUP;
	}
	if (strcmp(c->guest.engine, "qemu") != 0) {
		err_say(e, -ENOTSUP,
			"%s: usher-vmm runs guest '%s', whose devices are those it starts with",
			what, name);
		err_hint(e, "start it with --device, or run it with --engine=qemu");
		return -ENOTSUP;
	}
	if (c->phase == CONTROL_STARTING || c->phase == CONTROL_ENDED)
		return err_say(e, -EAGAIN, "guest '%s' does not run %s", name,
			c->phase == CONTROL_ENDED ? "any more" : "yet");
	if (c->plug.place.line_fd < 0)
		return err_say(e, -EPIPE, "%s: QEMU takes no orders", what);
	return 0;
}

/* Return: 0, -EINVAL. */
static int wish_read(const struct control_request *q, struct plug_wish *ret, struct err *e)
{
	*ret = (struct plug_wish){.away = q->command == CONTROL_DETACH,
		.count = q->devices.count,
		.allow_count = q->allow.count,
		.timeout_ms = (int)q->timeout_s * 1000};
	for (size_t i = 0; i < q->allow.count; i++)
		ret->allow[i] = q->allow.list[i];
	for (size_t i = 0; i < q->devices.count; i++)
		if (pci_address_parse(q->devices.list[i], &ret->devices[i]) < 0)
			return err_say(e, -EINVAL, "'%s' is not the address of a device",
				q->devices.list[i]);
	return 0;
}

static int plug_start(struct control *c, const struct control_request *q, struct err *e)
{
	struct plug_wish wish;

	int r = plug_refuse(c, q, e);
	if (r < 0)
		return r;
	r = wish_read(q, &wish, e);
	return r < 0 ? r : plug_begin(&c->plug, &wish, e);
}

void control_plug_begin(
	struct control *c, struct control_client *from, const struct control_request *q)
{
	struct err e = {0};

	from->request = *q;
	int r = plug_start(c, &from->request, &e);
	if (r < 0) {
		control_failed(from, q, &e);
		return;
	}
	from->plugs = true;
	c->plugs_away = q->command == CONTROL_DETACH;
}

static void device_forget(struct control_guest *g, struct pci_address a)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->device_count; i++)
		if (!pci_address_equal(g->devices[i], a))
			g->devices[kept++] = g->devices[i];
	g->device_count = kept;
}

static void result_apply(struct control *c, const struct plug_result *r)
{
	char name[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < r->count; i++) {
		device_forget(&c->guest, r->members[i]);
		if (!c->plugs_away && c->guest.device_count < COUNT(c->guest.devices))
			c->guest.devices[c->guest.device_count++] = r->members[i];
		(void)pci_address_format(r->members[i], name);
		if (c->plugs_away)
			control_event(c, "detached", INT_MIN, name, NULL);
		else
			control_event(c, "attached", INT_MIN, name, NULL);
	}
}

static void result_tell(struct control *c, const struct plug_result *r)
{
	result_apply(c, r);
	for (size_t i = 0; i < c->count; i++) {
		struct control_client *to = &c->list[i];
		if (!to->plugs)
			continue;
		to->plugs = false;
		if (r->why.code)
			control_failed(to, &to->request, &r->why);
		else
			control_tell_devices(to, &to->request, r->members, r->count);
	}
}

void control_plug_finish(struct control *c)
{
	struct plug_result result;

	plug_finish(&c->plug, &result);
	result_tell(c, &result);
}

void control_plug_abort(struct control *c)
{
	struct plug_result result = {0};

	if (!c || c->plug.job <= 0)
		return;
	plug_abort(&c->plug);
	(void)err_say(&result.why, -ECANCELED, "guest '%s' has ended; its devices return",
		c->guest.spec->name);
	result_tell(c, &result);
}
