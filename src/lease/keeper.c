/* SPDX-License-Identifier: MIT */
#include "lease/keeper.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/signals.h"
#include "bind/owner.h"
#include "engine/clients.h"
#include "engine/devices.h"
#include "engine/keeper.h"
#include "engine/memlock.h"
#include "engine/state.h"
#include "engine/wipe.h"
#include "lease/audit.h"
#include "lease/holders.h"
#include "lease/server.h"
#include "vfio/irq.h"

#include <errno.h>
#include <limits.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: a driver of the host gets a device only when no other process has it open, and when it
 * was reset. Otherwise it stays on VFIO, where the IOMMU holds it, and the journal keeps it for
 * `usher restore`.
 *
 * The process needs nobody: it holds the descriptors of the groups, watches its borrower by a
 * pidfd, and answers at its socket. Whoever started it may end at any time. If the keeper is
 * killed, the kernel closes its descriptors, and the journal names it as an owner that is gone.
 *
 *	hold	until the borrower ends, gives back, or somebody revokes; or the time is over
 *	ask	VFIO's request to the borrower's driver; it may let go in its own time
 *	kill	the borrower's processes that still have a device
 *	close	reset, and let go; then ask the kernel whether a device is still held in a way that
 *		no process shows (lease/holders.c), and if so, wait for that, and reset again
 *	return	drivers, the entry in the journal; then the log
 */
#define LOOK_MS 100 /* between two looks at who has a device */
#define OWNER_GRACE_MS 1000 /* for processes that the borrower has left */
#define KILL_PATIENCE_MS 5000 /* for a killed process to close its descriptors */

struct keeping {
	const struct lease *l;
	struct clients clients;
	struct lease_server server;
	struct state state;
	struct bind_plan plan;
	struct bind_owner self; /* as the journal names it */
	struct open_devices *devices;
	int signals; /* signalfd */
	int owner_fd; /* pidfd; -1: held by its key */
	int64_t expire_ms; /* 0: never */
	enum lease_end why;
	int64_t kill_ms; /* when the holders are killed */
	struct holders holders; /* who is in the way, at the last look */
	bool is_held; /* by somebody whom nobody can see */
	bool is_late; /* it was held after the reset */
	struct wipe wipe;
	struct memlock memlock; /* of the owner */
};

static void news_tell(struct keeping *k, struct keeper_news n)
{
	clients_tell(&k->clients, &n);
	if (n.event == KEEPER_STUCK || n.event == KEEPER_FAILED)
		lease_server_tell(&k->server, n.event == KEEPER_STUCK ? "stuck" : "failed", INT_MIN,
			n.error->msg, n.error->hint);
}

static int signals_catch(struct keeping *k, struct err *e)
{
	sigset_t set;

	signals_survive_writes();
	signals_that_stop(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals_that_end(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signals < 0 ? err_set(e, -errno, "signalfd") : 0;
}

/* The pidfd first: then the start time cannot be that of a later process. */
static int owner_watch(struct keeping *k, struct err *e)
{
	if (!k->l->owner)
		return 0;
	k->owner_fd = fd_pidfd_open(k->l->owner);
	if (k->owner_fd >= 0 && bind_owner_alive(k->l->env.host, k->l->owner, k->l->owner_start))
		return 0;
	return err_say(
		e, -ESRCH, "process %d, which was to have the lease, has ended", (int)k->l->owner);
}

static int name_claim(struct keeping *k, struct err *e)
{
	char path[sizeof(k->state.dir) + sizeof("/control")];

	int r = state_claim_lease(k->l->env.state, k->l->spec->name, &k->state, e);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/control", k->state.dir);
	r = lease_server_open(&k->server, path);
	return r < 0 ? err_set(e, r, "listen at %s", path) : 0;
}

static int devices_take(struct keeping *k, struct err *e)
{
	const struct keeper asked = {.env = k->l->env,
		.spec = k->l->spec,
		.allow = k->l->allow,
		.allow_count = k->l->allow_count};
	struct bind_target targets[SPEC_DEVICES_MAX];
	struct bind_request request;
	const int64_t begun = clock_ms();

	int r = keeper_request(&asked, targets, &request, e);
	if (r < 0)
		return r;
	r = bind_owner_self(&k->l->env, NULL, &request.owner);
	if (r < 0)
		return err_set(e, r, "learn our own start time");
	(void)snprintf(request.owner.name, sizeof(request.owner.name), BIND_OWNER_LEASE "%s",
		k->l->spec->name);
	k->self = request.owner;
	r = bind_take(&k->l->env, &request, &k->plan, e);
	news_tell(k, (struct keeper_news){.event = KEEPER_PLANNED,
			     .plan = &k->plan,
			     .us = (clock_ms() - begun) * 1000});
	return r;
}

static void request_signal(struct keeping *k)
{
	for (size_t i = 0; i < k->devices->device_count; i++)
		(void)vfio_irq_fire(&k->devices->devices[i].vfio, VFIO_PCI_REQ_IRQ_INDEX, 0, 1);
}

/* Once; a second wish may only shorten the patience. */
static void end_begin(struct keeping *k, enum lease_end why, int64_t patience_ms)
{
	const int64_t at = clock_ms() + patience_ms;

	if (k->why) {
		k->kill_ms = at < k->kill_ms ? at : k->kill_ms;
		return;
	}
	k->why = why;
	k->kill_ms = at;
	k->server.facts.state = "stopping";
	request_signal(k);
	lease_server_tell(&k->server, "stopping", INT_MIN, lease_end_name(why), NULL);
	news_tell(k, (struct keeper_news){.event = KEEPER_STOPPING});
}

static void devices_let_go(struct keeping *k)
{
	k->server.facts.devices = NULL;
	devices_rest(k->devices);
	devices_wipe(k->l->env.host, k->devices, &k->wipe);
	devices_close(k->devices);
	k->devices = NULL;
}

/* Behind devices_let_go(). */
static bool held_step(struct keeping *k, int64_t now)
{
	k->is_held = devices_are_held(&k->plan);
	k->holders.count = 0;
	if (!k->is_held)
		return true;
	k->is_late = true;
	holders_guess(k->l->env.host, &k->holders);
	if (now >= k->kill_ms)
		holders_kill_owner(&k->holders, k->l->owner, k->owner_fd);
	return now >= k->kill_ms + KILL_PATIENCE_MS;
}

/* Return: whether there is nothing left to wait for. */
static bool end_step(struct keeping *k)
{
	const int64_t now = clock_ms();

	if (!k->devices)
		return held_step(k, now);
	holders_find(k->l->env.host, k->devices, &k->holders);
	if (!k->holders.count) {
		devices_let_go(k);
		return held_step(k, now);
	}
	if (now >= k->kill_ms)
		holders_kill(k->l->env.host, k->devices, k->l->user);
	return now >= k->kill_ms + KILL_PATIENCE_MS;
}

static int next_patience(const struct keeping *k)
{
	if (lease_server_is_busy(&k->server))
		return 0;
	if (k->why)
		return LOOK_MS;
	if (!k->expire_ms)
		return -1;
	const int64_t left = k->expire_ms - clock_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static void wish_serve(struct keeping *k)
{
	struct lease_wish *w = &k->server.wish;

	if (w->why)
		end_begin(k, w->why, w->timeout_s * INT64_C(1000));
	w->why = LEASE_RUNS;
}

static void signal_serve(struct keeping *k)
{
	struct signalfd_siginfo info;

	if (read(k->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		end_begin(k, LEASE_END_STOPPED, k->why ? 0 : LEASE_TIMEOUT_S * INT64_C(1000));
}

/* Until the lease is over, and nobody has the devices or nobody can be made to let go. */
static void end_await(struct keeping *k)
{
	static const struct wire_event nothing;
	enum { OWNER, SIGNALS, CLIENTS };
	struct pollfd fds[CLIENTS + CLIENTS_MAX + 1 + LEASE_POLL_MAX];

	do {
		fds[OWNER] = (struct pollfd){.fd = k->owner_fd, .events = POLLIN};
		fds[SIGNALS] = (struct pollfd){.fd = k->signals, .events = POLLIN};
		size_t count = clients_poll(&k->clients, fds + CLIENTS);
		struct pollfd *more = fds + CLIENTS + count;
		size_t more_count = lease_server_poll(&k->server, more);
		if (poll(fds, CLIENTS + count + more_count, next_patience(k)) < 0)
			continue;
		(void)clients_serve(&k->clients, fds + CLIENTS, count, &nothing);
		lease_server_serve(&k->server, more, more_count);
		wish_serve(k);
		if (fds[SIGNALS].revents)
			signal_serve(k);
		if (fds[OWNER].revents) {
			end_begin(k, LEASE_END_OWNER, OWNER_GRACE_MS);
			fd_close(&k->owner_fd);
		}
		if (!k->why && k->expire_ms && clock_ms() >= k->expire_ms)
			end_begin(k, LEASE_END_EXPIRED, LEASE_TIMEOUT_S * INT64_C(1000));
	} while (!k->why || !end_step(k));
}

static int group_give_back(struct keeping *k, struct bind_release_request *giving)
{
	struct bind_report report = BIND_REPORT_NONE;
	struct err e = {0};
	const int64_t begun = clock_ms();

	int r = bind_release(&k->l->env, giving, &report, &e);
	news_tell(k, (struct keeper_news){
			     .event = r < 0 ? KEEPER_STUCK : KEEPER_GIVEN,
			     .group = giving->group,
			     .report = &report,
			     .error = &e,
			     .us = (clock_ms() - begun) * 1000,
		     });
	bind_report_fini(&report);
	return r;
}

static int groups_give_back(struct keeping *k)
{
	struct pci_address unwiped[SPEC_DEVICES_MAX];
	struct bind_release_request giving = {
		.owner = k->self,
		.allow = k->l->allow,
		.allow_count = k->l->allow_count,
		.unwiped = unwiped,
		.unwiped_count = wipe_failed(&k->wipe, unwiped),
	};
	int worst = 0;

	for (size_t i = 0; i < k->plan.group_count; i++) {
		giving.group = k->plan.groups[i].number;
		if (group_give_back(k, &giving) < 0)
			worst = -EUCLEAN;
	}
	return worst;
}

/* The kernel would wait for ever with the unbind of a device that somebody has open. */
static int holders_stay(struct keeping *k, struct err *e)
{
	const struct bind_report none = BIND_REPORT_NONE;
	char names[320];

	if (k->holders.count)
		(void)err_say(e, -EUCLEAN,
			"the devices of lease '%s' stay on VFIO: %s still %s them open",
			k->l->spec->name, holders_format(&k->holders, names, sizeof(names)),
			k->holders.count > 1 ? "have" : "has");
	else
		(void)err_say(e, -EUCLEAN,
			"the devices of lease '%s' stay on VFIO: a process that usher cannot find "
			"still has them open",
			k->l->spec->name);
	err_hint(e, "end it; then 'usher restore' returns the devices");
	news_tell(k, (struct keeper_news){.event = KEEPER_STUCK, .error = e, .report = &none});
	return -EUCLEAN;
}

/* What the device did for its last holder may have come after the reset. */
static int devices_wipe_again(struct keeping *k, struct err *e)
{
	int r = devices_open(&k->l->env, k->l->spec, &k->plan, &k->devices, e);

	if (r < 0)
		return r;
	devices_let_go(k);
	return 0;
}

static int devices_return(struct keeping *k, struct err *e)
{
	k->server.facts.devices = NULL;
	k->server.facts.state = "ended";
	lease_server_tell(&k->server, "ended", INT_MIN, NULL, NULL);
	news_tell(k, (struct keeper_news){.event = KEEPER_ENDED});
	if (k->holders.count || k->is_held)
		return holders_stay(k, e);
	int r = k->is_late ? devices_wipe_again(k, e) : 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < k->wipe.count; i++)
		news_tell(k,
			(struct keeper_news){.event = KEEPER_WIPED, .wiped = &k->wipe.devices[i]});
	r = groups_give_back(k);
	return r < 0 ? err_say(e, r, "not all devices of lease '%s' went back", k->l->spec->name)
		     : 0;
}

/* A host that permits no more, as a container, lends all the same. */
static void memlock_begin(struct keeping *k)
{
	const struct lease *l = k->l;

	k->memlock = (struct memlock){.pid = l->owner,
		.start = l->owner_start,
		.pidfd = k->owner_fd,
		.folder = k->state.dir};
	if (l->memlock && l->owner)
		(void)memlock_raise(&k->memlock, l->memlock);
}

static void memlock_end(struct keeping *k)
{
	k->memlock.pidfd = k->owner_fd;
	memlock_put_back(&k->memlock);
}

/* A log that cannot be written does not stop a lease, but whoever follows it hears so. */
static void lease_log(struct keeping *k, enum lease_end why, const char *stuck)
{
	const struct audit a = {
		.lease = k->l, .since = k->server.facts.since, .why = why, .stuck = stuck};
	struct err e = {0};

	int r = audit_write(&a);
	if (r == 0)
		return;
	(void)err_say(&e, r, "lease '%s' is not in the log %s: %s", k->l->spec->name, k->l->log,
		strerror(-r));
	err_hint(&e, "'usher leases' lists leases that run");
	news_tell(k, (struct keeper_news){.event = KEEPER_WARNED, .error = &e});
}

static void lease_begin(struct keeping *k)
{
	struct lease_facts *f = &k->server.facts;

	memlock_begin(k);
	f->devices = k->devices;
	f->state = "running";
	f->since = time(NULL);
	if (k->l->for_s) {
		f->until = f->since + (time_t)k->l->for_s;
		k->expire_ms = clock_ms() + (int64_t)k->l->for_s * 1000;
	}
	lease_log(k, LEASE_RUNS, NULL);
	lease_server_tell(&k->server, "started", INT_MIN, NULL, NULL);
	news_tell(k, (struct keeper_news){.event = KEEPER_STARTED, .pid = getpid()});
}

static int lease_hold(struct keeping *k, struct err *e)
{
	int r = devices_open(&k->l->env, k->l->spec, &k->plan, &k->devices, e);

	if (r < 0) {
		(void)groups_give_back(k);
		return r;
	}
	lease_begin(k);
	end_await(k);
	memlock_end(k);
	r = devices_return(k, e);
	lease_log(k, k->why, r < 0 ? e->msg : NULL);
	return r;
}

static int lease_serve(struct keeping *k, struct err *e)
{
	int r = signals_catch(k, e);

	if (r < 0)
		return r;
	r = owner_watch(k, e);
	if (r < 0)
		return r;
	r = name_claim(k, e);
	if (r < 0)
		return r;
	r = devices_take(k, e);
	return r < 0 ? r : lease_hold(k, e);
}

static void keeping_finish(struct keeping *k, int r)
{
	struct wire_event done = {.event = WIRE_EVENT_DONE, .number = r};

	devices_close(k->devices);
	bind_plan_fini(&k->plan);
	/* Whoever hears the last word may use the name again. */
	state_release(&k->state);
	clients_send(&k->clients, &done);
	clients_close(&k->clients);
	lease_server_tell(&k->server, "done", r, NULL, NULL);
	lease_server_close(&k->server);
	fd_close(&k->owner_fd);
	fd_close(&k->signals);
}

int lease_keep(const struct lease *l, int watch_fd)
{
	static struct keeping k; /* too large for a stack */
	struct err e = {0};

	/* All else is zero: to fill its room for clients would touch 30 pages. */
	k.l = l;
	k.clients = CLIENTS_NONE;
	k.server.listen_fd = -1;
	k.state = STATE_NONE;
	k.signals = -1;
	k.owner_fd = -1;
	k.server.facts = (struct lease_facts){.lease = l, .state = "starting"};
	(void)prctl(PR_SET_NAME, "usher-lease");
	if (watch_fd >= 0)
		(void)clients_add(&k.clients, watch_fd, false);
	int r = lease_serve(&k, &e);
	/* A plan that refuses was told with its problems, a device that stays with its reason. */
	if (r < 0 && r != -EUCLEAN && !k.plan.refusals)
		news_tell(&k, (struct keeper_news){.event = KEEPER_FAILED, .error = &e});
	keeping_finish(&k, r);
	return r;
}
