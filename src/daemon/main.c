/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "bind/env.h"
#include "daemon/claims.h"
#include "daemon/connect.h"
#include "daemon/hardware.h"
#include "daemon/job.h"
#include "daemon/kept.h"
#include "daemon/methods.h"
#include "daemon/verb.h"
#include "daemon/watch.h"
#include "host/host.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define KEEPERS_MS 2000 /* so long usherd waits at its start for the answers of keepers */

/*
 * How it works
 *
 * usherd puts on the bus what it finds: devices in sysfs, leases and guests at the sockets of their
 * keepers. It has no state of its own. The keepers need no daemon, so nothing is lost when it is
 * killed, at whatever moment; the next one finds the same keepers. Work is done by children that
 * run `usher` (daemon/job.h), so the loop waits for nobody but the bus.
 */
static int usage_print(FILE *to, int status)
{
	(void)fputs(
		"usage: usherd [OPTION...]\n"
		"\n"
		"Lends devices over D-Bus, as org.usher.Usher1: see usherd(8).\n"
		"\n"
		"      --usher FILE       the program that does the work (default: " USHER_BINDIR
		"/usher)\n"
		"      --state DIR        where keepers have their sockets (default: /run/usher)\n"
		"      --memlock SIZE     how much memory a borrower may lock, for DMA, while it\n"
		"                         has a lease (default: no more than without one)\n"
		"      --host FILE        show the devices of a snapshot of a host\n",
		to);
	return status;
}

static int host_open(struct daemon *d, const char *file)
{
	struct err e = {0};

	int r = host_snapshot_open(file, &d->host, &e);
	if (r < 0)
		(void)fprintf(stderr, "usherd: %s\n", e.msg);
	return r;
}

static int words_take(struct daemon *d, int argc, char **argv)
{
	static const struct option takes[] = {{"usher", required_argument, NULL, 'u'},
		{"state", required_argument, NULL, 's'}, {"memlock", required_argument, NULL, 'm'},
		{"host", required_argument, NULL, 'H'}, {"help", no_argument, NULL, 'h'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "h", takes, NULL)) >= 0) {
		if (c == 'u')
			d->usher = optarg;
		else if (c == 's')
			d->run_dir = optarg;
		else if (c == 'm')
			d->memlock = optarg;
		else if (c == 'H' && host_open(d, optarg) < 0)
			return 1;
		else if (c != 'H')
			return usage_print(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
	}
	return optind < argc ? usage_print(stderr, 2) : -1;
}

static int loop_make(struct daemon *d)
{
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return -errno;
	int r = sd_event_default(&d->event);
	if (r < 0)
		return r;
	r = sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL);
	if (r < 0)
		return r;
	r = sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL);
	return r < 0 ? r : sd_event_set_watchdog(d->event, true);
}

static int objects_add(struct daemon *d)
{
	static int (*const adds[])(struct daemon * d) = {methods_add_vtable, hardware_add_vtables,
		kept_add_vtables, watch_add_vtables, verbs_add_vtable, connect_add_vtable,
		claims_add_vtables, jobs_add_vtables};
	int r = sd_bus_add_object_manager(d->bus, NULL, BUS_PATH);

	for (size_t i = 0; i < COUNT(adds) && r >= 0; i++)
		r = adds[i](d);
	return r;
}

/* A signal has ended the loop. */
static bool is_over(const struct daemon *d)
{
	return sd_event_get_state(d->event) == SD_EVENT_FINISHED;
}

/*
 * Whoever gives back a lease that usherd does not know yet would be told that there is none, and
 * who asks again for a lease would be refused. A keeper that hangs, or takes a device, has a bound.
 */
static int keepers_await(struct daemon *d)
{
	const int64_t end_ms = clock_ms() + KEEPERS_MS;
	int r = 0;

	for (int64_t left = KEEPERS_MS; r >= 0 && left > 0 && kept_is_asked(d) && !is_over(d);
		left = end_ms - clock_ms())
		r = sd_event_run(d->event, (uint64_t)left * 1000);
	return r;
}

/* The name last: whoever sees it finds all objects. */
static int bus_open(struct daemon *d)
{
	int r = sd_bus_open_system(&d->bus);

	if (r < 0)
		return r;
	r = objects_add(d);
	if (r < 0)
		return r;
	r = hardware_watch(d);
	if (r < 0)
		return r;
	r = claims_watch(d);
	if (r < 0)
		return r;
	r = sd_bus_attach_event(d->bus, d->event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		return r;
	r = kept_watch(d);
	if (r < 0)
		return r;
	r = watch_start(d);
	if (r < 0)
		return r;
	r = keepers_await(d);
	if (r < 0)
		return r;
	/* Without the bus there is nobody to serve. */
	(void)sd_bus_set_exit_on_disconnect(d->bus, true);
	return sd_bus_request_name(d->bus, BUS_NAME, 0);
}

static int daemon_run(struct daemon *d)
{
	int r = loop_make(d);

	if (r >= 0)
		r = bus_open(d);
	if (r >= 0) {
		(void)sd_notify(0, "READY=1");
		r = is_over(d) ? 0 : sd_event_loop(d->event);
		(void)sd_notify(0, "STOPPING=1");
	}
	if (r < 0)
		(void)fprintf(stderr, "usherd: %s\n", strerror(-r));
	else if (r > 0)
		(void)fputs("usherd: the bus has gone\n", stderr);
	watch_close(d);
	kept_close(d);
	claims_close(d);
	hardware_close(d);
	(void)sd_bus_flush_close_unref(d->bus);
	(void)sd_event_unref(d->event);
	return r != 0;
}

int main(int argc, char **argv)
{
	struct daemon d = {
		.host = host_live(), .run_dir = BIND_STATE_DIR, .usher = USHER_BINDIR "/usher"};

	fd_fill_standard();
	int status = words_take(&d, argc, argv);
	return status >= 0 ? status : daemon_run(&d);
}
