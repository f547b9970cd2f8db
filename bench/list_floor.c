/* SPDX-License-Identifier: MIT */
/*
 * The floor of `bench/list`: opens and reads, device by device, the files of sysfs that `usher
 * list` reads, and does nothing with them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"

static char text[4096];

static void read_one(const char *folder, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text)) < 0)
		perror(path);
	(void)close(fd);
}

static void link_one(const char *folder, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (readlink(path, text, sizeof(text)) < 0)
		text[0] = '\0';
}

static void device(const char *name)
{
	static const char *const files[] = {"vendor", "device", "class", "subsystem_vendor",
		"subsystem_device", "revision", "numa_node", "reset_method"};
	static const char *const links[] = {"driver", "iommu_group"};
	static const char *const uses[] = {"virtfn0", "vfio-dev", "physfn"};
	char by_name[512], folder[512];

	(void)snprintf(by_name, sizeof(by_name), DEVICES "/%s", name);
	ssize_t n = readlink(by_name, text, 256);
	(void)snprintf(folder, sizeof(folder), "/sys/%.*s", n > 9 ? (int)n - 9 : 0, text + 9);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		read_one(folder, files[i]);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		link_one(folder, links[i]);
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		link_one(by_name, uses[i]);
	read_one(by_name, "sriov_totalvfs");
}

int main(void)
{
	DIR *dir = opendir(DEVICES);

	if (!dir) {
		perror(DEVICES);
		return 1;
	}
	for (struct dirent *d = readdir(dir); d; d = readdir(dir))
		if (d->d_name[0] != '.')
			device(d->d_name);
	(void)closedir(dir);
	return 0;
}
