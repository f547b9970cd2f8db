/* SPDX-License-Identifier: MIT */
#include "engine/usb_return.h"

#include "base/clean.h"
#include "base/file.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool has_file(const char *bus, const char *name, const char *file)
{
	char path[FILE_PATH_MAX];

	return file_path(path, sizeof(path), "%s/devices/%s%s", bus, name, file) == 0 &&
	       access(path, F_OK) == 0;
}

void usb_return_note(const char *bus, const char *place, struct usb_return *ret)
{
	const size_t len = strlen(place);
	char path[FILE_PATH_MAX];
	const struct dirent *entry;

	if (file_path(path, sizeof(path), "%s/devices", bus) < 0)
		return;
	cleanup_dir DIR *d = opendir(path);
	while (d && (entry = readdir(d)) && ret->count < USB_INTERFACES_MAX) {
		const char *name = entry->d_name;
		if (strncmp(name, place, len) != 0 || name[len] != ':' ||
			strlen(name) >= sizeof(ret->names[0]) || !has_file(bus, name, "/driver"))
			continue;
		(void)snprintf(ret->names[ret->count++], sizeof(ret->names[0]), "%s", name);
	}
}

void usb_return_probe(const char *bus, struct usb_return *r)
{
	char path[FILE_PATH_MAX];

	while (r->count > 0) {
		const char *name = r->names[--r->count];
		if (has_file(bus, name, "") && !has_file(bus, name, "/driver") &&
			file_path(path, sizeof(path), "%s/drivers_probe", bus) == 0)
			(void)file_write(path, name);
	}
}
