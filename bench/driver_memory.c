/* SPDX-License-Identifier: MIT */
/* driver_memory PROGRAM…: runs it, and says how much memory it had at most: "resident N KiB". */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage u;
	int status;

	if (argc < 2)
		return 2;
	pid_t child = fork();
	if (child == 0) {
		(void)execv(argv[1], argv + 1);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &u) < 0)
		return 1;
	(void)printf("resident %ld KiB\n", u.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
