/* SPDX-License-Identifier: MIT */
/* The whole usher-vmm with guests of a few instructions. Skipped where KVM does not work. */
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/pidspace.h"
#include "engine/attach.h"
#include "engine/engine.h"
#include "suite.h"
#include "vmm/vmm_run.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>

#define CODE_AT 0x100000
#define BSS_AT 0x100800 /* zeroes, not in the file */
#define PORT_SERIAL 0xf8, 0x03
#define PORT_SLEEP 0x00, 0x06
#define PORT_RESET 0x02, 0x06
#define MOV_DX 0x66, 0xba /* the port follows */
#define MOV_AL 0xb0 /* the byte follows */
#define OUT 0xee
#define SAY(c) MOV_DX, PORT_SERIAL, MOV_AL, c, OUT
#define SLEEP_S5 0x34 /* SLP_EN, SLP_TYP 5 */
#define POWEROFF MOV_DX, PORT_SLEEP, MOV_AL, SLEEP_S5, OUT
#define REBOOT MOV_DX, PORT_RESET, MOV_AL, 1, OUT
#define HALT 0xf4, 0xeb, 0xfd
#define TRIPLE_FAULT 0x0f, 0x01, 0x1d, 0x00, 0x90, 0, 0, 0x0f, 0x0b /* lidt of zeros, ud2 */

static char path[64];

/* An ELF file with a PVH note and @code, at @path. */
static void make_payload(const uint8_t *code, size_t len)
{
	static uint8_t image[0x1000];
	Elf64_Ehdr h = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2};
	const Elf64_Phdr segments[] = {
		{.p_type = PT_LOAD,
			.p_offset = 0x800,
			.p_paddr = CODE_AT,
			.p_filesz = len,
			.p_memsz = BSS_AT + 1 - CODE_AT},
		{.p_type = PT_NOTE, .p_offset = 0x400, .p_filesz = 20},
	};

	memcpy(image, &h, sizeof(h));
	memcpy(image + sizeof(h), segments, sizeof(segments));
	le32_put(image + 0x400, 4);
	le32_put(image + 0x404, 4);
	le32_put(image + 0x408, 18);
	memcpy(image + 0x40c, "Xen", 4);
	le32_put(image + 0x410, CODE_AT);
	memcpy(image + 0x800, code, len);
	(void)strcpy(path, "/tmp/usher-payload-XXXXXX");
	int fd = mkstemp(path);
	(void)fd_write_full(fd, image, sizeof(image));
	(void)close(fd);
}

#define PAYLOAD(...)                                   \
	do {                                           \
		const uint8_t code_[] = {__VA_ARGS__}; \
		make_payload(code_, sizeof(code_));    \
	} while (0)

START_TEST(powers_off)
{
	PAYLOAD(SAY('h'), SAY('i'), SAY('\n'), SAY('.'), POWEROFF, HALT);
	expect_run(0, "hi\n.", "--name", "me", "--memory", "16M", "--kernel", path);
	ck_assert_ptr_nonnull(strstr(run_out, "me: guest powered off"));
	(void)unlink(path);
}
END_TEST

/* The limit is for the size of files. A shell with that limit starts usher-vmm. */
START_TEST(a_console_at_its_limit_of_size_ends_no_guest)
{
	char script[] = "/tmp/usher-limit-XXXXXX";
	char *vmm = strdup(getenv("USHER_VMM"));
	int fd = mkstemp(script);

	ck_assert_int_ge(
		dprintf(fd, "#!/bin/sh\nulimit -f 1\nexec '%s' \"$@\" >>\"$0\"\n", vmm), 0);
	ck_assert_int_eq(fchmod(fd, 0700), 0);
	(void)close(fd);
	PAYLOAD(0xb9, 0x00, 0x10, 0x00, 0x00, /* mov ecx, 0x1000 */
		MOV_DX, PORT_SERIAL, MOV_AL, 'x', OUT, 0x49, /* dec ecx */
		0x75, 0xfc, /* jnz to OUT */
		POWEROFF, HALT);
	ck_assert_int_eq(setenv("USHER_VMM", script, 1), 0);
	expect_run(0, "guest powered off", "--memory", "16M", "--kernel", path);
	ck_assert_int_eq(setenv("USHER_VMM", vmm, 1), 0);
	free(vmm);
	(void)unlink(script);
	(void)unlink(path);
}
END_TEST

START_TEST(runs_in_shared_memory)
{
	PAYLOAD(SAY('h'), SAY('i'), SAY('\n'), POWEROFF, HALT);
	expect_run(0, "hi\n", "--memory", "16M", "--backing", "shared", "--kernel", path);
	(void)unlink(path);
}
END_TEST

START_TEST(reboots)
{
	PAYLOAD(REBOOT, HALT);
	expect_run(0, "guest rebooted", "--memory", "16M", "--kernel", path, "--no-reboot");
	(void)unlink(path);
}
END_TEST

/*
 * After a reboot, memory outside of the image is unchanged, and the image is as in the file. The
 * third boot powers off; a boot that found its BSS changed would crash.
 */
START_TEST(boots_again)
{
	PAYLOAD(0x80, 0x3d, 0x00, 0x08, 0x10, 0x00, 0x00, /* cmp byte [BSS_AT], 0 */
		0x75, 0x27, /* jne crash */
		0xfe, 0x05, 0x00, 0x08, 0x10, 0x00, /* inc byte [BSS_AT] */
		0xfe, 0x05, 0x00, 0x00, 0x20, 0x00, /* inc byte [0x200000] */
		0x80, 0x3d, 0x00, 0x00, 0x20, 0x00, 0x03, /* cmp byte [0x200000], 3 */
		0x73, 0x08, /* jae off */
		REBOOT, 0xf4,
		/* off: */ POWEROFF, 0xf4, 0xeb, 0xfd,
		/* crash: */ TRIPLE_FAULT);
	expect_run(0, "guest: guest rebooted\nguest: guest rebooted\nguest: guest powered off",
		"--memory", "16M", "--kernel", path, "--cpus", "2");
	(void)unlink(path);
}
END_TEST

/* As in Linux: back to real mode, then a jump to the BIOS. */
START_TEST(reboots_by_the_reset_vector)
{
	PAYLOAD(0xbc, 0x00, 0x00, 0x08, 0x00, /* mov esp, 0x80000 */
		0x0f, 0x01, 0x15, 0x30, 0x00, 0x10, 0x00, /* lgdt [0x100030] */
		0xea, 0x13, 0x00, 0x00, 0x00, 0x08, 0x00, /* ljmp 8:0x13, a 16-bit segment */
		/* 0x13: */ 0x0f, 0x20, 0xc0, /* mov eax, cr0 */
		0x66, 0x83, 0xe0, 0xfe, /* and eax, ~1 */
		0x0f, 0x22, 0xc0, /* mov cr0, eax */
		0xea, 0x00, 0x00, 0xff, 0xff, /* ljmp 0xffff:0 */
		HALT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* 0x30: */ 15, 0, 0x38, 0, 0x10, 0, 0, 0,
		/* 0x38: */ 0, 0, 0, 0, 0, 0, 0, 0,
		/* 0x40: */ 0xff, 0xff, 0, 0, 0x10, 0x9a, 0, 0);
	expect_run(0, "guest rebooted", "--memory", "16M", "--kernel", path, "--no-reboot");
	(void)unlink(path);
}
END_TEST

/* As hardware does; and it says where, and does not do so for ever. */
/* Two resets may be meant, a third one so soon is a kernel that dies without a word. */
START_TEST(a_loop_of_resets_ends)
{
	PAYLOAD(SAY('b'), SAY('\n'), REBOOT, HALT);
	expect_run(
		1, "guest crashed: it reset itself 3 times", "--memory", "16M", "--kernel", path);
	const char *last = strstr(run_out, "rebooted");
	ck_assert_ptr_nonnull(last);
	last = strstr(last + 1, "rebooted");
	ck_assert_ptr_nonnull(last);
	ck_assert_ptr_null(strstr(last + 1, "rebooted"));
	(void)unlink(path);
}
END_TEST

/* A shell that prints an old log is no panic of this kernel. */
START_TEST(a_quoted_panic_is_no_crash)
{
	static const char log[] = "log: Kernel panic - not syncing\n";
	static const uint8_t end[] = {REBOOT, HALT};
	static const uint8_t sent[] = {SAY(0)};
	uint8_t code[sizeof(sent) * sizeof(log) + sizeof(end)];
	const size_t quote = 5 * sizeof(sent);
	size_t len = 0;

	for (const char *c = log; *c; c++, len += sizeof(sent)) {
		memcpy(code + len, sent, sizeof(sent));
		code[len + sizeof(sent) - 2] = (uint8_t)*c;
	}
	memcpy(code + len, end, sizeof(end));
	len += sizeof(end);
	make_payload(code, len);
	expect_run(0, "guest rebooted", "--memory", "16M", "--kernel", path, "--no-reboot");
	(void)unlink(path);
	make_payload(code + quote, len - quote);
	expect_run(1, "guest crashed: its kernel panicked", "--memory", "16M", "--kernel", path);
	(void)unlink(path);
}
END_TEST

START_TEST(a_triple_fault_resets)
{
	PAYLOAD(TRIPLE_FAULT, HALT);
	expect_run(0, "guest reset by a triple fault of processor 0 at rip 0x10", "--memory", "16M",
		"--kernel", path, "--no-reboot");
	expect_run(1, "guest crashed: reset by a triple fault of processor 0 at rip 0x10",
		"--memory", "16M", "--kernel", path);
	ck_assert_ptr_nonnull(strstr(run_out, "; it had one at each of its last 2 starts"));
	(void)unlink(path);
	/* The second boot finds what the first one has left, and powers off. */
	PAYLOAD(0x80, 0x3d, 0x00, 0x00, 0x20, 0x00, 0x00, /* cmp byte [0x200000], 0 */
		0x75, 0x0f, /* jne to POWEROFF */
		0xfe, 0x05, 0x00, 0x00, 0x20, 0x00, /* inc byte [0x200000] */
		TRIPLE_FAULT, POWEROFF, HALT);
	expect_run(0, "guest powered off", "--memory", "16M", "--kernel", path);
	ck_assert_ptr_nonnull(strstr(run_out, "guest reset by a triple fault"));
	(void)unlink(path);
}
END_TEST

/*
 * Some versions of KVM honour the guest's MTRRs: without a default of write-back, all of memory is
 * uncached. Each processor has its own; this guest checks the first one's.
 */
START_TEST(finds_its_memory_cached)
{
	PAYLOAD(0xb9, 0xff, 0x02, 0x00, 0x00, /* mov ecx, 0x2ff: MTRRdefType */
		0x0f, 0x32, /* rdmsr */
		0x3d, 0x06, 0x08, 0x00, 0x00, /* cmp eax, 0x806: on, write-back */
		0x75, 0x07, /* jne on */
		SAY('w'), /* 7 bytes */
		POWEROFF, HALT);
	expect_run(0, "w", "--name", "me", "--memory", "16M", "--kernel", path);
	ck_assert_msg(run_out[0] == 'w', "%s", run_out);
	(void)unlink(path);
}
END_TEST

START_TEST(several_processors_and_timing)
{
	PAYLOAD(POWEROFF, HALT);
	expect_run(0, "timing: exits 1\n", "--memory", "16M", "--kernel", path, "--cpus", "3",
		"--timing");
	ck_assert_ptr_nonnull(strstr(run_out, "timing: kernel_ms "));
	/* Memory is there before the guest waits for its devices. */
	const char *memory = strstr(run_out, "timing: memory_ms ");
	ck_assert_ptr_nonnull(memory);
	ck_assert_ptr_nonnull(strstr(memory, "timing: wait_ms "));
	ck_assert_ptr_nonnull(strstr(run_out, "timing: own_ms "));
	ck_assert_ptr_nonnull(strstr(run_out, "timing: ports.power 1\n"));
	(void)unlink(path);
}
END_TEST

START_TEST(as_many_processors_as_a_guest_may_have)
{
	PAYLOAD(POWEROFF, HALT);
	expect_run(0, "guest powered off", "--memory", "16M", "--kernel", path, "--cpus", "240",
		"--timing");
	ck_assert_ptr_nonnull(strstr(run_out, "timing: processors_ms "));
	(void)unlink(path);
}
END_TEST

/* Starts a guest that waits for ever. Returns when the guest runs. */
static pid_t start_waiting(const char *const *more)
{
	const char *args[16] = {"--memory", "16M", "--kernel", path};
	char c = 0;

	PAYLOAD(SAY('r'), SAY('\n'), HALT);
	for (size_t i = 0; more[i]; i++)
		args[4 + i] = more[i];
	pid_t pid = run_start(args);
	ck_assert_int_eq((int)read(run_pipe, &c, 1), 1);
	ck_assert_int_eq(c, 'r');
	return pid;
}

START_TEST(a_signal_stops_it)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

	for (size_t i = 0; i < COUNT(signals); i++) {
		pid_t pid = start_waiting((const char *const[]){NULL});
		(void)kill(pid, signals[i]);
		ck_assert_int_eq(run_finish(pid), 128 + signals[i]);
		ck_assert_ptr_nonnull(strstr(run_out, "guest stopped by signal"));
		(void)unlink(path);
	}
}
END_TEST

START_TEST(it_ends_with_its_keeper)
{
	pid_t pid = start_waiting((const char *const[]){NULL});

	(void)close(run_line);
	run_line = -1;
	ck_assert_int_eq(run_finish(pid), 128 + SIGTERM);
	ck_assert_ptr_nonnull(strstr(run_out, "its keeper has ended"));
	(void)unlink(path);
}
END_TEST

__attribute__((noreturn)) static void vmm_execute(int socket)
{
	const char *vmm = getenv("USHER_VMM");
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", socket);
	(void)execl(vmm, vmm, "--keeper", number, (char *)NULL);
	_exit(126);
}

/* Starts the guest at @path on a terminal of its own; *@ret_master is the terminal's other side. */
static pid_t start_at_terminal(int *ret_master)
{
	int socket = send_words(
		(const char *const[]){"--memory", "16M", "--kernel", path, NULL}, &run_line);
	pid_t pid = forkpty(ret_master, NULL, NULL, NULL);

	if (!pid)
		vmm_execute(socket);
	(void)close(socket);
	return pid;
}

/*
 * The same as a job of a shell, in the background of its terminal. Each line on @turns has the job
 * and the shell change places. The shell ends with the job's status, or with 99 if it is stopped.
 */
static pid_t start_as_job(int *ret_master, int turns)
{
	int socket = send_words(
		(const char *const[]){"--memory", "16M", "--kernel", path, NULL}, &run_line);
	pid_t shell = forkpty(ret_master, NULL, NULL, NULL);
	int status = 0;
	char c;

	if (shell) {
		(void)close(socket);
		return shell;
	}
	(void)signal(SIGTTOU, SIG_IGN);
	/* As the keeper starts it: its process group has no number there. */
	bool inside;
	pid_t job = pidspace_fork(-1, &inside);
	if (job == 0) {
		(void)setpgid(0, 0);
		(void)signal(SIGTTOU, SIG_DFL);
		vmm_execute(socket);
	}
	(void)setpgid(job, job);
	while (read(turns, &c, 1) == 1 && c != 'e')
		(void)tcsetpgrp(STDIN_FILENO, c == 'f' ? job : getpid());
	if (waitpid(job, &status, WUNTRACED | WNOHANG) == job && WIFSTOPPED(status))
		_exit(99);
	(void)kill(job, SIGTERM);
	(void)waitpid(job, &status, 0);
	_exit(WEXITSTATUS(status));
}

/* In the background, the keys are the shell's; back in the foreground, they are the guest's. */
START_TEST(a_job_in_the_background_is_not_stopped)
{
	struct termios now;
	char text[512] = "";
	int master, status, turns[2];

	PAYLOAD(SAY('r'), SAY('\n'), HALT);
	ck_assert_int_eq(pipe(turns), 0);
	pid_t shell = start_as_job(&master, turns[0]);
	while (!strchr(text, 'r'))
		ck_assert_int_gt((int)read(master, text, 1), 0);
	ck_assert_int_eq(tcgetattr(master, &now), 0);
	ck_assert_uint_ne(now.c_lflag & ICANON, 0);
	ck_assert_int_eq((int)write(master, "ls\n", 3), 3);
	(void)usleep(300000); /* had it read them, the kernel had stopped it */
	ck_assert_int_eq((int)write(turns[1], "f", 1), 1);
	for (int i = 0; i < 20000 && now.c_lflag & ICANON; i++) {
		(void)usleep(10000);
		ck_assert_int_eq(tcgetattr(master, &now), 0);
	}
	ck_assert_uint_eq(now.c_lflag & ICANON, 0);
	ck_assert_int_eq((int)write(turns[1], "be", 2), 2);
	ck_assert_int_eq(waitpid(shell, &status, 0), shell);
	ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGTERM);
	(void)unlink(path);
}
END_TEST

/* At a terminal, all keys go to the guest, and Ctrl-A X stops it. */
START_TEST(a_terminal_is_raw_and_restored)
{
	struct termios before, during, after;
	char text[512] = "";
	int master, status;

	PAYLOAD(SAY('r'), SAY('\n'), HALT);
	pid_t pid = start_at_terminal(&master);
	ck_assert_int_eq(tcgetattr(master, &before), 0);
	while (!strchr(text, 'r'))
		ck_assert_int_gt((int)read(master, text, 1), 0);
	ck_assert_int_eq(tcgetattr(master, &during), 0);
	ck_assert_uint_eq(during.c_lflag & (ICANON | ECHO | ISIG), 0);
	ck_assert_int_eq((int)write(master, "\x03\x01\x01\x01x", 5), 5); /* Ctrl-C: the guest's */
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGINT);
	/* The kernel hands the terminal's lines over by and by. */
	for (size_t len = 0; !strstr(text, "stopped from the terminal");) {
		ssize_t n = read(master, text + len, sizeof(text) - 1 - len);
		ck_assert_int_gt((int)n, 0);
		text[len += (size_t)n] = 0;
	}
	ck_assert_int_eq(tcgetattr(master, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	(void)unlink(path);
}
END_TEST

/* Sends for ever, without a look at the port's status. */
#define FLOOD MOV_DX, PORT_SERIAL, MOV_AL, 'x', OUT, 0xeb, 0xfd /* jmp to the out */

/* It ends within seconds of SIGTERM, even if nothing reads @fd, the other end of its console. */
static void expect_stop(pid_t pid, int fd)
{
	int status = -1, queued = 0;

	/* Waits until the kernel's buffer for the reader is full. */
	for (int same = 0, was = -1; same < 30; was = queued) {
		(void)usleep(10000);
		ck_assert_int_eq(ioctl(fd, FIONREAD, &queued), 0);
		same = queued && queued == was ? same + 1 : 0;
	}
	(void)kill(pid, SIGTERM);
	for (int i = 0; i < 500 && waitpid(pid, &status, WNOHANG) == 0; i++)
		(void)usleep(10000);
	bool ended = status >= 0;
	if (!ended) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
	}
	ck_assert(ended);
	ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGTERM);
}

START_TEST(a_pipe_that_nobody_reads_holds_up_nothing)
{
	const char *const args[] = {"--memory", "16M", "--kernel", path, NULL};

	PAYLOAD(FLOOD);
	pid_t pid = run_start(args);
	expect_stop(pid, run_pipe);
	(void)close(run_pipe);
	(void)unlink(path);
}
END_TEST

START_TEST(a_terminal_that_nobody_reads_holds_up_nothing)
{
	int master;

	PAYLOAD(FLOOD);
	pid_t pid = start_at_terminal(&master);
	expect_stop(pid, master);
	(void)close(master);
	(void)unlink(path);
}
END_TEST

/* The number of a process's descriptors. */
static unsigned count_files(pid_t pid)
{
	char folder[64];
	unsigned count = 0;

	(void)snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)pid);
	DIR *d = opendir(folder);
	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		count++;
	(void)closedir(d);
	return count;
}

/*
 * The keeper gets the reason, twice. The guest goes on, and usher-vmm has no more descriptors open
 * than before.
 */
START_TEST(a_device_that_cannot_be_attached)
{
	const char *const args[] = {"--memory", "16M", "--slots", "1", "--kernel", path, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct attach_function f = {.address = {.bus = 3}, .device = null, .group = 1};
	struct engine_run run = ENGINE_RUN_NONE;
	struct err e = {0};
	char c = '\n', last = 0;

	PAYLOAD(SAY('r'), HALT);
	pid_t pid = run_start(args);
	/* A line of usher-vmm may come first: where little memory can be locked, it warns. */
	while (c != 'r' || last != '\n') {
		last = c;
		ck_assert_int_eq((int)read(run_pipe, &c, 1), 1);
	}
	unsigned before = count_files(pid);
	run.line_fd = run_line;
	for (unsigned i = 0; i < 2; i++) {
		int r = engine_attach(&run, null, &f, 1, 20000, &e);
		ck_assert_msg(
			r == -ENOTTY && strncmp(e.msg, "attach: ", 8) == 0, "%d: %s", r, e.msg);
		ck_assert_uint_eq(count_files(pid), before);
	}
	ck_assert_int_eq(engine_attach(&run, null, &f, 0, 20000, &e), -EINVAL);
	(void)close(run_line);
	run_line = -1;
	ck_assert_int_eq(run_finish(pid), 128 + SIGTERM);
	ck_assert_ptr_nonnull(strstr(run_out, "attach: "));
	(void)unlink(path);
	(void)close(null);
}
END_TEST

START_TEST(refuses_what_cannot_work)
{
	char big[] = "/tmp/usher-big-XXXXXX";
	int fd = mkstemp(big);

	ck_assert_int_eq(ftruncate(fd, (off_t)MIB(32)), 0);
	PAYLOAD(HALT);
	expect_run(125, "do not fit", "--memory", "16M", "--kernel", path, "--initrd", big);
	expect_run(125, "not a kernel image", "--memory", "16M", "--kernel", big);
	expect_run(125, "less than 4 MiB", "--memory", "1M", "--kernel", path);
	expect_run(125, "not whole pages", "--memory", "16777217", "--kernel", path);
	expect_run(125, "this host has", "--memory", "100T", "--kernel", path);
	(void)close(fd);
	(void)unlink(big);
	(void)unlink(path);
}
END_TEST

/*
 * A guest writes random values everywhere: it can harm only itself. Each run has a new seed, and
 * prints it; HOSTILE_SEED=N repeats it.
 */
START_TEST(a_hostile_guest_harms_nobody)
{
	const char *again = getenv("HOSTILE_SEED");
	unsigned first = again ? (unsigned)strtoul(again, NULL, 10) : (unsigned)time(NULL);

	for (unsigned seed = first; seed < first + 3; seed++) {
		char words[64];

		(void)snprintf(words, sizeof(words), "seed=%u ops=300 boots=3", seed);
		expect_run(0, "hostile: done", "--memory", "16M", "--kernel",
			getenv("USHER_HOSTILE"), "--cmdline", words);
		(void)snprintf(words, sizeof(words), "hostile: seed %u, boot 3", seed);
		ck_assert_msg(strstr(run_out, words) != NULL, "%s", run_out);
		ck_assert_msg(strstr(run_out, "guest powered off") != NULL, "%s", run_out);
		ck_assert_msg(strlen(run_out) < 1024, "%s", run_out);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {powers_off, a_console_at_its_limit_of_size_ends_no_guest,
		runs_in_shared_memory, reboots, boots_again, reboots_by_the_reset_vector,
		a_loop_of_resets_ends, a_quoted_panic_is_no_crash, a_triple_fault_resets,
		finds_its_memory_cached, several_processors_and_timing,
		as_many_processors_as_a_guest_may_have, a_signal_stops_it, it_ends_with_its_keeper,
		a_terminal_is_raw_and_restored, a_job_in_the_background_is_not_stopped,
		a_pipe_that_nobody_reads_holds_up_nothing,
		a_terminal_that_nobody_reads_holds_up_nothing, a_device_that_cannot_be_attached,
		refuses_what_cannot_work, a_hostile_guest_harms_nobody};

	/* Whoever runs the tests by nohup(1) has it ignored, and a guest inherits that. */
	(void)signal(SIGHUP, SIG_DFL);
	PAYLOAD(POWEROFF, HALT);
	int status = run_vmm("--memory", "16M", "--kernel", path);
	(void)unlink(path);
	if (status == 125) {
		run_out[strcspn(run_out, "\n")] = 0;
		(void)printf("1..0 # SKIP %s\n", run_out);
		return 0;
	}
	return suite_run("payload", tests, COUNT(tests));
}
