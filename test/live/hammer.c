/* SPDX-License-Identifier: MIT */
/*
 * hammer ADDRESS CPU: reads the register at that physical address as fast as one processor can,
 * until it gets SIGTERM. It prints a line when it begins. At its end it prints how often something
 * answered, and how often nothing did.
 * Linked statically, because it runs in a guest without libraries.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL

static volatile sig_atomic_t told;

static void on_end(int sig)
{
	told = sig;
}

int main(int argc, char **argv)
{
	unsigned long answers = 0, nobody = 0;
	cpu_set_t cpus;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: hammer ADDRESS CPU\n");
		return 2;
	}
	unsigned long address = strtoul(argv[1], NULL, 0);
	CPU_ZERO(&cpus);
	CPU_SET(strtoul(argv[2], NULL, 0), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0) {
		perror("sched_setaffinity");
		return 1;
	}
	int fd = open("/dev/mem", O_RDONLY | O_SYNC | O_CLOEXEC);
	void *page = fd < 0 ? MAP_FAILED
			    : mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)(address & -PAGE));
	if (page == MAP_FAILED) {
		perror("/dev/mem");
		return 1;
	}
	const volatile uint32_t *reg =
		(const volatile uint32_t *)((char *)page + (address & (PAGE - 1)));
	(void)signal(SIGTERM, on_end);
	(void)printf("hammer: begins with %#x\n", *reg);
	(void)fflush(stdout);
	while (!told) {
		if (*reg == UINT32_MAX)
			nobody++;
		else
			answers++;
	}
	(void)printf("hammer: answers=%lu nobody=%lu\n", answers, nobody);
	return 0;
}
