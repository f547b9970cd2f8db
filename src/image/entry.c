/* SPDX-License-Identifier: MIT */
#include "image/entry.h"

#include <stdio.h>
#include <string.h>

bool entry_copy(char *buf, size_t size, const char *text)
{
	return (size_t)snprintf(buf, size, "%s", text) < size;
}

bool entry_append(char *list, size_t size, const char *word)
{
	size_t used = strlen(list), len = strlen(word);

	if (len + 1 + (used > 0) > size - used)
		return false;
	if (used)
		list[used++] = ' ';
	memcpy(list + used, word, len + 1);
	return true;
}

bool entry_set_path(char buf[ENTRY_PATH_MAX], const char *path)
{
	const char *end = path[0] == '(' ? strchr(path, ')') : NULL;

	return entry_copy(buf, ENTRY_PATH_MAX, end ? end + 1 : path);
}

void entry_add_initrd(struct boot_entry *b, const char *path)
{
	if (b->initrd_count < ENTRY_INITRDS_MAX &&
		entry_set_path(b->initrds[b->initrd_count], path))
		b->initrd_count++;
}
