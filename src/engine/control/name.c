/* SPDX-License-Identifier: MIT */
#include "engine/control/name.h"

#include "base/err.h"
#include "engine/net.h"
#include "engine/spec.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

const char *control_name_program(const char *engine)
{
	return strcmp(engine, "usher") == 0 ? "usher-vmm" : engine;
}

int control_name_disk(const struct guest_spec *s, const char *name, uint64_t *ret, struct err *e)
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		const struct guest_disk *d = &s->virtio[i].disk;
		if (s->virtio[i].type != GUEST_VIRTIO_BLK ||
			(strcmp(d->path, name) != 0 && strcmp(d->serial, name) != 0))
			continue;
		if (disk_has_format(d)) {
			err_say(e, -EINVAL,
				"disk '%s' cannot grow while the guest runs: it is a %s "
				"image, which QEMU serves",
				name, d->format);
			err_hint(e, "stop the guest, then 'qemu-img resize' makes it larger");
			return -EINVAL;
		}
		*ret = i;
		return 0;
	}
	err_say(e, -ENODEV, "guest '%s' has no disk '%s'", s->name, name);
	err_hint(e, "name it as --disk does: by its path, or by its serial number");
	return -ENODEV;
}

int control_name_card(const struct guest_spec *s, const char *name, uint64_t *ret, struct err *e)
{
	char mac[NET_MAC_TEXT];

	for (size_t i = 0; i < s->virtio_count; i++) {
		const struct guest_net *n = &s->virtio[i].net;
		/* The cable of a card with a back end of its own is the back end's. */
		if (s->virtio[i].type != GUEST_VIRTIO_NET || n->backend[0] ||
			(strcmp(n->tap[0] ? n->tap : "user", name) != 0 &&
				strcasecmp(net_mac_text(n->mac, mac), name) != 0))
			continue;
		*ret = i;
		return 0;
	}
	err_say(e, -ENODEV, "guest '%s' has no network card '%s'", s->name, name);
	err_hint(e, "name it as --net does: by its tap, as user, or by its address");
	return -ENODEV;
}

int control_name_port(const struct guest_spec *s, const char *name, uint64_t *ret, struct err *e)
{
	*ret = 0;
	if (!name[0])
		return 0;
	for (size_t i = 0; i < s->port_count; i++) {
		if (strcmp(s->ports[i].name, name) == 0) {
			*ret = i + 1;
			return 0;
		}
	}
	(void)err_say(e, -ENOENT, "guest '%s' has no port '%s'", s->name, name);
	if (s->port_count)
		err_hint(e, "it has %s%s%s%s", s->ports[0].name, s->port_count > 1 ? ", " : "",
			s->port_count > 1 ? s->ports[1].name : "", s->port_count > 2 ? ", …" : "");
	return -ENOENT;
}
