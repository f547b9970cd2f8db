/* SPDX-License-Identifier: MIT */
#include "cli/virtio.h"

#include "base/err.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "engine/spec.h"
#include "view/json.h"

#include <stdio.h>
#include <string.h>

int virtio_take_rng(struct virtio_words *w, const struct verb *v, const char *text)
{
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return option_wrong(v, "--rng: '%s' is neither on nor off", text);
	w->rng = strcmp(text, "on") == 0;
	return 0;
}

int virtio_take_disk(struct guest_spec *s, const struct verb *v, const char *text)
{
	struct guest_virtio disk = {.type = GUEST_VIRTIO_BLK};
	struct err e = {0};

	int r = disk_parse(text, &disk.disk, &e);
	if (r == 0)
		r = spec_add_virtio(s, &disk, &e);
	if (r == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int virtio_add(const struct virtio_words *w, struct guest_spec *s, struct err *e)
{
	const struct guest_virtio rng = {.type = GUEST_VIRTIO_RNG};

	return w->rng ? spec_add_virtio(s, &rng, e) : 0;
}

static void disk_print(const struct guest_disk *d)
{
	(void)printf("disk: %s%s%s%s%s", d->path, d->readonly ? ", read-only" : "",
		d->serial[0] ? ", serial " : "", d->serial,
		d->direct == DISK_DIRECT_ON    ? ", direct"
		: d->direct == DISK_DIRECT_OFF ? ", by the page cache"
					       : "");
	if (d->queues > 1)
		(void)printf(", %u queues", d->queues);
	(void)printf(
		"%s\n", d->poll ? ", polled: its requests keep a processor of the host busy" : "");
}

void virtio_print(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		if (s->virtio[i].type == GUEST_VIRTIO_BLK)
			disk_print(&s->virtio[i].disk);
		else
			(void)printf("virtio: %s\n", spec_virtio_name(s->virtio[i].type));
	}
}

static void disk_put(struct json *to, const struct guest_disk *d)
{
	static const char *const directs[] = {
		[DISK_DIRECT_AUTO] = "auto", [DISK_DIRECT_ON] = "on", [DISK_DIRECT_OFF] = "off"};

	json_put_text(to, "path", d->path);
	json_put_text(to, "serial", d->serial[0] ? d->serial : NULL);
	json_put_flag(to, "readonly", d->readonly);
	json_put_text(to, "direct", directs[d->direct]);
	json_put_number(to, "queues", d->queues);
	json_put_flag(to, "poll", d->poll);
}

void virtio_put(struct json *guest, const struct guest_spec *s)
{
	struct json *list = json_put_list(guest, "virtio");

	for (size_t i = 0; i < s->virtio_count; i++) {
		struct json *one = json_push_map(list);
		json_put_text(one, "type", spec_virtio_name(s->virtio[i].type));
		if (s->virtio[i].type == GUEST_VIRTIO_BLK)
			disk_put(json_put_map(one, "disk"), &s->virtio[i].disk);
		else
			json_put_null(one, "disk");
	}
}
