/* SPDX-License-Identifier: MIT */
#include "view/size.h"

#include <inttypes.h>
#include <stdio.h>

const char *size_format(uint64_t size, char *buf, size_t len)
{
	static const char *const units[] = {" bytes", " KiB", " MiB", " GiB", " TiB"};
	unsigned unit = 0;

	for (; unit < 4 && size && size % 1024 == 0; unit++)
		size /= 1024;
	(void)snprintf(buf, len, "%" PRIu64 "%s", size, units[unit]);
	return buf;
}
