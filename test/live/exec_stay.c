/* SPDX-License-Identifier: MIT */
/*
 * A program that tries to keep what it was given: what rights has it, which other devices can it
 * open, and a grandchild that holds all descriptors and ignores every signal stays behind.
 */
#include <dirent.h>
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
		if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10) ||
			!strncmp(line, "Uid", 3) || !strncmp(line, "Groups", 6))
			(void)fputs(line, stdout);
	if (f)
		(void)fclose(f);
	(void)printf("pid %d\n", (int)getpid());
}

static void try_others(void)
{
	char path[300];
	const struct dirent *entry;
	DIR *d = opendir("/dev/vfio");

	while (d && (entry = readdir(d))) {
		if (!strcmp(entry->d_name, "vfio") || entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/dev/vfio/%s", entry->d_name);
		(void)printf("group %s: %s\n", entry->d_name,
			open(path, O_RDWR | O_CLOEXEC) < 0 ? "refused" : "OPENED");
	}
	if (d)
		(void)closedir(d);
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
	(void)fflush(stdout);
	leave_grandchild();
	if (argc > 1 && !strcmp(argv[1], "wait")) {
		(void)puts("waiting");
		(void)fflush(stdout);
		for (;;)
			(void)pause();
	}
	return 23;
}
