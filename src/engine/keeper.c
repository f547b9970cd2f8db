/* SPDX-License-Identifier: MIT */
#include "engine/keeper.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "engine/fit.h"
#include "engine/state.h"
#include "engine/wipe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define STOP_PATIENCE_MS 10000 /* from the first SIGTERM to SIGKILL */
#define STOP_SAME_US 500000 /* a second signal within this is the first one's echo */

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void tell(const struct keeper *k, struct keeper_news n)
{
	if (k->tell)
		k->tell(k->arg, &n);
}

int keeper_request(const struct keeper *k, struct bind_target *targets, struct bind_request *ret,
	struct err *e)
{
	*ret = (struct bind_request){
		.targets = targets,
		.target_count = k->spec->device_count,
		.allow = k->allow,
		.allow_count = k->allow_count,
		.access = BIND_ACCESS_NONE,
	};
	for (size_t i = 0; i < k->spec->device_count; i++) {
		const struct guest_device *d = &k->spec->devices[i];
		targets[i] = (struct bind_target){
			.address = d->address,
			.has_id = d->vendor != 0,
			.vendor = d->vendor,
			.device = d->device,
		};
	}
	int r = bind_owner_self(&k->env, k->spec->name, &ret->owner);
	return r < 0 ? err_set(e, r, "learn our own start time") : 0;
}

/*
 * From here on a signal is something to read, not something that happens: no transaction is cut
 * in two by Ctrl-C. The child gets its mask back in process_start().
 */
static int catch_signals(sigset_t *old, struct err *e)
{
	sigset_t set;

	signals_survive_writes();
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGQUIT);
	if (sigprocmask(SIG_BLOCK, &set, old) < 0)
		return err_set(e, -errno, "block signals");
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0) {
		int r = -errno;
		(void)sigprocmask(SIG_SETMASK, old, NULL);
		return err_set(e, r, "signalfd");
	}
	return fd;
}

/*
 * The first signal asks the engine to stop, one that comes later kills it. A terminal or
 * timeout(1) sends the same signal to the whole process group and to us again: what comes within
 * a moment is the same wish.
 */
static void stop(const struct keeper *k, const struct process *p, int signals, int64_t *asked)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (*asked && now_us() - *asked < STOP_SAME_US)
		return;
	tell(k, (struct keeper_news){.event = KEEPER_STOPPING, .status = (int)info.ssi_signo});
	(void)kill(p->pid, *asked ? SIGKILL : SIGTERM);
	if (!*asked)
		*asked = now_us();
}

/* Until the guest is gone: by itself, or because a signal asked for it. */
static int wait_for_end(
	const struct keeper *k, struct process *p, struct engine_run *run, int signals)
{
	int64_t asked = 0;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = p->pidfd, .events = POLLIN},
			{.fd = signals, .events = POLLIN},
			{.fd = run->calls.fd, .events = POLLIN},
		};
		int n = poll(fds, 3, asked ? STOP_PATIENCE_MS : -1);
		if (n == 0)
			(void)kill(p->pid, SIGKILL);
		if (fds[0].revents)
			return process_reap(p);
		if (n > 0 && fds[1].revents)
			stop(k, p, signals, &asked);
		if (n > 0 && fds[2].revents)
			calls_serve(&run->calls, run->devices);
	}
}

/* No process is left that could use the devices, but for an accomplice outside. */
static void wipe(const struct keeper *k, struct engine_run *run, struct wipe *ret)
{
	if (!run->wipes || !run->devices)
		return;
	devices_wipe(k->env.host, run->devices, ret);
	for (size_t i = 0; i < ret->count; i++)
		tell(k, (struct keeper_news){.event = KEEPER_WIPED, .wiped = &ret->devices[i]});
}

static int run_engine(const struct keeper *k, const struct bind_plan *plan, struct state *state,
	int signals, int *ret_status, struct wipe *ret_wipe, struct err *e)
{
	int64_t begun = now_us();
	struct engine_run run = ENGINE_RUN_NONE;
	struct process process;

	int r = k->engine->prepare(&k->env, k->spec, plan, &run, e);
	if (r == 0)
		r = process_start(&run.program, &process, e);
	engine_finish(&run);
	if (r < 0) {
		engine_ended(&run);
		engine_close(&run);
		return r;
	}
	(void)state_engine(state, process.pid);
	tell(k, (struct keeper_news){
			.event = KEEPER_STARTED,
			.pid = process.pid,
			.us = now_us() - begun,
		});
	*ret_status = wait_for_end(k, &process, &run, signals);
	engine_ended(&run);
	tell(k, (struct keeper_news){.event = KEEPER_ENDED, .status = *ret_status});
	wipe(k, &run, ret_wipe);
	engine_close(&run);
	return 0;
}

static int give_back(const struct keeper *k, const struct bind_plan *plan,
	const struct bind_owner *owner, const struct wipe *wipe)
{
	struct pci_address unwiped[SPEC_DEVICES_MAX];
	size_t unwiped_count = wipe_failed(wipe, unwiped);
	int worst = 0;

	for (size_t i = 0; i < plan->group_count; i++) {
		struct bind_release_request giving = {
			.group = plan->groups[i].number,
			.how = k->how,
			.owner = *owner,
			.allow = k->allow,
			.allow_count = k->allow_count,
			.unwiped = unwiped,
			.unwiped_count = unwiped_count,
		};
		struct bind_report report = BIND_REPORT_NONE;
		struct err e = {0};
		int64_t begun = now_us();
		int r = bind_release(&k->env, &giving, &report, &e);
		tell(k, (struct keeper_news){
				.event = r < 0 ? KEEPER_STUCK : KEEPER_GIVEN,
				.report = &report,
				.error = &e,
				.us = now_us() - begun,
			});
		bind_report_fini(&report);
		if (r < 0)
			worst = -EUCLEAN;
	}
	return worst;
}

int keeper_plan(
	const struct keeper *k, const struct bind_request *q, struct bind_plan *ret, struct err *e)
{
	int r = q->target_count ? bind_plan(&k->env, q, ret, e) : 0;

	return r < 0 ? r : fit_check(k->env.host, k->engine, k->spec, q, ret, e);
}

/* What the host cannot give is told before a device is touched. Return: 0, -EPERM told, -errno. */
static int check_fit(const struct keeper *k, const struct bind_request *q, struct err *e)
{
	struct bind_plan plan = BIND_PLAN_NONE;

	int r = fit_check(k->env.host, k->engine, k->spec, q, &plan, e);
	if (r == 0 && plan.refusals) {
		tell(k, (struct keeper_news){.event = KEEPER_PLANNED, .plan = &plan});
		r = -EPERM;
	}
	bind_plan_fini(&plan);
	return r;
}

static int run_taken(const struct keeper *k, const struct bind_request *q, struct state *state,
	int signals, int *ret_status, struct err *e)
{
	struct bind_plan plan = BIND_PLAN_NONE;
	struct wipe wipe = {.count = 0};
	int64_t begun = now_us();
	int given = 0;
	int r = check_fit(k, q, e);

	if (r < 0)
		return r;
	if (q->target_count)
		r = bind_take(&k->env, q, &plan, e);
	tell(k, (struct keeper_news){
			.event = KEEPER_PLANNED, .plan = &plan, .us = now_us() - begun});
	if (r == 0) {
		r = run_engine(k, &plan, state, signals, ret_status, &wipe, e);
		given = give_back(k, &plan, &q->owner, &wipe);
	}
	bind_plan_fini(&plan);
	return r < 0 ? r : given;
}

int keeper_run(const struct keeper *k, int *ret_status, struct err *e)
{
	struct bind_target targets[SPEC_DEVICES_MAX];
	struct bind_request request;
	struct state state;
	sigset_t old;

	int r = keeper_request(k, targets, &request, e);
	if (r < 0)
		return r;
	r = state_claim(k->spec->name, &state, e);
	if (r < 0)
		return r;
	cleanup_fd int signals = catch_signals(&old, e);
	if (signals < 0) {
		state_release(&state);
		return signals;
	}
	r = run_taken(k, &request, &state, signals, ret_status, e);
	state_release(&state);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
