/* SPDX-License-Identifier: MIT */
#include "engine/qemu/obey.h"

#include "base/num.h"
#include "control/value.h"
#include "engine/qemu/monitor.h"
#include "engine/qemu/parts.h"
#include "engine/qemu/plugging.h"
#include "engine/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Return: 1 the guest's processors run, 0 they are paused, -errno. */
static int guest_runs(struct monitor *m)
{
	struct control_value *v = NULL;

	int r = monitor_ask(m, "{\"execute\":\"query-status\"}", &v);
	if (r < 0)
		return r;
	r = control_value_flag(control_value_member(v, "return"), "running");
	control_value_free(v);
	return r;
}

/* What the guest would not see, or what is so already, is an error. */
static int guest_command(struct monitor *m, const char *command, bool wants_running, int otherwise)
{
	int r = guest_runs(m);

	if (r < 0)
		return r;
	return r == wants_running ? monitor_ask(m, command, NULL) : otherwise;
}

static int link_set(struct monitor *m, const struct wire_order *o)
{
	const bool up = o->flags & WIRE_ORDER_UP;
	const uint64_t bit = UINT64_C(1) << o->card;
	char text[128];

	if (o->card >= m->spec->virtio_count || m->spec->virtio[o->card].type != GUEST_VIRTIO_NET)
		return -ENODEV;
	if (up == !(m->links_down & bit))
		return -EALREADY;
	(void)snprintf(text, sizeof(text),
		"{\"execute\":\"set_link\",\"arguments\":{\"name\":\"usher-virtio%" PRIu64
		"\",\"up\":%s}}",
		o->card, up ? "true" : "false");
	int r = monitor_ask(m, text, NULL);
	if (r == 0)
		m->links_down = up ? m->links_down & ~bit : m->links_down | bit;
	return r;
}

/* A size of 0 is that of the file now. */
static int disk_size(const struct monitor *m, const struct wire_order *o, uint64_t *ret)
{
	const struct qemu_disk *k = &m->parts->disks[o->disk];
	const off_t now = k->fd < 0 ? -1 : lseek(k->fd, 0, SEEK_END);

	if (now < 0)
		return -ENODEV;
	if (o->size && (k->is_block || m->spec->virtio[o->disk].disk.readonly))
		return -EINVAL;
	if (o->size && o->size < (uint64_t)now)
		return -ERANGE;
	*ret = o->size ? o->size : (uint64_t)now;
	return 0;
}

static int disk_resize(struct monitor *m, const struct wire_order *o, struct wire_done *d)
{
	char text[160];
	uint64_t size;

	if (o->disk >= m->spec->virtio_count || m->spec->virtio[o->disk].type != GUEST_VIRTIO_BLK)
		return -ENODEV;
	int r = disk_size(m, o, &size);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text),
		"{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"usher-disk%" PRIu64
		"\",\"size\":%" PRIu64 "}}",
		o->disk, size);
	r = monitor_ask(m, text, NULL);
	if (r == 0)
		d->length = (uint32_t)snprintf(
			d->text, sizeof(d->text), "{\"size\":%" PRIu64 "}", size);
	return r;
}

#define BALLOON_LEAST MIB(8) /* as usher-vmm has it: who asks for less has forgotten the unit */

static int balloon_set(struct monitor *m, uint64_t size)
{
	char text[96];

	if (!m->spec->balloon)
		return -ENODEV;
	if (size > m->spec->memory)
		return -ERANGE;
	if (size < BALLOON_LEAST)
		return -EINVAL;
	(void)snprintf(text, sizeof(text),
		"{\"execute\":\"balloon\",\"arguments\":{\"value\":%" PRIu64 "}}", size);
	return monitor_ask(m, text, NULL);
}

static int order_obey(struct monitor *m, const struct wire_order *o, struct wire_done *d)
{
	switch ((enum wire_order_kind)o->order) {
	case WIRE_ORDER_BUTTON:
		return guest_command(m, "{\"execute\":\"system_powerdown\"}", true, -EAGAIN);
	case WIRE_ORDER_RESET:
		return monitor_ask(m, "{\"execute\":\"system_reset\"}", NULL);
	case WIRE_ORDER_PAUSE:
		return guest_command(m, "{\"execute\":\"stop\"}", true, -EALREADY);
	case WIRE_ORDER_RESUME:
		return guest_command(m, "{\"execute\":\"cont\"}", false, -EALREADY);
	case WIRE_ORDER_LINK:
		return link_set(m, o);
	case WIRE_ORDER_RESIZE:
		return disk_resize(m, o, d);
	case WIRE_ORDER_PLUG:
		return monitor_plug(m, o);
	case WIRE_ORDER_UNPLUG:
		return monitor_unplug(m, o);
	case WIRE_ORDER_LENT:
		return monitor_lent(m, d);
	case WIRE_ORDER_BALLOON:
		return balloon_set(m, o->size);
	case WIRE_ORDER_FIGURES:
	case WIRE_ORDER_CONSOLE:
		break;
	}
	return -EOPNOTSUPP;
}

void monitor_obey(struct monitor *m, const struct wire_order *o, struct wire_done *d)
{
	d->result = order_obey(m, o, d);
	if (d->result == -EREMOTEIO)
		d->length = (uint32_t)snprintf(d->text, sizeof(d->text), "%s", m->refusal);
}
