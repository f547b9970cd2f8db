/* SPDX-License-Identifier: MIT */
/*
 * escape USHER-VMM-PID KIND VICTIM GROUP [KILL]: plants code into a thread of usher-vmm, as a guest
 * that has taken over that thread would run it, and tries to get out: to files, sockets, other
 * processes, other devices, other namespaces, memory to execute. Prints one line for each attempt:
 *
 *	KIND ATTEMPT: refused		the filter refuses the call
 *	KIND ATTEMPT: failed ERRNO	the kernel, or another wall
 *	KIND ATTEMPT: got NUMBER	it succeeded
 *
 * The tracer sees a refused call before usher-vmm does, and takes it back: so one thread can make
 * all attempts. With KILL it makes the first one alone, and leaves what follows to usher-vmm.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRATCH 1024 /* [bytes] for what an argument points to */
#define BELOW_STACK 8192 /* nothing of the thread is so far below its stack pointer */
#define SECONDS 30

/* What an argument stands for; other arguments are as they are. */
enum { TEXT = 0x7e57000, ZEROES, VICTIM, BEFORE };
#define GROUP "the group"

struct attempt {
	const char *name;
	long number, args[5];
	const char text[32]; /* of TEXT */
};

/*
 * Without walls, root succeeds with each of these somewhere. "> …" uses what the attempt before it
 * got.
 */
static const struct attempt attempts[] = {
	{"open a file", SYS_openat, {AT_FDCWD, TEXT, O_RDONLY}, "/etc/passwd"},
	{"open a file by its old call", SYS_open, {TEXT, O_RDONLY}, "/etc/passwd"},
	{"write a file", SYS_openat, {AT_FDCWD, TEXT, O_WRONLY | O_CREAT, 0600}, "/tmp/escaped"},
	{"look at a file", SYS_newfstatat, {AT_FDCWD, TEXT, ZEROES}, "/etc/passwd"},
	{"open memory", SYS_openat, {AT_FDCWD, TEXT, O_RDONLY}, "/dev/mem"},
	{"open another group", SYS_openat, {AT_FDCWD, TEXT, O_RDWR}, GROUP},
	{"> close it", SYS_close, {BEFORE}},
	{"open KVM", SYS_openat, {AT_FDCWD, TEXT, O_RDWR}, "/dev/kvm"},
	{"> make a VM", SYS_ioctl, {BEFORE, KVM_CREATE_VM, 0}},
	{"a network socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
	{"a local socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
	{"a netlink socket", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}},
	{"a pair of sockets", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, ZEROES}},
	{"signal a process", SYS_kill, {VICTIM, 0}},
	{"signal a thread", SYS_tgkill, {VICTIM, VICTIM, 0}},
	{"limit a process", SYS_prlimit64, {VICTIM, 7, 0, ZEROES}},
	{"compare with a process", SYS_kcmp, {VICTIM, VICTIM, KCMP_FILES, 0, 0}},
	{"trace a process", SYS_ptrace, {PTRACE_SEIZE, VICTIM, 0, 0}},
	{"hold a process", SYS_pidfd_open, {VICTIM, 0}},
	{"> take its descriptor", SYS_pidfd_getfd, {BEFORE, 0, 0}},
	{"open a namespace", SYS_openat, {AT_FDCWD, TEXT, O_RDONLY}, "/proc/1/ns/net"},
	{"> enter it", SYS_setns, {BEFORE, 0}},
	{"leave a namespace", SYS_unshare, {CLONE_NEWIPC}},
	{"a process", SYS_fork, {0}},
	{"a process by clone", SYS_clone, {SIGCHLD, 0, 0, 0, 0}},
	{"a process by clone3", SYS_clone3, {ZEROES, 64}},
	{"a ring", SYS_io_uring_setup, {4, ZEROES}},
	{"memory to execute", SYS_mmap,
		{0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
	{"mount", SYS_mount, {TEXT, TEXT, TEXT, MS_BIND, 0}, "/mnt"},
	{"become somebody", SYS_setuid, {0}},
	{"a program for the kernel", SYS_bpf, {0, TEXT, 32}, "\1\0\0\0\4\0\0\0\4\0\0\0\1"},
	{"a key", SYS_keyctl, {0, -3, 1}},
	{"dump core", SYS_prctl, {4, 1}},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct {
	pid_t tid;
	const char *kind;
	pid_t victim;
	const char *group;
	uintptr_t code;
	long before; /* what the last attempt got */
	struct user_regs_struct regs; /* where the thread was */
} planted;

__attribute__((noreturn)) static void give_up(const char *what)
{
	(void)fprintf(stderr, "escape: %s thread: %s: %s\n", planted.kind, what, strerror(errno));
	exit(1);
}

static const char *kind_of(const char *name)
{
	if (strcmp(name, "usher-vmm") == 0)
		return "main";
	if (strcmp(name, "starter") == 0)
		return "starter";
	if (strncmp(name, "vcpu", 4) == 0)
		return "vcpu";
	if (strcmp(name, "virtio-blk") == 0)
		return "disk";
	return strcmp(name, "console") == 0 ? "outbox" : strchr(name, ':') ? "worker" : "";
}

/* Return: 0 there is none now. */
static pid_t find_thread(pid_t pid, const char *kind)
{
	char path[300], name[32] = "";
	const struct dirent *d;
	pid_t found = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	while (tasks && !found && (d = readdir(tasks))) {
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)pid, d->d_name);
		FILE *f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f)) {
			name[strcspn(name, "\n")] = '\0';
			if (strcmp(kind_of(name), kind) == 0)
				found = atoi(d->d_name);
		}
		if (f)
			(void)fclose(f);
	}
	if (tasks)
		(void)closedir(tasks);
	return found;
}

/* Return: the signal that the thread stopped with, 0 by our own interruption; -1 it has ended. */
static int thread_wait(void)
{
	int status;

	if (waitpid(planted.tid, &status, __WALL) < 0)
		give_up("wait");
	if (!WIFSTOPPED(status))
		return -1;
	return status >> 16 ? 0 : WSTOPSIG(status);
}

/* A worker ends soon when it has nothing to do: another one comes. */
static void thread_seize(pid_t pid)
{
	for (int i = 0; i < SECONDS * 1000; i++) {
		planted.tid = find_thread(pid, planted.kind);
		if (planted.tid && ptrace(PTRACE_SEIZE, planted.tid, 0, 0) == 0 &&
			ptrace(PTRACE_INTERRUPT, planted.tid, 0, 0) == 0)
			return;
		(void)usleep(1000);
	}
	errno = ESRCH;
	give_up("find it");
}

static void bytes_write(uintptr_t at, const void *bytes, size_t len)
{
	const char *from = bytes;
	long word;

	for (size_t i = 0; i < len; i += sizeof(word)) {
		memcpy(&word, from + i, sizeof(word));
		if (ptrace(PTRACE_POKEDATA, planted.tid, (void *)(at + i), (void *)word) < 0)
			give_up("write to its memory");
	}
}

/* The program's entry has run, and is not needed any more. */
static uintptr_t entry_of(pid_t pid)
{
	Elf64_auxv_t entry = {0};
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fread(&entry, sizeof(entry), 1, f) == 1 && entry.a_type != AT_ENTRY)
		;
	if (f)
		(void)fclose(f);
	return entry.a_type == AT_ENTRY ? entry.a_un.a_val : 0;
}

static unsigned long argument(long arg, uintptr_t scratch)
{
	switch (arg) {
	case TEXT:
		return scratch;
	case ZEROES:
		return scratch + SCRATCH / 2;
	case VICTIM:
		return (unsigned long)planted.victim;
	case BEFORE:
		return (unsigned long)planted.before;
	default:
		return (unsigned long)arg;
	}
}

static void scratch_fill(const struct attempt *a, uintptr_t scratch)
{
	char bytes[SCRATCH] = "";

	if (strcmp(a->text, GROUP) == 0)
		(void)snprintf(bytes, sizeof(bytes), "%s", planted.group);
	else
		memcpy(bytes, a->text, sizeof(a->text));
	bytes_write(scratch, bytes, sizeof(bytes));
}

static void code_enter(const struct attempt *a, uintptr_t scratch)
{
	struct user_regs_struct r = planted.regs;

	r.rip = planted.code;
	r.rax = (unsigned long)a->number;
	r.orig_rax = (unsigned long)-1; /* nothing is to be restarted */
	r.rdi = argument(a->args[0], scratch);
	r.rsi = argument(a->args[1], scratch);
	r.rdx = argument(a->args[2], scratch);
	r.r10 = argument(a->args[3], scratch);
	r.r8 = argument(a->args[4], scratch);
	r.r9 = 0;
	r.rsp = scratch;
	if (ptrace(PTRACE_SETREGS, planted.tid, 0, &r) < 0)
		give_up("set its registers");
}

/* Runs the code until its end. Return: SIGTRAP; SIGSYS a refused call; -1 that ended the thread. */
static int code_run(bool kill)
{
	int number = 0;

	for (;;) {
		if (ptrace(PTRACE_CONT, planted.tid, 0, (void *)(long)number) < 0)
			give_up("go on");
		number = thread_wait();
		if (number == SIGTRAP || number < 0 || (number == SIGSYS && !kill))
			return number;
	}
}

static void attempt_make(const struct attempt *a, bool kill)
{
	const uintptr_t scratch = (planted.regs.rsp - BELOW_STACK) & ~UINT64_C(15);
	struct user_regs_struct r;

	scratch_fill(a, scratch);
	code_enter(a, scratch);
	const int number = code_run(kill);
	if (number < 0) {
		(void)printf("%s %s: ended usher-vmm\n", planted.kind, a->name);
		exit(0);
	}
	if (ptrace(PTRACE_GETREGS, planted.tid, 0, &r) < 0)
		give_up("read its registers");
	const long got = (long)r.rax;
	planted.before = number == SIGSYS || got < 0 ? -1 : got;
	if (number == SIGSYS)
		(void)printf("%s %s: refused\n", planted.kind, a->name);
	else if (got < 0 && got > -4096)
		(void)printf(
			"%s %s: failed %s\n", planted.kind, a->name, strerrorname_np((int)-got));
	else
		(void)printf("%s %s: got %ld\n", planted.kind, a->name, got);
}

int main(int argc, char **argv)
{
	static const unsigned char code[8] = {0x0f, 0x05, 0xcc}; /* syscall; int3 */
	const bool kill = argc > 5;

	if (argc < 5)
		return 2;
	const pid_t pid = atoi(argv[1]);
	planted.kind = argv[2];
	planted.victim = atoi(argv[3]);
	planted.group = argv[4];
	thread_seize(pid);
	if (thread_wait() < 0)
		give_up("stop it");
	planted.code = entry_of(pid);
	if (ptrace(PTRACE_GETREGS, planted.tid, 0, &planted.regs) < 0)
		give_up("read its registers");
	bytes_write(planted.code, code, sizeof(code));
	for (size_t i = 0; i < (kill ? 1 : COUNT(attempts)); i++)
		attempt_make(&attempts[i], kill);
	if (ptrace(PTRACE_SETREGS, planted.tid, 0, &planted.regs) < 0 ||
		ptrace(PTRACE_DETACH, planted.tid, 0, 0) < 0)
		give_up("let it go");
	return 0;
}
