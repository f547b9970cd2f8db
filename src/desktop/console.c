/* SPDX-License-Identifier: MIT */
#include "desktop/console.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <string.h>

#define FOLDER "/sys/class/vtconsole"
#define ACTIVE "/sys/class/tty/tty0/active"
#define VT_MAX 63 /* MAX_NR_CONSOLES in linux/vt.h */

size_t desktop_consoles_read(struct host *h, struct desktop_console ret[DESKTOP_CONSOLES_MAX])
{
	char path[FILE_PATH_MAX];
	size_t count = 0;
	uint64_t bound;

	for (unsigned i = 0; i < DESKTOP_CONSOLES_MAX; i++) {
		struct desktop_console *c = &ret[count];

		if (file_path(path, sizeof(path), FOLDER "/vtcon%u/name", i) < 0 ||
			host_read_text(h, path, c->name, sizeof(c->name)) <= 0 ||
			file_path(path, sizeof(path), FOLDER "/vtcon%u/bind", i) < 0 ||
			host_read_number(h, path, &bound) < 0)
			continue;
		c->number = i;
		c->is_bound = bound != 0;
		count++;
	}
	return count;
}

bool desktop_console_draws(const struct desktop_console *c)
{
	return strstr(c->name, "frame buffer") != NULL;
}

int desktop_console_path(const struct desktop_console *c, char *buf, size_t size)
{
	return file_path(buf, size, FOLDER "/vtcon%u/bind", c->number);
}

unsigned desktop_vt_read(struct host *h)
{
	char text[16];
	uint64_t n;

	if (host_read_text(h, ACTIVE, text, sizeof(text)) <= 0 || strncmp(text, "tty", 3) != 0 ||
		num_parse(text + 3, 10, VT_MAX, &n) < 0)
		return 0;
	return (unsigned)n;
}
