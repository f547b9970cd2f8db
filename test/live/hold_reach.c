/* SPDX-License-Identifier: MIT */
/*
 * hold_reach map|thread|ring PATH: keeps a file without a descriptor that the process's leader has,
 * says 'held' and waits to be killed.
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *path;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int file_open(void)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		fail(path);
	return fd;
}

static void held_wait(void)
{
	(void)puts("held");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}

static void file_map(void)
{
	int fd = file_open();

	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		fail("mmap");
	(void)close(fd);
}

static void file_register(void)
{
	struct io_uring_params p = {0};
	int fd = file_open();
	int ring = (int)syscall(SYS_io_uring_setup, 4, &p);

	if (ring < 0 || syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1) < 0)
		fail("io_uring");
	(void)close(fd);
}

/* The kernel keeps a leader that has exited as a zombie until its last thread ends. */
static int leader_is_gone(void)
{
	char text[512] = "";
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f || !fgets(text, sizeof(text), f))
		fail("/proc/self/stat");
	(void)fclose(f);
	const char *state = strrchr(text, ')'); /* the end of the name; then " Z " */
	return state && state[1] == ' ' && state[2] == 'Z';
}

static void *thread_main(void *arg)
{
	(void)file_open();
	while (!leader_is_gone())
		(void)usleep(10000);
	held_wait();
	return NULL;
}

static void thread_leave(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_main, NULL) != 0)
		fail("pthread_create");
	pthread_exit(NULL);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	path = argv[2];
	if (strcmp(argv[1], "map") == 0)
		file_map();
	else if (strcmp(argv[1], "ring") == 0)
		file_register();
	else
		thread_leave();
	held_wait();
}
