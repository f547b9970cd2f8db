/* SPDX-License-Identifier: MIT */
#include "wire/image.h"

#include "base/num.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool text_is_plain(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return len < size;
}

int wire_image_check(const struct wire_image *m)
{
	const struct {
		const char *text;
		size_t size;
	} texts[] = {
		{m->reason, sizeof(m->reason)},
		{m->hint, sizeof(m->hint)},
		{m->kernel, sizeof(m->kernel)},
		{m->initrd, sizeof(m->initrd)},
		{m->source, sizeof(m->source)},
		{m->title, sizeof(m->title)},
		{m->options, sizeof(m->options)},
		{m->root, sizeof(m->root)},
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (!text_is_plain(texts[i].text, texts[i].size))
			return -EBADMSG;
	if (m->code > 0 || (m->code == 0 && !m->kernel[0]) || (m->code < 0 && !m->reason[0]))
		return -EBADMSG;
	return 0;
}
