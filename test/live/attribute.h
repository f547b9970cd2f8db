/* SPDX-License-Identifier: MIT */
#ifndef TEST_LIVE_ATTRIBUTE_H
#define TEST_LIVE_ATTRIBUTE_H

#include <dirent.h>
#include <stdio.h>

/* Calls @each with the path of every one of these attributes of every PCI device in sysfs. */
static inline void attributes_each(
	const char *const *attributes, size_t count, void (*each)(const char *path))
{
	char path[400];
	const struct dirent *entry;
	DIR *d = opendir("/sys/bus/pci/devices");

	while (d && (entry = readdir(d)))
		for (size_t i = 0; i < count; i++) {
			(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s",
				entry->d_name, attributes[i]);
			each(path);
		}
	if (d)
		(void)closedir(d);
}

#endif
