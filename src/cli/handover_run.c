/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: whichever process dies, another one brings the desktop back: nobody sees a screen to
 * type `usher restore` at.
 *
 *	session ── command, which ends with the session
 *	unit of its own ─┬─ owner: stops the desktop, watches, starts it again
 *	                 └─ keeper, a child of it: waits for 'go', runs the guest, waits for 'done'
 *
 * The two talk by a pair of sockets. If the owner dies, the keeper reads the end of its socket: at
 * once, or when its guest has ended and its devices are back. Then it does what the entry in
 * STATE/desktop says. If the keeper dies, the owner returns its devices by the journal. If both
 * die, `usher restore` does both.
 *
 * The dead man's timer: the owner has the guest stopped that does not drive the card in time
 * (desktop/life.h). It does not run if the owner has died.
 */
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/signals.h"
#include "bind/lock.h"
#include "bind/problem.h"
#include "cli/handover.h"
#include "cli/loan.h"
#include "cli/option.h"
#include "cli/report.h"
#include "desktop/change.h"
#include "desktop/life.h"
#include "desktop/scope.h"
#include "engine/files.h"
#include "engine/logbook.h"
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 500
#define SETTLED_MS 5000 /* until each engine has opened the card: VFIO clears its command then */
#define OWNER_MS 10000
#define RETURN_MS 30000 /* a killed guest's devices are closed meanwhile */

enum word { WORD_GO = 1, WORD_NO, WORD_DONE };

struct handover {
	const struct handover_words *words;
	struct keeper keeper; /* with one more check allowed */
	const char *allow[LOAN_ALLOW_MAX + 1];
	struct desktop_change change;
	struct desktop_plan plan;
	struct bind_plan devices; /* of the guest, while the desktop is stopped */
	pid_t child;
	int child_fd; /* pidfd */
	int fd; /* to the child */
	int log_fd; /* what this process writes to standard error */
	int signals;
	int64_t begun_ms; /* when the child was told to go */
	int64_t started_ms; /* when the guest was first seen; 0: not yet */
	bool is_settled; /* it lives, or nobody asks, or its time is over */
	bool is_lifeless;
	bool is_killed; /* its keeper */
	bool is_abandoned; /* the keeper does not die either */
	int64_t stopped_ms; /* when the lifeless guest's keeper was asked to stop it */
	bool is_stopped; /* a signal came */
};

/* For the terminal, as long as there is one, and for the log. */
static void step_say(void *arg, const char *text)
{
	const struct handover *x = arg;
	char line[320];

	report_note("display: %s", text);
	int len = snprintf(line, sizeof(line), "display: %s\r\n", text);
	if (x->words->terminal_fd >= 0 && len > 0 && (size_t)len < sizeof(line))
		(void)!write(x->words->terminal_fd, line, (size_t)len);
}

static void error_say(struct handover *x, const struct err *e)
{
	char line[640];

	report(e);
	int len = snprintf(line, sizeof(line), "usher: %s%s%s\r\n", e->msg,
		e->hint[0] ? "\r\nhint: " : "", e->hint);
	if (x->words->terminal_fd >= 0 && len > 0 && (size_t)len < sizeof(line))
		(void)!write(x->words->terminal_fd, line, (size_t)len);
}

/* What no keeper has read into the log, because it had not begun, or has ended or died. */
static void log_finish(struct handover *x)
{
	struct logbook log = LOGBOOK_NONE;

	if (logbook_open(&log, x->keeper.env.state, x->keeper.spec->name, x->log_fd) == 0)
		logbook_close(&log);
}

/* After the owner's death: every desktop that nobody else brings back. */
static void desktops_restore(struct handover *x)
{
	cleanup_free struct bind_lease *leases = NULL;
	const struct bind_env *env = &x->keeper.env;
	struct err e = {0};
	size_t count = 0;

	step_say(x, "the process that was to bring the desktop back has died");
	int r = desktop_leases(env, &leases, &count, &e);
	for (size_t i = 0; r >= 0 && i < count; i++)
		if (leases[i].state == BIND_LEASE_BROKEN)
			r = desktop_restore(env, leases[i].address, step_say, x, &e);
	if (r < 0)
		error_say(x, &e);
	log_finish(x);
	desktop_scope_remove(env->host, x->keeper.spec->name);
}

static bool word_get(int fd, int *ret)
{
	ssize_t n;

	do {
		n = recv(fd, ret, sizeof(*ret), 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*ret);
}

static bool word_put(int fd, int word)
{
	return send(fd, &word, sizeof(word), MSG_NOSIGNAL) == (ssize_t)sizeof(word);
}

/* The kernel closes the descriptors of a process before it counts as dead. */
static void owner_await(int owner)
{
	struct pollfd p = {.fd = owner, .events = POLLIN};

	if (owner >= 0)
		(void)poll(&p, 1, OWNER_MS);
}

__attribute__((noreturn)) static void child_main(
	struct handover *x, int fd, int (*guest)(const struct keeper *k))
{
	cleanup_fd int owner = fd_pidfd_open(getppid());
	int word, status;

	/* Faults that a test injects are the owner's. */
	(void)unsetenv("USHER_BIND_DIE");
	(void)unsetenv("USHER_BIND_STOP");
	x->keeper.allow = x->allow;
	x->keeper.allow_count++;
	if (!word_get(fd, &word)) {
		owner_await(owner);
		desktops_restore(x);
		_exit(LOAN_OURS);
	}
	if (word != WORD_GO)
		_exit(LOAN_OURS);
	status = guest(&x->keeper);
	(void)word_put(fd, status);
	if (!word_get(fd, &word)) {
		owner_await(owner);
		desktops_restore(x);
	}
	_exit(status);
}

static int child_start(struct handover *x, int (*guest)(const struct keeper *k), struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(e, -errno, "start a keeper");
	(void)fflush(NULL);
	x->child = fork();
	if (x->child == 0) {
		(void)close(ends[0]);
		child_main(x, ends[1], guest);
	}
	(void)close(ends[1]);
	files_leave(x->keeper.spec);
	x->fd = ends[0];
	if (x->child < 0)
		return err_set(e, -errno, "start a keeper");
	x->child_fd = fd_pidfd_open(x->child);
	/* The command follows the keeper alone. */
	(void)close(x->keeper.watch_fd);
	return x->child_fd < 0 ? err_set(e, x->child_fd, "watch the keeper") : 0;
}

/* From here on a signal means the guest, and the desktop comes back after it. */
static int signals_catch(struct handover *x, struct err *e)
{
	sigset_t set;

	signals_survive_writes();
	signals_keep_status();
	signals_that_end(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	x->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return x->signals < 0 ? err_set(e, -errno, "signalfd") : 0;
}

static void signal_serve(struct handover *x)
{
	struct signalfd_siginfo info;

	while (read(x->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		x->is_stopped = true;
		(void)kill(x->child, (int)info.ssi_signo);
	}
}

static bool guest_is_there(const struct handover *x)
{
	char path[FILE_PATH_MAX];

	return file_path(path, sizeof(path), "%s/vm/%s/engine", x->keeper.env.state,
		       x->keeper.spec->name) == 0 &&
	       access(path, F_OK) == 0;
}

/* A keeper that hangs in the kernel must not keep the desktop for ever. */
static void lifeless_end(struct handover *x)
{
	const enum desktop_patience p = desktop_patience(clock_ms() - x->stopped_ms);

	if (p == DESKTOP_WAIT)
		return;
	if (!x->is_killed)
		desktop_say(&x->change, "the guest is not stopped after %d s: kill its keeper",
			DESKTOP_STOP_MS / 1000);
	x->is_killed = true;
	(void)kill(x->child, SIGKILL);
	x->is_abandoned = p == DESKTOP_ABANDON;
}

static void life_look(struct handover *x)
{
	const int64_t now = clock_ms();

	if (x->is_lifeless) {
		lifeless_end(x);
		return;
	}
	if (!x->started_ms && guest_is_there(x))
		x->started_ms = now;
	const char *life = x->started_ms && now - x->started_ms > SETTLED_MS
				   ? desktop_life(x->keeper.env.host, x->plan.address)
				   : NULL;
	if (life) {
		x->is_settled = true;
		desktop_say(&x->change, "the guest drives the card: %s", life);
		return;
	}
	if (now - x->begun_ms < (int64_t)x->plan.alive_s * 1000)
		return;
	x->is_lifeless = true;
	x->stopped_ms = now;
	desktop_say(&x->change, "the guest does not drive the card after %u s: stop it",
		x->plan.alive_s);
	(void)kill(x->child, SIGTERM);
}

/* Until the keeper is done with devices. Return: the guest's status; -EPIPE: the keeper died. */
static int child_watch(struct handover *x)
{
	struct pollfd fds[] = {
		{.fd = x->fd, .events = POLLIN},
		{.fd = x->signals, .events = POLLIN},
	};
	int status;

	x->is_settled = x->plan.alive_s == 0;
	x->begun_ms = clock_ms();
	for (;;) {
		(void)poll(fds, COUNT(fds), x->is_settled ? -1 : LOOK_MS);
		if (fds[0].revents)
			return word_get(x->fd, &status) ? status : -EPIPE;
		if (fds[1].revents)
			signal_serve(x);
		if (!x->is_settled)
			life_look(x);
		if (x->is_abandoned)
			return -EPIPE;
	}
}

/* The groups of a keeper that was killed. The kernel kills its guest, which takes a moment. */
static int groups_restore(struct handover *x, struct err *e)
{
	const struct bind_env *env = &x->keeper.env;
	cleanup_free struct bind_lease *leases = NULL;
	size_t count = 0;

	int r = bind_leases(env, &leases, &count, e);
	for (size_t i = 0; r >= 0 && i < count; i++) {
		struct bind_report report = BIND_REPORT_NONE;
		if (leases[i].state != BIND_LEASE_BROKEN &&
			(leases[i].state != BIND_LEASE_DEAD || leases[i].owner.pid != x->child))
			continue;
		r = bind_restore(env, leases[i].group, BIND_MANUAL_STAYS, &report, e);
		bind_report_fini(&report);
	}
	return r;
}

/* Its socket closes before the kernel counts it as dead, and till then its leases are alive. */
static void keeper_await_death(const struct handover *x)
{
	struct pollfd dead = {.fd = x->child_fd, .events = POLLIN};

	while (poll(&dead, 1, RETURN_MS) < 0 && errno == EINTR)
		;
}

static void keeper_replace(struct handover *x)
{
	const int64_t end = clock_ms() + RETURN_MS;
	struct err e = {0};

	(void)unsetenv("USHER_BIND_DIE");
	(void)unsetenv("USHER_BIND_STOP");
	desktop_say(&x->change, "the keeper has died: return its devices");
	keeper_await_death(x);
	while (groups_restore(x, &e) < 0 && clock_ms() < end) {
		desktop_pause(LOOK_MS);
		e = (struct err){0};
	}
	if (e.code)
		error_say(x, &e);
}

/* struct desktop_leaving.plan */
static int desktop_plan(void *arg, struct err *e)
{
	struct bind_target targets[SPEC_DEVICES_MAX];
	struct handover *x = arg;
	struct bind_request q;

	int r = keeper_request(&x->keeper, targets, &q, e);
	if (r < 0)
		return r;
	r = handover_plan(&x->keeper, x->words, &q, &x->plan, &x->devices, e);
	return r == 0 && x->devices.refusals ? bind_problem_refuse(&x->devices, e) : r;
}

static int desktop_stop(struct handover *x, struct err *e)
{
	const struct desktop_leaving leaving = {.plan = desktop_plan,
		.arg = x,
		.desktop = &x->plan,
		.devices = &x->devices,
		.keeper = x->child};

	x->devices = BIND_PLAN_NONE;
	int r = desktop_leave(&x->change, &leaving, e);
	bind_plan_fini(&x->devices);
	return r;
}

static void desktop_start(struct handover *x)
{
	struct err e = {0};

	cleanup_fd int lock = bind_lock_task(&x->keeper.env, DESKTOP_LOCK, &e);
	if (lock < 0 || desktop_return(&x->change, &e) < 0) {
		error_say(x, &e);
		desktop_say(&x->change, "'usher restore' tries again");
		return;
	}
	desktop_say(&x->change, "the desktop is back");
}

/* Return: exit status. */
static int guest_serve(struct handover *x)
{
	signal_serve(x);
	if (x->is_stopped || !word_put(x->fd, WORD_GO)) {
		(void)word_put(x->fd, WORD_NO);
		return LOAN_OURS;
	}
	int status = child_watch(x);
	if (status == -EPIPE)
		keeper_replace(x);
	return status < 0 || x->is_lifeless ? LOAN_OURS : status;
}

static int owner_begin(struct handover *x, int (*guest)(const struct keeper *k), struct err *e)
{
	int r = desktop_scope_enter(x->keeper.env.host, x->keeper.spec->name, e);
	if (r < 0)
		return r;
	r = child_start(x, guest, e);
	if (r < 0)
		return r;
	r = signals_catch(x, e);
	if (r < 0)
		return r;
	r = desktop_change_begin(&x->change, &x->keeper.env, e);
	return r < 0 ? r : desktop_stop(x, e);
}

static int owner_run(struct handover *x, int (*guest)(const struct keeper *k), struct err *e)
{
	int r = owner_begin(x, guest, e);
	if (r < 0) {
		if (x->fd >= 0)
			(void)word_put(x->fd, WORD_NO);
		return r;
	}
	int status = guest_serve(x);
	desktop_start(x);
	(void)word_put(x->fd, WORD_DONE);
	return status;
}

/* One that hangs in the kernel ends when the kernel lets it; nobody waits for that. */
static void child_await(const struct handover *x)
{
	struct pollfd dead = {.fd = x->child_fd, .events = POLLIN};

	if (x->child <= 0)
		return;
	if (x->is_abandoned)
		while (poll(&dead, 1, RETURN_MS) < 0 && errno == EINTR)
			;
	(void)waitpid(x->child, NULL, x->is_abandoned ? WNOHANG : 0);
}

int handover_run(const struct keeper *k, const struct handover_words *w,
	int (*guest)(const struct keeper *k))
{
	struct handover x = {
		.words = w, .keeper = *k, .fd = -1, .child_fd = -1, .signals = -1, .child = -1};
	struct err e = {0};

	x.change = (struct desktop_change){.say = step_say, .arg = &x};
	/* The console of a VGA card takes over when that of the framebuffer is unbound. */
	for (size_t i = 0; i < k->allow_count; i++)
		x.allow[i] = k->allow[i];
	x.allow[k->allow_count] = "gpu";
	/* The keeper closes its own. */
	x.log_fd = fcntl(k->log_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int r = owner_run(&x, guest, &e);
	if (r < 0)
		error_say(&x, &e);
	child_await(&x);
	desktop_change_end(&x.change);
	/* Its writers were in it as well. */
	desktop_scope_remove(x.keeper.env.host, x.keeper.spec->name);
	log_finish(&x);
	return r >= 0 ? r : r == -EPERM ? LEAVE_REFUSED : LOAN_OURS;
}
