/* SPDX-License-Identifier: MIT */
#include "engine/keeper.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "base/terminal.h"
#include "engine/clients.h"
#include "engine/control.h"
#include "engine/control/plug.h"
#include "engine/disk_claim.h"
#include "engine/files.h"
#include "engine/fit.h"
#include "engine/follow.h"
#include "engine/logbook.h"
#include "engine/plug/giveback.h"
#include "engine/refused.h"
#include "engine/state.h"
#include "engine/wipe.h"
#include "host/host.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * How it works
 *
 * Between the first write to the host and the last one this process does nothing that can wait for
 * anybody but the kernel: not for a terminal, a pipe or a client. So it prints nothing itself. It
 * sends each piece of news over a socket that never blocks (engine/clients); a child of this
 * process, the client, reads and prints it. Others ask and command over another socket
 * (engine/control). A terminal that nobody reads stops that child alone.
 *
 *	terminal ── client (child) ──┐
 *	usherd, a web page ──────────┴─ sockets ── keeper (this process) ── usher-vmm, QEMU, program
 *
 * Signals are blocked and read from a descriptor: none interrupts a transaction. The first SIGTERM,
 * SIGINT, SIGHUP or SIGQUIT, or a client's command, asks the guest to stop; a second one, or
 * STOP_PATIENCE_MS, kills it. Killing always comes before telling. A terminal cannot stop the
 * keeper, and whoever uses it last restores it: the guest's process; if that was killed, the
 * keeper; if that was killed as well, the client.
 *
 * At the end the keeper waits DRAIN_PATIENCE_MS for its client to print the rest. A client that is
 * still stuck outlives the keeper. It ends when somebody reads its output or closes the terminal.
 */
#define STOP_PATIENCE_MS 10000 /* from the first SIGTERM to SIGKILL */
#define STOP_SAME_US 500000 /* a second signal within this is the first one's echo */
#define DRAIN_PATIENCE_MS 3000

struct loan {
	const struct keeper *k;
	struct clients clients;
	struct control *control; /* NULL: there is none */
	struct logbook log;
	struct state state;
	struct bind_owner owner; /* of what is taken: this process */
	struct wire_event status; /* what a client hears that asks */
	int signals; /* signalfd */
	sigset_t before; /* the mask of signals of before */
	struct terminal terminal; /* standard input, as it was before the guest */
	pid_t client; /* 0: none */
	int client_fd; /* pidfd of it */
	int64_t stop_us; /* when the guest was asked to stop, 0 not yet */
	int stop_signal; /* by this signal */
	bool killed;
};

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void loan_tell(struct loan *l, struct keeper_news n)
{
	control_tell(l->control, &n);
	if (l->client)
		clients_tell(&l->clients, &n);
	else if (l->k->tell) /* there was no process to be had for it */
		l->k->tell(l->k->arg, &n);
}

/* struct giveback_listener.tell */
static void news_pass_on(void *arg, struct keeper_news n)
{
	loan_tell(arg, n);
}

/* The child gets its mask back in process_start(). */
static int signals_catch(struct loan *l, struct err *e)
{
	sigset_t set;

	signals_survive_writes();
	signals_that_stop(&set);
	if (sigprocmask(SIG_BLOCK, &set, &l->before) < 0)
		return err_set(e, -errno, "block signals");
	signals_that_end(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signals >= 0)
		return 0;
	int r = err_set(e, -errno, "signalfd");
	(void)sigprocmask(SIG_SETMASK, &l->before, NULL);
	return r;
}

/* Its signals stay blocked: the last news comes after the Ctrl-C that hits all of us. */
__attribute__((noreturn)) static void client_main(
	const struct keeper *k, const struct terminal *terminal, int fd)
{
	const struct err gone = {.code = -EPIPE,
		.msg = "the keeper has ended without a last word",
		.hint = "'usher restore' returns the devices"};

	(void)prctl(PR_SET_NAME, "usher-client");
	/* The kernel kills usher-vmm with its keeper: nobody else is left for the terminal. */
	if (follow_keeper(fd, k->tell, k->arg) == -EPIPE) {
		terminal_repair(terminal, true);
		k->tell(k->arg, &(struct keeper_news){.event = KEEPER_FAILED, .error = &gone});
	}
	(void)fflush(NULL);
	_exit(0);
}

/* Before anything is locked or open that a client left behind would keep. */
static void client_start(struct loan *l)
{
	int ends[2];

	if (!l->k->tell || wire_pair(ends) < 0)
		return;
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		fd_close(&ends[0]);
		fd_close(&l->signals);
		spec_close_handed(l->k->spec);
		files_leave(l->k->spec);
		if (l->k->detached) {
			(void)close(l->k->watch_fd);
			(void)close(l->k->log_fd);
		}
		client_main(l->k, &l->terminal, ends[1]);
	}
	fd_close(&ends[1]);
	if (pid < 0) {
		fd_close(&ends[0]);
		return;
	}
	l->client = pid;
	l->client_fd = fd_pidfd_open(pid);
	(void)clients_add(&l->clients, ends[0], !l->k->outlives);
}

/* A signal from now on means that nobody wants to wait for the client; children may end. */
static void client_wait(struct loan *l)
{
	struct signalfd_siginfo info;
	sigset_t set;
	struct pollfd fds[] = {
		{.fd = l->client_fd, .events = POLLIN},
		{.fd = l->signals, .events = POLLIN},
	};

	signals_that_end(&set);
	(void)signalfd(l->signals, &set, 0);
	while (read(l->signals, &info, sizeof(info)) > 0)
		;
	(void)poll(fds, 2, DRAIN_PATIENCE_MS);
	(void)waitpid(l->client, NULL, WNOHANG);
	fd_close(&l->client_fd);
}

static void client_finish(struct loan *l, int status)
{
	struct wire_event done = {.event = WIRE_EVENT_DONE, .number = status};

	clients_send(&l->clients, &done);
	clients_close(&l->clients);
	if (l->client)
		client_wait(l);
}

/* What the guest's process gets if @number asks for its end. */
static int stop_signal(const struct loan *l, int number)
{
	sigset_t ends;

	signals_that_end(&ends);
	return l->k->engine->ends_by_any && sigismember(&ends, number) == 1 ? number : SIGTERM;
}

/*
 * A terminal or timeout(1) sends the same signal to the whole process group and to us again: what
 * comes within a moment is the same wish.
 */
static void guest_stop(struct loan *l, const struct process *p, int number)
{
	int64_t now = now_us();

	if (l->stop_us && now - l->stop_us < STOP_SAME_US)
		return;
	(void)kill(p->pid, l->stop_us ? SIGKILL : stop_signal(l, number));
	(void)kill(p->pid, SIGCONT); /* a stopped process would take no other */
	if (!l->stop_us) {
		l->stop_us = now;
		l->stop_signal = number;
	}
	loan_tell(l, (struct keeper_news){.event = KEEPER_STOPPING, .status = number});
}

static void signal_serve(struct loan *l, const struct process *p, struct engine_run *run)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		calls_reap(&run->calls);
	else
		guest_stop(l, p, (int)info.ssi_signo);
}

/* [ms] until a guest that was asked to stop is killed; -1: for ever. */
static int stop_patience(const struct loan *l)
{
	if (!l->stop_us || l->killed)
		return -1;
	int64_t left = l->stop_us + STOP_PATIENCE_MS * INT64_C(1000) - now_us();
	return left < 0 ? 0 : (int)(left / 1000) + 1;
}

/* [ms] until there is something to do without an event; -1: for ever. */
static int loan_patience(const struct loan *l)
{
	int stop = stop_patience(l), control = control_patience(l->control);

	return stop < 0 || (control >= 0 && control < stop) ? control : stop;
}

static void guest_kill_late(struct loan *l, const struct process *p)
{
	if (stop_patience(l) != 0)
		return;
	(void)kill(p->pid, SIGKILL);
	l->killed = true;
}

/* Until the guest is gone: by itself, or because a signal or a client asked for it. */
static int guest_wait(struct loan *l, struct process *p, struct engine_run *run)
{
	enum { PROCESS, SIGNALS, CALLS, LOG, CLIENTS };
	struct pollfd fds[CLIENTS + 1 + CLIENTS_MAX + CONTROL_POLL_MAX];

	for (;;) {
		fds[PROCESS] = (struct pollfd){.fd = p->pidfd, .events = POLLIN};
		fds[SIGNALS] = (struct pollfd){.fd = l->signals, .events = POLLIN};
		fds[CALLS] = (struct pollfd){.fd = run->calls.fd, .events = POLLIN};
		fds[LOG] = (struct pollfd){.fd = l->log.in_fd, .events = POLLIN};
		size_t count = clients_poll(&l->clients, fds + CLIENTS);
		struct pollfd *more = fds + CLIENTS + count;
		size_t more_count = control_poll(l->control, more);
		int n = poll(fds, CLIENTS + count + more_count, loan_patience(l));
		guest_kill_late(l, p);
		if (n < 0)
			continue;
		if (fds[PROCESS].revents)
			return process_reap(p);
		if (fds[SIGNALS].revents)
			signal_serve(l, p, run);
		if (fds[CALLS].revents)
			calls_serve(&run->calls, run->devices);
		if (fds[LOG].revents)
			(void)logbook_serve(&l->log);
		int number = clients_serve(&l->clients, fds + CLIENTS, count, &l->status);
		int asked = control_serve(l->control, more, more_count);
		if (number || asked)
			guest_stop(l, p, number ? number : asked);
	}
}

/* The status of a guest as its program gives it, or as the signal that asked for its end. */
static int guest_status(const struct loan *l, int status)
{
	bool told = l->stop_signal && l->k->engine->stops_with_zero && status == 0;

	return told ? 128 + l->stop_signal : status;
}

/* No process is left that could use the devices, but for an accomplice outside. */
static void devices_clean(struct loan *l, struct engine_run *run, struct wipe *ret)
{
	if (!run->wipes || !run->devices)
		return;
	devices_wipe(l->k->env.host, run->devices, ret);
	for (size_t i = 0; i < ret->count; i++)
		loan_tell(
			l, (struct keeper_news){.event = KEEPER_WIPED, .wiped = &ret->devices[i]});
}

static void control_attach(struct loan *l, struct engine_run *run, pid_t pid)
{
	if (!l->control)
		return;
	l->control->orders_fd = TAKE_FD(run->orders_fd);
	l->control->plug.place = (struct plug_place){.env = l->k->env,
		.owner = l->owner,
		.name = l->k->spec->name,
		.how = l->k->how,
		.line_fd = TAKE_FD(run->plug_fd),
		.pid = pid,
		.uid = run->uid.uid};
	l->control->guest.pid = pid;
	l->control->guest.obeys = l->control->orders_fd >= 0;
	l->control->guest.since = time(NULL);
}

static int engine_prepare(
	const struct keeper *k, const struct bind_plan *plan, struct engine_run *run, struct err *e)
{
	if (!k->engine->is_program) {
		int r = limit_make(k->spec, k->engine->bounded, &run->cgroup, e);
		if (r < 0)
			return r;
		run->program.cgroup = run->passt.cgroup = &run->cgroup;
	}
	return k->engine->prepare(&k->env, k->spec, plan, run, e);
}

static int program_start(const struct keeper *k, const struct bind_plan *plan,
	struct engine_run *run, struct process *ret, struct err *e)
{
	int r = engine_prepare(k, plan, run, e);
	if (r < 0)
		return r;
	if (!k->engine->furnish)
		return process_start(&run->program, ret, e);
	r = process_begin(&run->program, ret, e);
	if (r < 0)
		return r;
	r = k->engine->furnish(&k->env, k->spec, plan, run, e);
	if (r == 0)
		return process_confirm(&run->program, ret, e);
	process_discard(ret); /* nobody has been told of it */
	return r;
}

static int engine_start(struct loan *l, const struct bind_plan *plan, struct engine_run *run,
	struct process *ret, struct err *e)
{
	const struct keeper *k = l->k;
	int64_t begun = now_us();

	int r = program_start(k, plan, run, ret, e);
	const int64_t took_us = now_us() - begun; /* the guest waits for nothing that comes now */
	engine_finish(run);
	if (r < 0)
		return r;
	(void)state_engine(&l->state, ret->pid);
	control_attach(l, run, ret->pid);
	l->status.number = ret->pid;
	/* First: who starts a guest in the background listens until it runs. */
	if (run->missing.code)
		loan_tell(l, (struct keeper_news){.event = KEEPER_WARNED, .error = &run->missing});
	loan_tell(l, (struct keeper_news){
			     .event = KEEPER_STARTED,
			     .pid = ret->pid,
			     .us = took_us,
		     });
	return 0;
}

/* usher-vmm cannot say it itself: it may not even be permitted to write. */
static void call_tell(struct loan *l, const struct engine_run *run, int status)
{
	struct err e = {0};

	if (status == 128 + SIGSYS && refused_read(run->refused_fd, &e) > 0)
		loan_tell(l, (struct keeper_news){.event = KEEPER_REFUSED, .error = &e});
}

/* As usher-vmm does: a wall that the host has not is no reason to refuse a guest. */
static void lacks_tell(struct loan *l, const struct program *p, const struct process *started)
{
	struct err e = {0};

	if (!(started->lacks & CLONE_NEWNET))
		return;
	err_say(&e, -ENOSPC,
		"%s shares the host's network: this host has no network namespace for it",
		p->argv[0]);
	err_hint(&e, "sysctl user.max_net_namespaces");
	loan_tell(l, (struct keeper_news){.event = KEEPER_WARNED, .error = &e});
}

/* Whoever hears of the guest's end may start the next one at once. */
static void disks_await(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_BLK)
			disk_claim_await_end(s->virtio[i].disk.path, s->virtio[i].disk.readonly);
}

static int engine_run_to_end(struct loan *l, const struct bind_plan *plan, int *ret_status,
	struct wipe *ret_wipe, struct err *e)
{
	struct engine_run run = ENGINE_RUN_NONE;
	struct process process = {.pidfd = -1};
	struct err why = {0};

	int r = engine_start(l, plan, &run, &process, e);
	if (r == 0) {
		lacks_tell(l, &run.program, &process);
		*ret_status = guest_status(l, guest_wait(l, &process, &run));
		control_plug_abort(l->control);
		engine_drain(&run);
		call_tell(l, &run, *ret_status);
		terminal_repair(&l->terminal, *ret_status > 128);
		limit_explain(l->k->spec, &run.cgroup, &why);
	}
	engine_ended(&run);
	if (r == 0) {
		disks_await(l->k->spec);
		loan_tell(l, (struct keeper_news){
				     .event = KEEPER_ENDED,
				     .status = *ret_status,
				     .error = why.code ? &why : NULL,
			     });
		devices_clean(l, &run, ret_wipe);
	}
	engine_close(&run);
	return r;
}

/* Devices that the caller has opened are the caller's: nothing is bound, and nothing returned. */
static bool takes_groups(const struct keeper *k, const struct bind_request *q)
{
	return q->target_count && !spec_is_handed(k->spec);
}

int keeper_plan(
	const struct keeper *k, const struct bind_request *q, struct bind_plan *ret, struct err *e)
{
	int r = takes_groups(k, q) ? bind_plan(&k->env, q, ret, e) : 0;

	return r < 0 ? r : fit_check(k->env.host, k->engine, k->spec, q, ret, e);
}

/* What the host cannot give is told before a device is touched. Return: 0, -EPERM told, -errno. */
static int fit_or_refuse(struct loan *l, const struct bind_request *q, struct err *e)
{
	const struct keeper *k = l->k;
	struct bind_plan plan = BIND_PLAN_NONE;

	int r = fit_check(k->env.host, k->engine, k->spec, q, &plan, e);
	if (r == 0 && plan.refusals) {
		loan_tell(l, (struct keeper_news){.event = KEEPER_PLANNED, .plan = &plan});
		r = -EPERM;
	}
	bind_plan_fini(&plan);
	return r;
}

static int loan_take(struct loan *l, const struct bind_request *q, struct bind_plan *ret,
	struct keeper_end *end, struct err *e)
{
	int64_t begun = now_us();

	int r = fit_or_refuse(l, q, e);
	if (r < 0) {
		end->refused = r == -EPERM;
		return r;
	}
	r = takes_groups(l->k, q) ? bind_take(&l->k->env, q, ret, e) : 0;
	end->refused = ret->refusals != 0;
	loan_tell(l,
		(struct keeper_news){.event = KEEPER_PLANNED, .plan = ret, .us = now_us() - begun});
	return r;
}

static int loan_run(
	struct loan *l, const struct bind_request *q, struct keeper_end *end, struct err *e)
{
	struct bind_plan plan = BIND_PLAN_NONE;
	struct wipe wipe = {.count = 0};
	int given = 0;

	int r = loan_take(l, q, &plan, end, e);
	if (r == 0) {
		l->owner = q->owner;
		r = engine_run_to_end(l, &plan, &end->status, &wipe, e);
		given = giveback_groups(l->k, &plan, &q->owner, &wipe,
			&(struct giveback_listener){news_pass_on, l});
	}
	bind_plan_fini(&plan);
	return r < 0 ? r : given;
}

/* A host without JSON's library, or a full /run, runs guests as well: they are not controlled. */
static void control_open(struct loan *l)
{
	char path[sizeof(l->state.dir) + sizeof("/control")];
	const struct keeper *k = l->k;

	(void)snprintf(path, sizeof(path), "%s/control", l->state.dir);
	if (control_listen(&l->control, path) < 0)
		return;
	l->control->guest = (struct control_guest){
		.spec = k->spec,
		.engine = k->engine->name,
		.is_program = k->engine->is_program,
		.memory = k->engine->memory(k->spec),
		.detached = k->detached,
		.device_count = k->spec->device_count,
	};
	for (size_t i = 0; i < k->spec->device_count; i++)
		l->control->guest.devices[i] = k->spec->devices[i].address;
}

/* The guest's name is ours from here on, and clients may connect by it. */
static int name_claim(struct loan *l, struct err *e)
{
	const struct keeper *k = l->k;
	char path[sizeof(l->state.dir) + sizeof("/socket")];

	int r = state_claim(k->env.state, k->spec->name, &l->state, e);
	if (r < 0)
		return k->engine->is_program ? r : state_explain(r, e);
	(void)snprintf(path, sizeof(path), "%s/socket", l->state.dir);
	r = clients_listen(&l->clients, path);
	if (r < 0)
		return err_set(e, r, "listen at %s", path);
	(void)snprintf(l->status.object, sizeof(l->status.object), "%s", k->spec->name);
	(void)snprintf(l->status.text, sizeof(l->status.text), "%s", k->engine->name);
	control_open(l);
	/* Without a log the guest runs as well. */
	if (k->detached)
		(void)logbook_open(&l->log, k->env.state, k->spec->name, k->log_fd);
	return 0;
}

static int loan_serve(struct loan *l, struct keeper_end *end, struct err *e)
{
	struct bind_target targets[SPEC_DEVICES_MAX];
	struct bind_request request;

	int r = keeper_request(l->k, targets, &request, e);
	if (r < 0)
		return r;
	r = name_claim(l, e);
	return r < 0 ? r : loan_run(l, &request, end, e);
}

int keeper_run(const struct keeper *k, struct keeper_end *ret)
{
	struct loan l = {
		.k = k,
		.log = LOGBOOK_NONE,
		.clients = CLIENTS_NONE,
		.state = STATE_NONE,
		.signals = -1,
		.client_fd = -1,
	};
	struct err e = {0};

	*ret = (struct keeper_end){0};
	(void)terminal_read(STDIN_FILENO, &l.terminal);
	int r = signals_catch(&l, &e);
	if (r == 0) {
		client_start(&l);
		if (k->detached)
			(void)clients_add(&l.clients, k->watch_fd, false);
		r = loan_serve(&l, ret, &e);
	}
	/* The client has the sentence about each device that could not be given back. */
	if (r < 0 && r != -EUCLEAN && !ret->refused)
		loan_tell(&l, (struct keeper_news){.event = KEEPER_FAILED, .error = &e});
	client_finish(&l, r < 0 ? r : ret->status);
	logbook_close(&l.log);
	state_release(&l.state);
	control_close(l.control, r < 0 ? r : ret->status);
	if (l.signals >= 0)
		(void)sigprocmask(SIG_SETMASK, &l.before, NULL);
	fd_close(&l.signals);
	return r;
}
