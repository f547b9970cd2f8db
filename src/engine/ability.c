/* SPDX-License-Identifier: MIT */
#include "engine/ability.h"

#include "base/err.h"
#include "base/num.h"
#include "engine/engine.h"

#include <errno.h>
#include <stddef.h>

static bool has_firmware(const struct guest_spec *s)
{
	return s->firmware != GUEST_FIRMWARE_NONE;
}

static bool has_kernel_from(const struct guest_spec *s)
{
	return s->kernel_from;
}

static bool has_display(const struct guest_spec *s)
{
	return s->display.kind != GUEST_DISPLAY_NONE;
}

static bool has_tpm(const struct guest_spec *s)
{
	return s->tpm;
}

static bool has_usb(const struct guest_spec *s)
{
	return s->usb_count > 0;
}

static bool has_poll(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_BLK && s->virtio[i].disk.poll)
			return true;
	return false;
}

static bool has_format(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_BLK && disk_has_format(&s->virtio[i].disk))
			return true;
	return false;
}

static bool has_share(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_FS)
			return true;
	return false;
}

static bool has_net_backend(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_NET && s->virtio[i].net.backend[0])
			return true;
	return false;
}

static bool has_packed_rings(const struct guest_spec *s)
{
	return s->rings == GUEST_RINGS_PACKED;
}

static bool has_balloon(const struct guest_spec *s)
{
	return s->balloon;
}

static bool has_vsock(const struct guest_spec *s)
{
	return s->vsock;
}

static bool has_vsock_socket(const struct guest_spec *s)
{
	return s->vsock_listens;
}

/* The first port without an end on the host; NULL: each has one. */
static const char *port_view_name(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->port_count; i++)
		if (s->ports[i].kind == GUEST_PORT_NONE)
			return s->ports[i].name;
	return NULL;
}

static bool has_port_view(const struct guest_spec *s)
{
	return port_view_name(s);
}

static bool has_port_limit(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->port_count; i++)
		if (s->ports[i].limit)
			return true;
	return false;
}

static bool has_port_link(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->port_count; i++)
		if (s->ports[i].kind == GUEST_PORT_PTY && s->ports[i].path[0])
			return true;
	return false;
}

static bool has_hugepages(const struct guest_spec *s)
{
	return s->hugepages;
}

static bool has_peers(const struct guest_spec *s)
{
	return s->peers;
}

static bool has_stats(const struct guest_spec *s)
{
	return s->stats || s->stats_file;
}

static bool has_timing(const struct guest_spec *s)
{
	return s->timing;
}

static bool has_trace(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->device_count; i++)
		if (s->devices[i].trace)
			return true;
	return false;
}

static bool has_env(const struct guest_spec *s)
{
	return s->env_count > 0;
}

static bool has_words(const struct guest_spec *s)
{
	return s->engine_args && s->engine_args[0];
}

/*
 * @asks: whether a description asks for it; NULL: only a running guest is asked. @object: what of
 * the description does, where the option may be repeated and no file has the words of @option.
 */
static const struct {
	const char *name, *option;
	bool (*asks)(const struct guest_spec *s);
	const char *(*object)(const struct guest_spec *s);
} abilities[ABILITY_COUNT] = {
	[ABILITY_KERNEL_FROM] = {"kernel-from", "--kernel-from", has_kernel_from},
	[ABILITY_FIRMWARE] = {"firmware", "--firmware", has_firmware},
	[ABILITY_DISPLAY] = {"display", "--display", has_display},
	[ABILITY_TPM] = {"tpm", "--tpm", has_tpm},
	[ABILITY_USB] = {"usb", "--usb", has_usb},
	[ABILITY_POLL] = {"poll", "--disk: poll=on", has_poll},
	[ABILITY_FORMAT] = {"format", "--disk: format=", has_format},
	[ABILITY_SHARE] = {"share", "--share", has_share},
	[ABILITY_NET_BACKEND] = {"vhost-user", "--net vhost-user", has_net_backend},
	[ABILITY_RINGS] = {"packed-rings", "--rings packed", has_packed_rings},
	[ABILITY_BALLOON] = {"balloon", "--balloon", has_balloon},
	[ABILITY_VSOCK] = {"vsock", "--vsock", has_vsock},
	[ABILITY_VSOCK_SOCKET] = {"vsock-socket", "--vsock: socket", has_vsock_socket},
	[ABILITY_PORT_VIEW] = {"port-view", "--port without an end", has_port_view, port_view_name},
	[ABILITY_PORT_LIMIT] = {"port-limit", "--port: limit=", has_port_limit},
	[ABILITY_PORT_LINK] = {"port-link", "--port: pty=PATH", has_port_link},
	[ABILITY_HUGEPAGES] = {"hugepages", "--hugepages", has_hugepages},
	[ABILITY_PEERS] = {"peers", "--peers", has_peers},
	[ABILITY_HANDED] = {"handed", "--device: fd=", spec_is_handed},
	[ABILITY_STATS] = {"stats", "--stats", has_stats},
	[ABILITY_TIMING] = {"timing", "--timing", has_timing},
	[ABILITY_TRACE] = {"trace", "--trace-bar", has_trace},
	[ABILITY_ENV] = {"env", "--env", has_env},
	[ABILITY_WORDS] = {"words", "words after '--'", has_words},
	[ABILITY_CONTROL] = {"control", NULL, NULL},
	[ABILITY_CONSOLE] = {"console", NULL, NULL},
};

const char *ability_name(enum ability a)
{
	return abilities[a].name;
}

struct ability_note ability_of(const struct engine *e, enum ability a)
{
	struct ability_note n = e->abilities ? e->abilities[a] : (struct ability_note){0};

	if (n.depth == ABILITY_NO && !n.reason)
		n.reason = "this engine has none";
	return n;
}

static const struct engine *engine_with(enum ability a)
{
	for (size_t i = 0; engine_at(i); i++)
		if (ability_of(engine_at(i), a).depth != ABILITY_NO)
			return engine_at(i);
	return NULL;
}

int ability_check(const struct engine *engine, const struct guest_spec *s, struct err *e)
{
	for (enum ability a = 0; a < ABILITY_COUNT; a++) {
		const struct ability_note n = ability_of(engine, a);
		if (n.depth != ABILITY_NO || !abilities[a].asks || !abilities[a].asks(s))
			continue;
		const struct engine *other = engine_with(a);
		const char *object = abilities[a].object ? abilities[a].object(s) : NULL;
		err_say(e, -EINVAL, "%s%s%s%s %s not for engine '%s': %s", abilities[a].option,
			object ? ", '" : "", object ? object : "", object ? "'," : "",
			a == ABILITY_WORDS ? "are" : "is", engine->name, n.reason);
		if (other)
			err_hint(e, "leave it out, or run the guest with --engine=%s", other->name);
		return -EINVAL;
	}
	return 0;
}
