/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

int text_begin(struct text *t)
{
	*t = (struct text){0};
	t->out = open_memstream(&t->bytes, &t->len);
	return t->out ? 0 : -ENOMEM;
}

int text_end(struct text *t, char **ret)
{
	if (fclose(t->out)) {
		free(t->bytes);
		return -ENOMEM;
	}
	*ret = t->bytes;
	return (int)t->len;
}
