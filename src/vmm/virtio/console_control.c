/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/console_control.h"

#include "base/endian.h"
#include "base/num.h"

#include <linux/virtio_console.h>
#include <string.h>

#define DUE(event) ((uint8_t)(1U << (event)))
/* In this order, so that a program of the guest that sees a port open finds its name. */
static const uint8_t order[] = {
	VIRTIO_CONSOLE_PORT_ADD, VIRTIO_CONSOLE_PORT_NAME, VIRTIO_CONSOLE_PORT_OPEN};

void console_control_reset(struct console_control *c)
{
	for (unsigned i = 0; i < c->port_count; i++) {
		c->ports[i].ready = c->ports[i].open = false;
		c->ports[i].due = 0;
	}
}

void console_control_begin_single(struct console_control *c)
{
	if (c->port_count)
		c->ports[0].open = true;
}

/* Ref: virtio 1.2, 5.3.6.2: value 0 of DEVICE_READY, and of PORT_READY, is the driver's failure. */
static bool device_ready(struct console_control *c, uint16_t value)
{
	for (unsigned i = 0; value == 1 && i < c->port_count; i++)
		c->ports[i].due |= DUE(VIRTIO_CONSOLE_PORT_ADD);
	return value <= 1;
}

static bool port_ready(struct console_control_port *p, uint16_t value)
{
	p->ready = value == 1;
	p->due = 0;
	if (p->ready)
		p->due = DUE(VIRTIO_CONSOLE_PORT_NAME) | DUE(VIRTIO_CONSOLE_PORT_OPEN);
	return value <= 1;
}

static bool message_apply(struct console_control *c, uint32_t id, uint16_t event, uint16_t value)
{
	if (event == VIRTIO_CONSOLE_DEVICE_READY)
		return device_ready(c, value);
	if (id >= c->port_count)
		return false;
	if (event == VIRTIO_CONSOLE_PORT_READY)
		return port_ready(&c->ports[id], value);
	if (event != VIRTIO_CONSOLE_PORT_OPEN || value > 1)
		return false;
	c->ports[id].open = value;
	return true;
}

void console_control_take(struct console_control *c, const uint8_t *bytes, size_t len)
{
	if (len < sizeof(struct virtio_console_control) ||
		!message_apply(c, le32_get(bytes + offsetof(struct virtio_console_control, id)),
			le16_get(bytes + offsetof(struct virtio_console_control, event)),
			le16_get(bytes + offsetof(struct virtio_console_control, value))))
		c->misdeeds++;
}

void console_control_connect(struct console_control *c, unsigned n, bool connected)
{
	struct console_control_port *p = &c->ports[n];

	if (p->connected == connected)
		return;
	p->connected = connected;
	if (p->ready)
		p->due |= DUE(VIRTIO_CONSOLE_PORT_OPEN);
}

bool console_control_is_due(const struct console_control *c)
{
	for (unsigned i = 0; i < c->port_count; i++)
		if (c->ports[i].due)
			return true;
	return false;
}

/* The name follows the message, and ends with it. */
static size_t message_make(const struct console_control *c, unsigned n, uint8_t event, uint8_t *ret)
{
	const struct console_control_port *p = &c->ports[n];
	const bool is_name = event == VIRTIO_CONSOLE_PORT_NAME;
	const uint16_t value = event == VIRTIO_CONSOLE_PORT_OPEN ? p->connected : 1;
	const size_t len = is_name ? strnlen(p->name, CONSOLE_NAME_MAX - 1) : 0;

	le32_put(ret + offsetof(struct virtio_console_control, id), n);
	le16_put(ret + offsetof(struct virtio_console_control, event), event);
	le16_put(ret + offsetof(struct virtio_console_control, value), value);
	memcpy(ret + sizeof(struct virtio_console_control), p->name, len);
	return sizeof(struct virtio_console_control) + len;
}

size_t console_control_next(struct console_control *c, uint8_t *ret)
{
	for (unsigned i = 0; i < c->port_count; i++) {
		struct console_control_port *p = &c->ports[i];
		for (size_t k = 0; k < COUNT(order); k++) {
			if (!(p->due & DUE(order[k])))
				continue;
			p->due &= (uint8_t)~DUE(order[k]);
			return message_make(c, i, order[k], ret);
		}
	}
	return 0;
}
