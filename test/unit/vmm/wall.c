/* SPDX-License-Identifier: MIT */
/* Each test is a process of its own: the walls never come down. */
#include "vmm/wall.h"

#include "base/err.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/thread.h"
#include "vmm/walls/filter.h"
#include "vmm/walls/starter.h"
#include "wire/refused.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif
#define OWN 0x787573ffU

/* Whether this line stands in /proc/self/status. */
static bool has_line(const char *expected)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, expected) == 0) {
			(void)fclose(f);
			return true;
		}
	}
	(void)fclose(f);
	return false;
}

static void raise_walls(const struct wall_filter *filters)
{
	const struct wall w = {.uid = geteuid() == 0 ? OWN : 0,
		.filters = filters,
		.keeper_fd = -1,
		.refused_fd = -1};
	struct err e = {0};

	ck_assert_msg(wall_raise(&w, &e) == 0, "%s", e.msg);
}

START_TEST(it_has_no_right)
{
	struct stat st;

	raise_walls(NULL);
	ck_assert(has_line("CapEff:\t0000000000000000"));
	ck_assert(has_line("CapPrm:\t0000000000000000"));
	ck_assert(has_line("NoNewPrivs:\t1"));
	if (getuid() != OWN)
		return;
	ck_assert(has_line("Uid:\t2020963327\t2020963327\t2020963327\t2020963327"));
	ck_assert(has_line("Groups:\t "));
	ck_assert(has_line("CapBnd:\t0000000000000000"));
	ck_assert_int_eq(setuid(0), -1);
	/* Whose these files are shows whether the process can be traced. */
	ck_assert_int_eq(stat("/proc/self/stat", &st), 0);
	ck_assert(IS_SANITIZED || st.st_uid == 0);
	ck_assert(IS_SANITIZED || prctl(PR_GET_DUMPABLE) == 0);
}
END_TEST

struct attempt {
	enum thread_kind kind;
	long number, first, second;
};

static void *attempt_make(void *arg)
{
	const struct attempt *a = arg;

	(void)syscall(a->number, a->first, a->second, 0, 0, 0, 0);
	return NULL;
}

/* Return: the signal that ended a confined process with this call; 0 it exited. @ret: its words. */
static int attempt_signal(const struct attempt *a, char *ret, size_t size)
{
	int fds[2], status;
	size_t len = 0;
	ssize_t n;

	ck_assert_int_eq(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t thread;
		(void)dup2(fds[1], STDERR_FILENO);
		raise_walls(wall_filters);
		if (a->kind == THREAD_MAIN)
			(void)attempt_make((void *)(uintptr_t)a);
		else if (thread_start(&thread, a->kind, "attempt", attempt_make,
				 (void *)(uintptr_t)a) == 0)
			(void)pthread_join(thread, NULL);
		_exit(0);
	}
	(void)close(fds[1]);
	while ((n = read(fds[0], ret + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ret[len] = '\0';
	(void)close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "%s", ret);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Each kind of thread, and none of them gets anywhere. */
START_TEST(no_thread_makes_a_call_that_is_not_listed)
{
	static const struct attempt calls[] = {
		{.number = SYS_openat, .first = AT_FDCWD, .second = (long)"/etc/passwd"},
		{.number = SYS_open, .first = (long)"/etc/passwd"},
		{.number = SYS_socket, .first = AF_UNIX, .second = SOCK_STREAM},
		{.number = SYS_socketpair, .first = AF_UNIX, .second = SOCK_STREAM},
		{.number = SYS_execve, .first = (long)"/bin/true"}, {.number = SYS_fork},
		{.number = SYS_vfork}, {.number = SYS_clone, .first = SIGCHLD},
		{.number = SYS_unshare, .first = CLONE_NEWUSER}, {.number = SYS_setns},
		{.number = SYS_ptrace}, {.number = SYS_process_vm_readv, .first = 1},
		{.number = SYS_kill, .first = -1}, {.number = SYS_bpf},
		{.number = SYS_io_uring_setup, .first = 1}, {.number = SYS_keyctl},
		{.number = SYS_setuid}, {.number = SYS_seccomp, .first = 0},
		{.number = SYS_prctl, .first = PR_SET_DUMPABLE, .second = 1},
		{.number = SYS_ioctl, .first = 0, .second = TIOCSTI},
		{.number = SYS_ioctl, .first = 0, .second = TIOCLINUX},
		{.number = SYS_socket | 0x40000000,
			.first = AF_INET,
			.second = SOCK_STREAM}, /* x32 */
	};
	char said[512], expected[64];

	if (IS_SANITIZED)
		return;
	for (size_t i = 0; i < COUNT(calls); i++) {
		for (enum thread_kind kind = THREAD_MAIN; kind < THREAD_KINDS; kind++) {
			struct attempt a = calls[i];
			a.kind = kind;
			(void)snprintf(expected, sizeof(expected), "system call %ld ", a.number);
			int number = attempt_signal(&a, said, sizeof(said));
			ck_assert_msg(number == SIGSYS && strstr(said, expected),
				"call %ld of kind %d: signal %d: %s", a.number, kind, number, said);
		}
	}
}
END_TEST

/* Also of a thread that may not write, and with no descriptor to write to. */
START_TEST(a_refused_call_is_on_the_keepers_page)
{
	struct wall w = {.uid = geteuid() == 0 ? OWN : 0, .filters = wall_filters, .keeper_fd = -1};
	const struct attempt a = {.kind = THREAD_DISK, .number = SYS_socket, .second = 77};
	struct wire_refused found = {0};
	int status;

	if (IS_SANITIZED)
		return;
	w.refused_fd = memfd_create("refused", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(w.refused_fd, WIRE_REFUSED_PAGE), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t thread;
		(void)wall_raise(&w, NULL);
		for (int fd = 0; fd < 64; fd++)
			(void)close(fd);
		if (thread_start(&thread, a.kind, "attempt", attempt_make, (void *)(uintptr_t)&a) ==
			0)
			(void)pthread_join(thread, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	ck_assert_int_eq(pread(w.refused_fd, &found, sizeof(found), 0), sizeof(found));
	ck_assert_uint_eq(found.made, 1);
	ck_assert_uint_eq(found.call, SYS_socket);
	ck_assert_uint_eq(found.arch, 0xc000003e);
	ck_assert_uint_eq(found.argument, 77);
	ck_assert_str_eq(found.thread, "disk");
	(void)close(w.refused_fd);
}
END_TEST

START_TEST(a_call_of_another_kind_of_thread_is_refused)
{
	const struct attempt other = {
		.kind = THREAD_VCPU, .number = SYS_ioctl, .first = -1, .second = KVM_CREATE_VM};
	const struct attempt own = {
		.kind = THREAD_VCPU, .number = SYS_ioctl, .first = -1, .second = (long)KVM_RUN};
	char said[512];

	if (IS_SANITIZED)
		return;
	ck_assert_int_eq(attempt_signal(&other, said, sizeof(said)), SIGSYS);
	ck_assert_str_eq(said,
		"error: usher-vmm: a vcpu thread made system call 16 (0xc000003e, second argument "
		"0xae01), which its filter refuses\n");
	ck_assert_int_eq(attempt_signal(&own, said, sizeof(said)), 0);
}
END_TEST

/* What the kernel does with @f and call @number, whose arguments are 0. Return: instructions. */
static unsigned filter_steps(const struct wall_filter *f, uint32_t number)
{
	uint32_t value = 0;

	for (unsigned steps = 1, at = 0; at < f->count; steps++, at++) {
		const struct sock_filter *c = &f->code[at];

		if (c->code == (BPF_RET | BPF_K))
			return steps;
		if (c->code == (BPF_LD | BPF_W | BPF_ABS))
			value = c->k == offsetof(struct seccomp_data, arch) ? AUDIT_ARCH_X86_64
				: c->k == offsetof(struct seccomp_data, nr) ? number
									    : 0;
		else if (c->code == (BPF_ALU | BPF_AND | BPF_K))
			value &= c->k;
		else if (c->code == (BPF_JMP | BPF_JA))
			at += c->k;
		else if (c->code == (BPF_JMP | BPF_JEQ | BPF_K))
			at += value == c->k ? c->jt : c->jf;
		else if (c->code == (BPF_JMP | BPF_JGE | BPF_K))
			at += value >= c->k ? c->jt : c->jf;
		else if (c->code == (BPF_JMP | BPF_JSET | BPF_K))
			at += value & c->k ? c->jt : c->jf;
		else
			ck_abort_msg("instruction %u: unknown code 0x%x", at, c->code);
	}
	ck_abort_msg("call %u: the filter has no end", number);
}

/*
 * The kernel runs each new filter once for each number that a call may have, and the start waits
 * for it. ioctl and prctl compare what is asked for one by one.
 */
START_TEST(filters_are_short_for_each_call)
{
	for (enum thread_kind kind = 0; kind < THREAD_KINDS; kind++)
		for (uint32_t number = 0; number < 512; number++)
			if (number != SYS_ioctl)
				ck_assert_uint_le(filter_steps(&wall_filters[kind], number), 24);
}
END_TEST

/* What the C library asks for at the end of a thread, and does without. */
static void *refusals_meet(void *arg)
{
	long *failed = arg;

	if (syscall(SYS_madvise, arg, 4096, MADV_DONTNEED) == 0 || errno != EPERM)
		*failed = SYS_madvise;
	if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 8) == 0 || errno != EPERM)
		*failed = SYS_rt_sigprocmask;
	return NULL;
}

START_TEST(a_processor_does_without_what_the_library_tries)
{
	pthread_t thread;
	long failed = 0;
	int status;

	if (IS_SANITIZED)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		raise_walls(wall_filters);
		if (thread_start(&thread, THREAD_VCPU, "vcpu", refusals_meet, &failed) < 0)
			_exit(255);
		(void)pthread_join(thread, NULL);
		_exit((int)failed);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* Each kind of thread gets a descriptor for an interrupt, and a processor may not make one. */
static void *descriptor_ask(void *arg)
{
	int *made = arg;
	const int fd = starter_eventfd();

	*made += fd >= 0 && eventfd_write(fd, 1) == 0;
	return NULL;
}

START_TEST(a_processor_gets_descriptors_from_the_starter)
{
	int status, made = 0;
	pthread_t thread;

	if (IS_SANITIZED)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		raise_walls(wall_filters);
		for (enum thread_kind kind = THREAD_VCPU; kind < THREAD_KINDS; kind++)
			if (thread_start(&thread, kind, "asks", descriptor_ask, &made) == 0)
				(void)pthread_join(thread, NULL);
		(void)descriptor_ask(&made);
		_exit(made);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 5 << 8);
}
END_TEST

static void *ended_run(void *arg)
{
	return arg;
}

/* The C library keeps stacks of ended threads up to 40 MiB, and unmaps more when it joins one. */
static void *renewals_run(void *arg)
{
	pthread_t threads[200];
	unsigned *made = arg;

	for (unsigned i = 0; i < COUNT(threads); i++)
		*made += thread_start(&threads[i], THREAD_WORKER, "worker", ended_run, NULL) == 0;
	for (unsigned i = 0; i < COUNT(threads); i++)
		*made += thread_renew(
				 &threads[i], true, THREAD_WORKER, "worker", ended_run, NULL) == 0;
	return NULL;
}

START_TEST(a_processor_replaces_threads_that_have_ended)
{
	pthread_t thread;
	unsigned made = 0;
	int status;

	if (IS_SANITIZED)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		raise_walls(wall_filters);
		(void)thread_start(&thread, THREAD_VCPU, "vcpu", renewals_run, &made);
		(void)pthread_join(thread, NULL);
		_exit(made == 400 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static void *wait_long(void *arg)
{
	const struct timespec until = thread_deadline(400);
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	(void)pthread_mutex_lock(&lock);
	(void)pthread_cond_clockwait(&never, &lock, CLOCK_MONOTONIC, &until);
	return arg;
}

/* The kernel goes on with each wait by a call of its own, also after the host's sleep. */
START_TEST(a_stop_does_not_end_it)
{
	int fds[2], status;
	char c;

	if (IS_SANITIZED)
		return;
	ck_assert_int_eq(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t threads[THREAD_KINDS];
		raise_walls(wall_filters);
		for (enum thread_kind kind = THREAD_VCPU; kind < THREAD_KINDS; kind++)
			(void)thread_start(&threads[kind], kind, "waits", wait_long, NULL);
		if (write(fds[1], "r", 1) != 1)
			_exit(1);
		(void)wait_long(NULL);
		for (enum thread_kind kind = THREAD_VCPU; kind < THREAD_KINDS; kind++)
			(void)pthread_join(threads[kind], NULL);
		_exit(0);
	}
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	(void)usleep(100000);
	(void)kill(pid, SIGSTOP);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	(void)kill(pid, SIGCONT);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static void *memory_run(void *arg)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	return page;
}

START_TEST(no_memory_becomes_code)
{
	int status;

	if (IS_SANITIZED)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		raise_walls(wall_filters);
		(void)memory_run(NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
END_TEST

static void *worker_run(void *arg)
{
	(void)pthread_mutex_lock(arg);
	(void)pthread_mutex_unlock(arg);
	return NULL;
}

static void *processor_run(void *arg)
{
	pthread_t thread;

	if (thread_start(&thread, THREAD_WORKER, "worker", worker_run, arg) < 0)
		_exit(1);
	(void)pthread_join(thread, NULL);
	return NULL;
}

/* A processor that needs a worker does not pass on its own filter. */
/* Return: what the link /proc/self/ns/@name says. */
static const char *namespace_name(const char *name)
{
	static char path[64], text[64];

	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	ssize_t len = readlink(path, text, sizeof(text) - 1);
	ck_assert_int_gt((int)len, 0);
	text[len] = '\0';
	return text;
}

START_TEST(its_root_is_empty)
{
	const struct wall w = {.uid = geteuid() == 0 ? OWN : 0,
		.is_empty = true,
		.keeper_fd = -1,
		.refused_fd = -1};
	char host[64] = "", own[64] = "";
	struct err e = {0};

	if (IS_SANITIZED)
		return;
	const int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)strcpy(host, namespace_name("net"));
	ck_assert_msg(wall_raise(&w, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(access("/proc", F_OK), -1);
	ck_assert_int_eq(access("/etc/passwd", F_OK), -1);
	ck_assert_int_eq(access("..", R_OK), -1);
	ck_assert_int_eq(open("/", O_RDONLY | O_DIRECTORY), -1);
	ck_assert_int_eq(mkdir("/own", 0700), -1);
	/* A descriptor of the old root, which the process never has, shows the namespace. */
	ck_assert_int_ge(old, 0);
	if (fchdir(old) == 0 && readlink("proc/self/ns/net", own, sizeof(own) - 1) > 0)
		ck_assert_str_ne(own, host);
}
END_TEST

START_TEST(each_thread_starts_others)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t threads[8];
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		raise_walls(wall_filters);
		for (unsigned i = 0; i < COUNT(threads); i++)
			if (thread_start(&threads[i], THREAD_VCPU, "vcpu", processor_run, &lock) <
				0)
				_exit(2);
		for (unsigned i = 0; i < COUNT(threads); i++)
			(void)pthread_join(threads[i], NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(it_still_dies_with_its_parent)
{
	int fds[2];
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	pid_t parent = fork();
	if (parent == 0) {
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			raise_walls(wall_filters);
			while (write(fds[1], "r", 1) == 1)
				(void)pause();
			_exit(1);
		}
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	ck_assert_int_eq(kill(parent, SIGKILL), 0);
	/* End of file: the grandchild is gone, too. */
	ck_assert_int_eq(read(fds[0], &c, 1), 0);
	ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
}
END_TEST

START_TEST(it_says_what_the_host_forbids)
{
	const struct wall w = {.uid = OWN, .locked = 1 << 30, .keeper_fd = -1, .refused_fd = -1};
	const struct rlimit l = {1 << 16, 1 << 16};
	struct err e = {0};

	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &l), 0);
	ck_assert_int_eq(wall_raise(&w, &e), -EPERM);
	ck_assert_str_eq(e.msg, "lock guest memory without capabilities: Operation not permitted");
	ck_assert(IS_SANITIZED || has_line("NoNewPrivs:\t1"));
	ck_assert(!wall_stands(WALL_USER) && !wall_stands(WALL_CAPABILITIES));
	ck_assert(IS_SANITIZED || (wall_stands(WALL_RIGHTS) && wall_stands(WALL_TRACE)));
}
END_TEST

START_TEST(it_says_all_that_the_host_forbids_at_once)
{
	const struct wall w = {.is_empty = true,
		.own_pids = true,
		.locked = 1 << 30,
		.keeper_fd = -1,
		.refused_fd = -1};
	const struct rlimit l = {1 << 16, 1 << 16};
	struct err e = {0};

	if (IS_SANITIZED || geteuid() != 0)
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &l), 0);
	ck_assert_int_eq(wall_raise(&w, &e), -EPERM);
	ck_assert_str_eq(e.msg, "leave the host's processes: Operation not permitted; "
				"lock guest memory without capabilities: Operation not permitted");
	ck_assert(!wall_stands(WALL_PROCESSES));
	ck_assert(wall_stands(WALL_NETWORK) && wall_stands(WALL_FILES));
}
END_TEST

SUITE("vmm_wall", filters_are_short_for_each_call, a_stop_does_not_end_it,
	a_processor_gets_descriptors_from_the_starter, it_has_no_right,
	no_thread_makes_a_call_that_is_not_listed, a_refused_call_is_on_the_keepers_page,
	a_call_of_another_kind_of_thread_is_refused,
	a_processor_does_without_what_the_library_tries,
	a_processor_replaces_threads_that_have_ended, no_memory_becomes_code, its_root_is_empty,
	each_thread_starts_others, it_still_dies_with_its_parent, it_says_what_the_host_forbids,
	it_says_all_that_the_host_forbids_at_once)
