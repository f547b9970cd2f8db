/* SPDX-License-Identifier: MIT */
/* The keeper around a shell instead of a guest, without devices: signals, clients, slow readers. */
#include "engine/keeper.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "control/client.h"
#include "control/value.h"
#include "engine/clients.h"
#include "engine/files.h"
#include "suite.h"
#include "wire/call.h"
#include "wire/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const char *script; /* what the shell does */
static char run_dir[] = "/tmp/usher-keeper-XXXXXX";
static int news_pipe[2]; /* what the client prints: one line for each piece of news */

static uint64_t stub_memory(const struct guest_spec *s)
{
	return 0;
}

static int calls_fd = -1; /* the keeper's end of a socket for calls; -1: none */

static int stub_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	program_word(&run->program, "sh");
	program_word(&run->program, "-c");
	program_word(&run->program, script);
	run->calls.fd = calls_fd;
	if (s->files)
		disk_close(&s->files->disks[0]); /* as if the guest had it */
	if (calls_fd < 0)
		return 0;
	/* No devices, in memory that children do not have: a helper that looks at them dies. */
	run->devices =
		mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)signal(SIGSEGV, SIG_DFL);
	return madvise(run->devices, 65536, MADV_DONTFORK) < 0 ? -errno : 0;
}

static const struct engine stub = {.name = "stub", .memory = stub_memory, .prepare = stub_prepare};
static const struct guest_spec spec = {.name = "keeper-test", .memory = 1, .cpus = 1};

static void print_news(void *arg, const struct keeper_news *n)
{
	static const char *const words[] = {[KEEPER_PLANNED] = "planned",
		[KEEPER_STARTED] = "started",
		[KEEPER_STOPPING] = "stopping",
		[KEEPER_ENDED] = "ended",
		[KEEPER_WIPED] = "wiped",
		[KEEPER_GIVEN] = "given",
		[KEEPER_STUCK] = "stuck",
		[KEEPER_FAILED] = "failed",
		[KEEPER_LOST] = "lost"};
	char line[32];
	int n_chars = snprintf(line, sizeof(line), "%s\n", words[n->event]);

	(void)fd_write_full(news_pipe[1], line, (size_t)n_chars);
}

static struct keeper keeper_make(const char *what)
{
	script = what;
	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	ck_assert_int_eq(pipe2(news_pipe, O_CLOEXEC), 0);
	struct keeper k = {
		.env = bind_env_live(), .engine = &stub, .spec = &spec, .tell = print_news};
	k.env.state = run_dir;
	return k;
}

static void keeper_clean(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r %s", run_dir);
	ck_assert_int_eq(system(command), 0);
}

static void expect_news(const char *expected)
{
	char text[512] = "";
	size_t len = 0;
	ssize_t n;

	(void)close(news_pipe[1]);
	while ((n = read(news_pipe[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	ck_assert_str_eq(text, expected);
}

/* Runs the keeper in a process of its own, and waits until the shell runs. Return: its process. */
static pid_t keeper_start(const struct keeper *k)
{
	char path[128];
	struct stat st;
	pid_t pid = fork();

	if (pid == 0) {
		struct keeper_end end;
		int r = keeper_run(k, &end);
		_exit(r < 0 ? 125 : end.status);
	}
	(void)snprintf(path, sizeof(path), "%s/vm/%s/engine", run_dir, spec.name);
	while (stat(path, &st) < 0)
		(void)usleep(1000);
	return pid;
}

static int keeper_reap(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int client_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "%s/vm/%s/socket", run_dir, spec.name);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void client_say(int fd, enum wire_command_kind what)
{
	struct wire_command c = {.header.kind = WIRE_COMMAND, .command = what};

	ck_assert_int_eq(wire_send(fd, &c, sizeof(c), NULL), 0);
}

/* Return: the next event of that kind. */
static struct wire_event client_hear(int fd, enum wire_event_kind kind)
{
	struct wire_event ev;

	do {
		ck_assert_int_eq(wire_receive(fd, &ev, sizeof(ev), NULL), 0);
		ck_assert_int_eq(wire_event_check(&ev), 0);
	} while (ev.event != kind);
	return ev;
}

START_TEST(tells_what_happens)
{
	struct keeper k = keeper_make("exit 7");
	struct keeper_end end;

	ck_assert_int_eq(keeper_run(&k, &end), 0);
	ck_assert_int_eq(end.status, 7);
	ck_assert(!end.refused);
	expect_news("planned\nstarted\nended\n");
	keeper_clean();
}
END_TEST

/* Fails once the program has said that it runs: the shell and this are at work at one time. */
static int stub_furnish(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	char path[64], text[16];

	(void)snprintf(path, sizeof(path), "%s/pid", run_dir);
	for (int i = 0; i < 1000; i++) {
		if (file_read(path, text, sizeof(text)) > 0)
			return err_say(e, -ENODEV, "the device is gone");
		(void)usleep(10000);
	}
	return err_say(e, -ETIMEDOUT, "the program does not run");
}

START_TEST(ends_a_program_that_gets_no_devices)
{
	static const struct engine failing = {.name = "failing",
		.memory = stub_memory,
		.prepare = stub_prepare,
		.furnish = stub_furnish};
	char line[64] = "", path[64], text[16];
	struct keeper k = keeper_make(line);
	struct keeper_end end;

	(void)snprintf(line, sizeof(line), "echo $$ >%s/pid; exec sleep 100", run_dir);
	(void)snprintf(path, sizeof(path), "%s/pid", run_dir);
	k.engine = &failing;
	ck_assert_int_eq(keeper_run(&k, &end), -ENODEV);
	ck_assert_int_gt(file_read(path, text, sizeof(text)), 0);
	ck_assert_int_eq(kill(atoi(text), 0), -1);
	ck_assert_int_eq(errno, ESRCH);
	expect_news("planned\nfailed\n");
	keeper_clean();
}
END_TEST

START_TEST(refuses_a_name_in_use)
{
	struct keeper k = keeper_make("exec sleep 100");
	struct keeper_end end;
	pid_t pid = keeper_start(&k);

	k.tell = NULL;
	ck_assert_int_eq(keeper_run(&k, &end), -EBUSY);
	(void)kill(pid, SIGTERM);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGTERM);
	expect_news("planned\nstarted\nstopping\nended\n");
	keeper_clean();
}
END_TEST

/* The reader of the client's output is gone, as `tee` after Ctrl-C. */
START_TEST(survives_a_dead_reader)
{
	struct keeper k = keeper_make("exit 3");
	struct keeper_end end;

	(void)close(news_pipe[0]);
	ck_assert_int_eq(keeper_run(&k, &end), 0);
	ck_assert_int_eq(end.status, 3);
	(void)close(news_pipe[1]);
	keeper_clean();
}
END_TEST

static void pipe_fill(void)
{
	int flags = fcntl(news_pipe[1], F_GETFL);

	(void)fcntl(news_pipe[1], F_SETFL, flags | O_NONBLOCK);
	while (write(news_pipe[1], "x", 1) == 1)
		;
	(void)fcntl(news_pipe[1], F_SETFL, flags);
}

static void disk_expect_free(const struct guest_disk *d, struct disk *ret)
{
	struct err e = {0};

	ck_assert_msg(disk_open(d, ret, &e) == 0, "%s", e.msg);
}

/* Nothing reads the terminal: the guest stops at once, no news is lost, and its disk is free. */
START_TEST(does_not_wait_for_a_stuck_reader)
{
	struct keeper k = keeper_make("exec sleep 100");
	struct guest_files files = FILES_NONE;
	struct guest_spec with_disk = spec;
	struct guest_disk disk = {.queues = 1};
	char text[512] = "", c;
	size_t len = 0;

	(void)snprintf(disk.path, sizeof(disk.path), "%s/disk", run_dir);
	ck_assert_int_eq(file_replace(disk.path, text, sizeof(text), 0600), 0);
	disk_expect_free(&disk, &files.disks[0]);
	with_disk.files = &files;
	k.spec = &with_disk;
	pipe_fill();
	pid_t pid = keeper_start(&k);
	files_close(&files);
	time_t begun = time(NULL);
	(void)kill(pid, SIGTERM);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGTERM);
	ck_assert_int_le((int)(time(NULL) - begun), 6);
	disk_expect_free(&disk, &files.disks[0]);
	files_close(&files);
	(void)close(news_pipe[1]);
	while (read(news_pipe[0], &c, 1) == 1)
		if (c != 'x' && len < sizeof(text) - 1)
			text[len++] = c;
	ck_assert_str_eq(text, "planned\nstarted\nstopping\nended\n");
	keeper_clean();
}
END_TEST

START_TEST(a_second_signal_kills)
{
	char deaf[160] = "", ready[64];
	struct keeper k = keeper_make(deaf);
	struct stat st;

	(void)snprintf(ready, sizeof(ready), "%s/ready", run_dir);
	(void)snprintf(deaf, sizeof(deaf), "trap '' TERM; : >%s; while :; do sleep 1; done", ready);
	pid_t pid = keeper_start(&k);
	while (stat(ready, &st) < 0)
		(void)usleep(1000);
	(void)kill(pid, SIGTERM);
	(void)usleep(50000);
	(void)kill(pid, SIGTERM); /* an echo of the first, as from timeout(1) */
	(void)usleep(700000);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	(void)kill(pid, SIGINT);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGKILL);
	keeper_clean();
}
END_TEST

START_TEST(clients_ask_and_stop)
{
	struct keeper k = keeper_make("exec sleep 100");
	char path[128];
	struct stat st;
	pid_t pid = keeper_start(&k);

	(void)snprintf(path, sizeof(path), "%s/vm/%s/socket", run_dir, spec.name);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq((int)(st.st_mode & 07777), 0600);
	int silent = client_connect(), fd = client_connect();
	client_say(fd, WIRE_COMMAND_STATE);
	struct wire_event state = client_hear(fd, WIRE_EVENT_STATE);
	ck_assert_str_eq(state.object, spec.name);
	ck_assert_str_eq(state.text, "stub");
	ck_assert_int_eq(kill(state.number, 0), 0);
	ck_assert_int_eq((int)send(fd, "junk", 4, 0), 4);
	client_say(fd, WIRE_COMMAND_STOP);
	(void)client_hear(fd, WIRE_EVENT_STOPPING);
	ck_assert_int_eq(client_hear(fd, WIRE_EVENT_ENDED).number, 128 + SIGTERM);
	ck_assert_int_eq(client_hear(fd, WIRE_EVENT_DONE).number, 128 + SIGTERM);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGTERM);
	(void)close(silent);
	(void)close(fd);
	ck_assert_int_eq(stat(path, &st), -1);
	keeper_clean();
}
END_TEST

/* Over the control socket: who hears "done" may use the name again. */
START_TEST(others_command)
{
	struct keeper k = keeper_make("exec sleep 100");
	struct control_link link;
	struct control_value *v;
	struct err e = {0};
	char path[128];
	struct stat st;
	pid_t pid = keeper_start(&k);

	(void)snprintf(path, sizeof(path), "%s/vm/%s/control", run_dir, spec.name);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq((int)(st.st_mode & 07777), 0600);
	ck_assert_int_eq(control_connect(run_dir, spec.name, &link, &e), 0);
	ck_assert_int_eq(control_ask(&link, "{\"command\":\"state\"}\n", &v, &e), 0);
	ck_assert_str_eq(control_value_text(v, "engine"), "stub");
	ck_assert_str_eq(control_value_text(v, "state"), "running");
	control_value_free(v);
	ck_assert_int_eq(control_ask(&link, "{\"command\":\"pause\"}\n", NULL, &e), -ENOTSUP);
	ck_assert_int_eq(control_ask(&link, "{\"command\":\"events\"}\n", NULL, &e), 0);
	ck_assert_int_eq(control_ask(&link, "{\"command\":\"stop\"}\n", NULL, &e), 0);
	for (bool done = false; !done; control_value_free(v)) {
		ck_assert_int_eq(control_next(&link, 20000, &v, &e), 0);
		done = strcmp(control_value_text(v, "event"), "done") == 0;
	}
	ck_assert_int_eq(stat(path, &st), -1);
	control_disconnect(&link);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGTERM);
	ck_assert_int_eq(control_connect(run_dir, spec.name, &link, &e), -ENOENT);
	ck_assert_str_eq(e.msg, "no guest named 'keeper-test' runs");
	control_disconnect(&link);
	keeper_clean();
}
END_TEST

/* The client is a child of the keeper, as is the shell. */
static pid_t client_of(pid_t keeper)
{
	char command[96], text[32] = "";

	(void)snprintf(command, sizeof(command), "pgrep -P %d usher-client", (int)keeper);
	FILE *f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	(void)pclose(f);
	return (pid_t)atoi(text);
}

START_TEST(the_guest_ends_with_the_client)
{
	struct keeper k = keeper_make("exec sleep 100");
	pid_t pid = keeper_start(&k);

	(void)kill(client_of(pid), SIGKILL);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGTERM);
	keeper_clean();
}
END_TEST

/* Return: the end of a pipe to this process's standard input. */
static int pipe_to_stdin(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	(void)close(fds[0]);
	return fds[1];
}

START_TEST(the_guest_outlives_the_client)
{
	struct keeper k = keeper_make("read word; exit 4");
	int typed = pipe_to_stdin();

	k.outlives = true;
	pid_t pid = keeper_start(&k);
	(void)kill(client_of(pid), SIGKILL);
	/* When the keeper answers, it has noticed the client's end. */
	int fd = client_connect();
	client_say(fd, WIRE_COMMAND_STATE);
	(void)client_hear(fd, WIRE_EVENT_STATE);
	ck_assert_int_eq((int)write(typed, "go\n", 3), 3);
	ck_assert_int_eq(keeper_reap(pid), 4);
	(void)close(fd);
	keeper_clean();
}
END_TEST

/* usher-vmm would wait for the answer for ever. */
START_TEST(answers_for_a_helper_that_is_killed)
{
	const struct timeval patience = {.tv_sec = 20};
	struct wire_call call = {.header = {.kind = WIRE_RESET_BUS, .id = 5}}, answer;
	struct keeper k = keeper_make("read word");
	int typed = pipe_to_stdin(), ends[2];

	ck_assert_int_eq(wire_pair(ends), 0);
	calls_fd = ends[0];
	k.outlives = true;
	pid_t pid = keeper_start(&k);
	ck_assert_int_eq(
		setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	for (unsigned i = 0; i < 40; i++, call.header.id++) {
		ck_assert_int_eq(wire_send(ends[1], &call, sizeof(call), NULL), 0);
		ck_assert_int_eq(wire_receive(ends[1], &answer, sizeof(answer), NULL), 0);
		ck_assert_uint_eq(answer.header.kind, WIRE_ANSWER);
		ck_assert_uint_eq(answer.header.id, call.header.id);
		ck_assert_int_eq(answer.result, -EIO);
	}
	(void)kill(pid, SIGKILL);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGKILL);
	(void)close(typed);
	keeper_clean();
}
END_TEST

/* One more than there is room for, with the keeper's own client. */
START_TEST(tells_a_client_that_it_is_one_too_many)
{
	struct keeper k = keeper_make("exec sleep 100");
	pid_t pid = keeper_start(&k);
	int fds[CLIENTS_MAX];

	for (int i = 0; i < CLIENTS_MAX; i++)
		fds[i] = client_connect();
	struct wire_event ev = client_hear(fds[CLIENTS_MAX - 1], WIRE_EVENT_FAILED);
	ck_assert_int_eq(ev.number, -EUSERS);
	ck_assert_ptr_nonnull(strstr(ev.text, "8 clients"));
	ck_assert_int_eq(wire_receive(fds[CLIENTS_MAX - 1], &ev, sizeof(ev), NULL), -EPIPE);
	(void)close(fds[0]);
	client_say(fds[1], WIRE_COMMAND_STATE);
	(void)client_hear(fds[1], WIRE_EVENT_STATE);
	client_say(fds[1], WIRE_COMMAND_STOP);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGTERM);
	keeper_clean();
}
END_TEST

/* A shell at a terminal of its own, which outlives the keeper that it starts there. */
static pid_t shell_start(const struct keeper *k, int *ret_master)
{
	pid_t shell = forkpty(ret_master, NULL, NULL, NULL);

	if (shell)
		return shell;
	(void)keeper_start(k);
	for (;;)
		(void)pause();
}

static pid_t pid_read(const char *name)
{
	char path[128], text[24];

	(void)snprintf(path, sizeof(path), "%s/vm/%s/%s", run_dir, spec.name, name);
	while (file_read(path, text, sizeof(text)) < 0)
		(void)usleep(1000);
	return (pid_t)atoi(text);
}

static tcflag_t local_flags(int master)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(master, &t), 0);
	return t.c_lflag;
}

static void await_flag(int master, bool canonical)
{
	for (int i = 0; i < 1000 && !(local_flags(master) & ICANON) == canonical; i++)
		(void)usleep(10000);
	ck_assert_int_eq(!(local_flags(master) & ICANON), !canonical);
}

/* Whoever is killed: the guest's process, or the keeper. */
static void expect_restored(bool kill_keeper)
{
	struct keeper k = keeper_make("stty raw opost onlcr; exec sleep 100");
	int master;

	pid_t shell = shell_start(&k, &master);
	await_flag(master, false);
	pid_t engine = pid_read("engine"), keeper = pid_read("keeper");
	struct pollfd ended = {.fd = fd_pidfd_open(keeper), .events = POLLIN};
	ck_assert_int_ge(ended.fd, 0);
	(void)kill(kill_keeper ? keeper : engine, SIGKILL);
	await_flag(master, true);
	(void)kill(engine, SIGKILL);
	/* It removes its files behind that. */
	ck_assert_int_eq(poll(&ended, 1, 10000), 1);
	(void)close(ended.fd);
	(void)kill(shell, SIGKILL);
	ck_assert_int_eq(waitpid(shell, NULL, 0), shell);
	(void)close(master);
	keeper_clean();
}

START_TEST(a_terminal_is_restored_when_the_guest_is_killed)
{
	expect_restored(false);
}
END_TEST

START_TEST(a_terminal_is_restored_when_the_keeper_is_killed)
{
	expect_restored(true);
}
END_TEST

/* A stopped process takes no SIGTERM. */
START_TEST(ends_a_guest_that_is_stopped)
{
	struct keeper k = keeper_make("kill -STOP $$; exec sleep 100");
	pid_t pid = keeper_start(&k);
	time_t begun = time(NULL);

	(void)usleep(100000);
	(void)kill(pid, SIGTERM);
	ck_assert_int_eq(keeper_reap(pid), 128 + SIGTERM);
	ck_assert_int_le((int)(time(NULL) - begun), 6);
	keeper_clean();
}
END_TEST

/* As by nohup(1). */
START_TEST(outlives_its_terminal_if_it_is_to)
{
	struct keeper k = keeper_make("read word; exit 4");
	int typed = pipe_to_stdin();

	(void)signal(SIGHUP, SIG_IGN);
	pid_t pid = keeper_start(&k);
	(void)kill(pid, SIGHUP);
	(void)usleep(100000);
	ck_assert_int_eq((int)write(typed, "go\n", 3), 3);
	ck_assert_int_eq(keeper_reap(pid), 4);
	keeper_clean();
}
END_TEST

SUITE("keeper", others_command, tells_what_happens, ends_a_program_that_gets_no_devices,
	refuses_a_name_in_use, survives_a_dead_reader, does_not_wait_for_a_stuck_reader,
	a_second_signal_kills, clients_ask_and_stop, the_guest_ends_with_the_client,
	the_guest_outlives_the_client, answers_for_a_helper_that_is_killed,
	tells_a_client_that_it_is_one_too_many, a_terminal_is_restored_when_the_guest_is_killed,
	a_terminal_is_restored_when_the_keeper_is_killed, ends_a_guest_that_is_stopped,
	outlives_its_terminal_if_it_is_to)
