/* SPDX-License-Identifier: MIT */
#include "cli/virtio.h"

#include "cli/option.h"
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

int virtio_add(const struct virtio_words *w, struct guest_spec *s, struct err *e)
{
	const struct guest_virtio rng = {.type = GUEST_VIRTIO_RNG};

	return w->rng ? spec_add_virtio(s, &rng, e) : 0;
}

void virtio_print(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		(void)printf("virtio: %s\n", spec_virtio_name(s->virtio[i].type));
}

void virtio_put(struct json *guest, const struct guest_spec *s)
{
	struct json *list = json_put_list(guest, "virtio");

	for (size_t i = 0; i < s->virtio_count; i++)
		json_put_text(json_push_map(list), "type", spec_virtio_name(s->virtio[i].type));
}
