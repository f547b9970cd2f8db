/* SPDX-License-Identifier: MIT */
#include "base/sized.h"

#include <errno.h>
#include <string.h>

int sized_write(void *to, size_t size, size_t least, const void *from, size_t known)
{
	if (size < least)
		return -EINVAL;
	memset(to, 0, size);
	memcpy(to, from, size < known ? size : known);
	return 0;
}

int sized_read(void *to, size_t known, size_t least, const void *from, size_t size)
{
	const unsigned char *bytes = from;

	if (size < least)
		return -EINVAL;
	for (size_t i = known; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memset(to, 0, known);
	memcpy(to, from, size < known ? size : known);
	return 0;
}
