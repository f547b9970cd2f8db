/* SPDX-License-Identifier: MIT */
/* Processes that reach a node without a descriptor of their leader's. */
#include "host/holders.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE "/dev/ptmx" /* that anyone may open, and that is no memory device */
#define PAGE 4096

struct found {
	pid_t pid;
	dev_t rdev;
	unsigned count[HOST_HOLDER_RING + 1];
	unsigned unknown;
};

static int count_holder(void *arg, const struct host_holder *o)
{
	struct found *f = arg;

	if (o->pid != f->pid)
		return 0;
	f->count[o->way] += o->rdev == f->rdev;
	f->unknown += !o->rdev;
	return 0;
}

static struct found find_child(pid_t pid, enum host_look look)
{
	struct found f = {.pid = pid};
	struct stat st;

	ck_assert_int_eq(stat(NODE, &st), 0);
	f.rdev = st.st_rdev;
	int r = holders_walk(host_live(), look, count_holder, &f);
	ck_assert_msg(r == 0 || r == -EACCES || r == -EPERM, "%d", r);
	return f;
}

static int ready_fd;

static void tell_ready(void)
{
	if (write(ready_fd, "r", 1) != 1)
		_exit(9);
}

static int open_node(void)
{
	int fd = open(NODE, O_RDWR | O_NOCTTY);

	if (fd < 0)
		_exit(2);
	return fd;
}

/* Starts a child that runs @main, and waits until that has called tell_ready(). */
static pid_t start_child(void (*main)(void))
{
	int pipe_fd[2];
	char byte;

	ck_assert_int_eq(pipe(pipe_fd), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)close(pipe_fd[0]);
		ready_fd = pipe_fd[1];
		main();
		_exit(1);
	}
	(void)close(pipe_fd[1]);
	ssize_t n = read(pipe_fd[0], &byte, 1);
	(void)close(pipe_fd[0]);
	if (n != 1) {
		(void)waitpid(pid, NULL, 0);
		return -1;
	}
	return pid;
}

static void stop_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void *wait_for_leader(void *arg)
{
	char path[64], text[512], state = '?';

	(void)open_node();
	/* Until the leader is a zombie. */
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)getpid());
	while (state != 'Z') {
		int fd = open(path, O_RDONLY);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (n <= 0)
			_exit(3);
		text[n] = '\0';
		(void)close(fd);
		state = strrchr(text, ')')[2];
	}
	tell_ready();
	for (;;)
		(void)pause();
}

static void start_thread(void *(*main)(void *arg))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, main, NULL) != 0)
		_exit(4);
}

static void leave_a_thread(void)
{
	start_thread(wait_for_leader);
	pthread_exit(NULL);
}

START_TEST(finds_threads_whose_leader_has_exited)
{
	pid_t child = start_child(leave_a_thread);

	ck_assert_int_gt(child, 0);
	ck_assert_uint_eq(find_child(child, HOST_LOOK_DESCRIPTORS).count[HOST_HOLDER_OPEN], 1);
	ck_assert_uint_eq(find_child(child, HOST_LOOK_EVERYWHERE).count[HOST_HOLDER_OPEN], 1);
	stop_child(child);
}
END_TEST

static void *open_for_itself(void *arg)
{
	if (unshare(CLONE_FILES) < 0)
		_exit(3);
	(void)open_node();
	tell_ready();
	for (;;)
		(void)pause();
}

static void keep_a_thread_apart(void)
{
	start_thread(open_for_itself);
	for (;;)
		(void)pause();
}

START_TEST(finds_descriptors_of_one_thread)
{
	pid_t child = start_child(keep_a_thread_apart);

	ck_assert_int_gt(child, 0);
	ck_assert_uint_eq(find_child(child, HOST_LOOK_EVERYWHERE).count[HOST_HOLDER_OPEN], 1);
	stop_child(child);
}
END_TEST

static int make_ring(void)
{
	struct io_uring_params p = {0};
	int node = open_node();
	int ring = (int)syscall(SYS_io_uring_setup, 4, &p);

	if (ring < 0)
		_exit(5); /* not allowed here */
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &node, 1) < 0)
		_exit(6);
	(void)close(node);
	return ring;
}

static void keep_a_ring(void)
{
	(void)make_ring();
	tell_ready();
	for (;;)
		(void)pause();
}

static void keep_a_closed_ring(void)
{
	int ring = make_ring();

	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ring, IORING_OFF_SQES) == MAP_FAILED)
		_exit(7);
	(void)close(ring);
	tell_ready();
	for (;;)
		(void)pause();
}

START_TEST(finds_files_of_rings)
{
	pid_t child = start_child(keep_a_ring);

	if (child < 0)
		return;
	struct found f = find_child(child, HOST_LOOK_EVERYWHERE);
	ck_assert_uint_eq(f.count[HOST_HOLDER_OPEN], 0);
	ck_assert_uint_eq(f.count[HOST_HOLDER_RING], 1);
	ck_assert_uint_eq(f.unknown, 0);
	ck_assert_uint_eq(find_child(child, HOST_LOOK_DESCRIPTORS).count[HOST_HOLDER_RING], 0);
	stop_child(child);
	/* Its files show nowhere, so they are unknown. */
	child = start_child(keep_a_closed_ring);
	ck_assert_int_gt(child, 0);
	f = find_child(child, HOST_LOOK_EVERYWHERE);
	ck_assert_uint_eq(f.unknown, 1);
	stop_child(child);
}
END_TEST

static char bar_path[] = "/tmp/usher-holders-XXXXXX/0000:99:00.0/resource0";

/* A file that has the path of a BAR, which is all that maps shows. */
static void bar_make(void)
{
	char *slash = strrchr(bar_path, '/'), *folder = strchr(bar_path + 5, '/');

	*slash = *folder = '\0';
	ck_assert_ptr_nonnull(mkdtemp(bar_path));
	*folder = '/';
	ck_assert_int_eq(mkdir(bar_path, 0700), 0);
	*slash = '/';
	int fd = open(bar_path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, PAGE), 0);
	(void)close(fd);
}

static void bar_remove(void)
{
	ck_assert_int_eq(unlink(bar_path), 0);
	for (unsigned i = 0; i < 2; i++) {
		*strrchr(bar_path, '/') = '\0';
		ck_assert_int_eq(rmdir(bar_path), 0);
	}
}

static void bar_map(void)
{
	int fd = open(bar_path, O_RDWR);

	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		_exit(8);
	(void)close(fd);
}

static void keep_a_bar(void)
{
	(void)open_node();
	bar_map();
	tell_ready();
	for (;;)
		(void)pause();
}

static void leave_a_bar_to_a_thread(void)
{
	bar_map();
	leave_a_thread();
}

/* BARs have no number. */
START_TEST(finds_mapped_bars_alone)
{
	static void (*const mains[])(void) = {keep_a_bar, leave_a_bar_to_a_thread};

	bar_make();
	for (size_t i = 0; i < sizeof(mains) / sizeof(mains[0]); i++) {
		pid_t child = start_child(mains[i]);
		ck_assert_int_gt(child, 0);
		struct found f = find_child(child, HOST_LOOK_BARS);
		ck_assert_uint_eq(f.count[HOST_HOLDER_OPEN], 0);
		ck_assert_uint_eq(f.unknown, 1);
		f = find_child(child, HOST_LOOK_EVERYWHERE);
		ck_assert_uint_eq(f.count[HOST_HOLDER_OPEN], 1);
		ck_assert_uint_eq(f.unknown, 1);
		stop_child(child);
	}
	bar_remove();
}
END_TEST

SUITE("holders", finds_threads_whose_leader_has_exited, finds_descriptors_of_one_thread,
	finds_files_of_rings, finds_mapped_bars_alone)
