/* SPDX-License-Identifier: MIT */
/*
 * A program that tries to keep its device. It prints its rights and the other devices that it can
 * open. It leaves a grandchild that holds all descriptors and ignores every signal.
 */
#include "attribute.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void print_rights(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNewPrivs", 10) == 0 ||
			strncmp(line, "Uid", 3) == 0 || strncmp(line, "Groups", 6) == 0)
			(void)fputs(line, stdout);
	if (f)
		(void)fclose(f);
	(void)printf("pid %d\n", (int)getpid());
}

static unsigned refused;

static void try_writing(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)printf("%s: OPENED\n", path);
		(void)close(fd);
	}
	refused += fd < 0 && (errno == EACCES || errno == EROFS);
}

static void try_others(void)
{
	char path[300];
	const struct dirent *entry;
	DIR *d = opendir("/dev/vfio");

	while (d && (entry = readdir(d))) {
		if (strcmp(entry->d_name, "vfio") == 0 || entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/dev/vfio/%s", entry->d_name);
		(void)printf("group %s: SEEN, %s\n", entry->d_name,
			open(path, O_RDWR | O_CLOEXEC) < 0 ? "refused" : "OPENED");
	}
	if (d)
		(void)closedir(d);
}

/*
 * All attributes that touch a device or give it away. Prints those that open, and how many do not.
 */
static void try_attributes(void)
{
	static const char *const attributes[] = {"driver_override", "reset", "reset_method",
		"remove", "rescan", "enable", "config", "resource0", "driver/unbind",
		"power/control"};
	static const char *const others[] = {"/sys/bus/pci/rescan", "/sys/bus/pci/drivers_probe",
		"/sys/bus/pci/drivers/vfio-pci/bind", "/sys/bus/pci/drivers/vfio-pci/unbind",
		"/sys/bus/pci/drivers/vfio-pci/new_id", "/run/usher/journal", "/dev/mem"};

	attributes_each(attributes, sizeof(attributes) / sizeof(attributes[0]), try_writing);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		try_writing(others[i]);
	(void)printf("attributes refused: %s\n", refused > 20 ? "many" : "too few to say so");
}

static void leave_grandchild(void)
{
	sigset_t all;

	if (fork())
		return;
	(void)setsid();
	if (fork())
		_exit(0);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	(void)close(0);
	(void)close(1);
	(void)close(2);
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	print_rights();
	try_others();
	try_attributes();
	(void)fflush(stdout);
	leave_grandchild();
	if (argc > 1 && strcmp(argv[1], "wait") == 0) {
		(void)puts("waiting");
		(void)fflush(stdout);
		for (;;)
			(void)pause();
	}
	return 23;
}
