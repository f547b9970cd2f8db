/* SPDX-License-Identifier: MIT */
/*
 * A program that wants out of `usher exec`. It says what it got; "refused" counts what it did not.
 *
 *	exec_out own PROGRAM…    gives a key to its session, opens a file, executes PROGRAM
 *	exec_out try PID PROC…   tries to reach process PID, also by another procfs, and the rest
 */
#include "attribute.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY "usher-secret"

static unsigned refused;

static void tried(int got, const char *what, const char *of)
{
	if (got)
		(void)printf("GOT %s %s\n", what, of);
	else
		refused++;
}

/* The devices' own descriptors are in USHER_DEVICE. */
static void try_descriptors(void)
{
	char path[300], link[256], number[16];
	const char *mine = getenv("USHER_DEVICE");
	const struct dirent *entry;
	DIR *d = opendir("/proc/self/fd");

	while (d && (entry = readdir(d))) {
		int fd = atoi(entry->d_name);
		if (fd < 3 || fd == dirfd(d))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		(void)snprintf(number, sizeof(number), "%d", fd);
		tried(!mine || !strstr(mine, number) || !strstr(link, "vfio"), "descriptor", link);
	}
	if (d)
		(void)closedir(d);
}

static int has_key(void)
{
	return syscall(SYS_keyctl, KEYCTL_SEARCH, (long)KEY_SPEC_SESSION_KEYRING, "user", KEY, 0) >=
	       0;
}

static void try_keys(void)
{
	tried(has_key(), "key", "by search");
	tried(syscall(SYS_request_key, "user", KEY, NULL, 0) >= 0, "key", "by request");
}

static void try_memory(const char *proc, const char *pid)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s/mem", proc, pid);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	tried(fd >= 0, "memory", path);
	(void)snprintf(path, sizeof(path), "%s/%s/root/etc", proc, pid);
	tried(access(path, F_OK) == 0, "root", path);
}

static void try_process(const char *text)
{
	pid_t pid = atoi(text);
	char byte;
	struct iovec to = {&byte, 1}, from = {&byte, 1};

	tried(ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0, "trace of", text);
	tried(process_vm_readv(pid, &to, 1, &from, 1, 0) == 1, "memory of", text);
	tried(syscall(SYS_pidfd_open, pid, 0) >= 0 && pid != 1, "pidfd of", text);
	/* The kernel drops what would kill a namespace's first process from inside. */
	tried(kill(pid, SIGKILL) == 0 && pid != 1, "signal to", text);
}

/* The first process and ours are all that /proc has. */
static void try_processes(void)
{
	const struct dirent *entry;
	DIR *d = opendir("/proc");

	while (d && (entry = readdir(d))) {
		int pid = atoi(entry->d_name);
		if (pid)
			tried(pid != 1 && pid != getpid(), "sight of process", entry->d_name);
	}
	if (d)
		(void)closedir(d);
}

/* By the calls of 32 bits: their numbers are others. */
static int unshare_32(void)
{
	long r = 310;

	__asm__ volatile("int $0x80" : "+a"(r) : "b"((long)CLONE_NEWUSER) : "memory", "cc");
	return r == 0;
}

static void try_namespaces(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	tried(pid > 0, "user namespace", "by clone");
	struct {
		unsigned long long flags, pidfd, child, parent, signal, rest[6];
	} args = {.flags = CLONE_NEWUSER, .signal = SIGCHLD};
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	tried(pid > 0, "user namespace", "by clone3");
	tried(unshare(CLONE_NEWUSER) == 0, "user namespace", "by unshare");
	tried(unshare_32(), "user namespace", "by unshare of 32 bits");
	tried(syscall(SYS_unshare | 0x40000000, CLONE_NEWUSER) == 0, "user namespace", "by x32");
	tried(unshare(CLONE_NEWNS) == 0, "mount namespace", "");
}

static void try_attribute(const char *path)
{
	tried(open(path, O_RDWR | O_CLOEXEC) >= 0, "access to", path);
}

static void try_sysfs(void)
{
	static const char *const attributes[] = {"config", "resource0", "driver_override", "reset"};

	attributes_each(attributes, sizeof(attributes) / sizeof(attributes[0]), try_attribute);
}

static void try_nodes(void)
{
	const struct dirent *entry;
	DIR *d = opendir("/dev/vfio");

	while (d && (entry = readdir(d)))
		tried(entry->d_name[0] != '.', "sight of /dev/vfio/", entry->d_name);
	if (d)
		(void)closedir(d);
	tried(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC) >= 0, "container", "");
}

static void say_place(void)
{
	char dir[256];

	(void)printf("working folder %s\n", getcwd(dir, sizeof(dir)) ? dir : "?");
	(void)printf("secret %s, given %s\n", getenv("SECRET") ? "KNOWN" : "unknown",
		getenv("GIVEN") ? getenv("GIVEN") : "nothing");
	(void)printf("home %s, path %s\n", getenv("HOME"), getenv("PATH") ? "known" : "UNKNOWN");
	(void)printf("session %s\n", getsid(0) == getpid() ? "of its own" : "of ANOTHER");
	(void)printf("user %u, group %u\n", (unsigned)getuid(), (unsigned)getgid());
	(void)printf("writes /tmp %s, /var/tmp %s, /dev/shm %s\n",
		open("/tmp/exec-out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 ? "no" : "yes",
		open("/var/tmp/exec-out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 ? "no" : "yes",
		open("/dev/shm/exec-out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 ? "no" : "yes");
}

static int own(char **argv)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
		syscall(SYS_add_key, "user", KEY, "x", 1, KEY_SPEC_SESSION_KEYRING) < 0)
		perror("a key of our own");
	int fd = open("/etc/passwd", O_RDONLY); /* NOLINT(android-cloexec-open) */
	if (fd < 0 || dup2(fd, 77) < 0)
		return 1;
	(void)printf("the owner %s its key\n", has_key() ? "finds" : "does not find");
	(void)fflush(stdout);
	(void)execvp(argv[0], argv);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "own") == 0)
		return own(argv + 2);
	if (argc < 3 || strcmp(argv[1], "try") != 0)
		return 2;
	try_descriptors();
	say_place();
	try_keys();
	try_processes();
	for (int i = 2; i == 2 || i < argc; i++) {
		try_memory(i == 2 ? "/proc" : argv[i], argv[2]);
		try_memory(i == 2 ? "/proc" : argv[i], "1");
	}
	try_process(argv[2]);
	try_process("1");
	try_namespaces();
	try_sysfs();
	try_nodes();
	(void)printf("refused %s\n", refused > 30 ? "many" : "too few to say so");
	return 0;
}
