/* SPDX-License-Identifier: MIT */
#include "monitor/monitor.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "monitor/aer.h"
#include "monitor/devices.h"
#include "monitor/keepers.h"
#include "monitor/kernel_log.h"
#include "monitor/lost.h"
#include "monitor/uevent.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/*
 * How it works. Invariant: what has been told adds up to what is there.
 *
 * The kernel's events change a list of devices, and each change is told. The socket is open before
 * the list is read, so nothing falls between the two; an event that the list has already changes
 * nothing. When the kernel has dropped events, that is told, sysfs is read again, and the
 * differences are told as missed. Keepers say themselves what they do (monitor/keepers.h). The
 * kernel has no event for counters of errors and for devices that do not answer: these are looked
 * at every few seconds.
 */
enum { STOP, OUT, UEVENTS, LOG, LOST, KEEPERS };

#define RETRY_MS 50 /* for a keeper that has no socket yet */
#define FOLDERS_MS 2000 /* for a folder of keepers that is not there yet */

struct monitor {
	const struct monitor_spec *spec;
	struct monitor_teller to; /* passes on the kinds that are wanted */
	struct seen_list devices;
	struct keepers keepers;
	struct lost_check lost;
	int uevents, log; /* descriptors; -1 */
	int64_t next_look; /* [ms] */
	bool keepers_wait;
};

static bool kind_is_wanted(const struct monitor_spec *s, enum monitor_kind kind)
{
	return kind == MONITOR_OVERRUN || s->kinds & 1u << kind;
}

static void event_pass(void *arg, const struct monitor_event *e)
{
	const struct monitor_spec *s = arg;

	if (kind_is_wanted(s, e->kind))
		s->to.tell(s->to.arg, e);
}

static void overrun_tell(struct monitor *m, const char *what)
{
	monitor_tell(&m->to, &(struct monitor_event){.kind = MONITOR_OVERRUN, .evidence = what});
}

static int uevents_take(struct monitor *m)
{
	struct uevent u;
	int r;

	while ((r = uevent_next(m->uevents, &u)) > 0)
		seen_follow(&m->devices, &u, &m->to);
	if (r != -ENOBUFS)
		return r;
	overrun_tell(m, "the kernel has dropped events; what they changed is read from sysfs");
	seen_reread(&m->devices, &m->to);
	return 0;
}

static void log_take(struct monitor *m)
{
	int r = kernel_log_take(m->log, m->devices.host, &m->to);

	if (r == -EPIPE)
		overrun_tell(m, "the kernel has dropped lines of its log");
	else if (r < 0)
		fd_close(&m->log);
}

static void faults_look(struct monitor *m)
{
	if (!m->spec->interval_s || clock_ms() < m->next_look)
		return;
	m->next_look = clock_ms() + m->spec->interval_s * INT64_C(1000);
	aer_poll(&m->devices, &m->to);
	lost_ask(&m->lost, &m->devices);
}

static bool folder_is_missing(const struct keepers *k)
{
	for (size_t i = 0; i < k->folder_count; i++)
		if (k->folders[i].watch < 0)
			return true;
	return false;
}

/* [ms] until something is to be done without an event; -1: never. */
static int patience_of(const struct monitor *m)
{
	const int64_t look = m->next_look - clock_ms();
	int64_t least = -1;

	if (m->spec->interval_s)
		least = look > 0 ? look : 0;
	if (m->keepers_wait)
		least = least < 0 || least > RETRY_MS ? RETRY_MS : least;
	else if (folder_is_missing(&m->keepers))
		least = least < 0 || least > FOLDERS_MS ? FOLDERS_MS : least;
	return (int)least;
}

/* Return: the descriptors to poll; NULL without memory. */
static struct pollfd *polled_make(const struct monitor *m, size_t *ret_count)
{
	const size_t count = KEEPERS + keepers_fd_count(&m->keepers);
	struct pollfd *p = calloc(count, sizeof(*p));

	if (!p)
		return NULL;
	p[STOP] = (struct pollfd){.fd = m->spec->stop_fd, .events = POLLIN};
	p[OUT] = (struct pollfd){.fd = m->spec->out_fd}; /* POLLERR comes unasked */
	p[UEVENTS] = (struct pollfd){.fd = m->uevents, .events = POLLIN};
	p[LOG] = (struct pollfd){.fd = m->log, .events = POLLIN};
	p[LOST] = (struct pollfd){.fd = m->lost.fd, .events = POLLIN};
	keepers_fill(&m->keepers, p + KEEPERS);
	*ret_count = count;
	return p;
}

static int polled_take(struct monitor *m, const struct pollfd *p)
{
	int r = p[UEVENTS].revents ? uevents_take(m) : 0;

	if (p[LOG].revents)
		log_take(m);
	if (p[LOST].revents)
		lost_take(&m->lost, &m->devices, &m->to);
	keepers_take(&m->keepers, p + KEEPERS, &m->to);
	m->keepers_wait = keepers_scan(&m->keepers, &m->to);
	faults_look(m);
	return r;
}

/* Return: 1 to go on, 0 it is to stop, -errno. */
static int monitor_step(struct monitor *m)
{
	size_t count = 0;

	struct pollfd *p = polled_make(m, &count);
	if (!p)
		return -ENOMEM;
	const int ready = poll(p, count, patience_of(m));
	int r = ready < 0 && errno != EINTR ? -errno : 0;
	/* The end alone, STOP or OUT, ends the rest. */
	if (ready > 0 && m->spec->rest_ms)
		(void)poll(p, UEVENTS, (int)m->spec->rest_ms);
	bool ends = p[STOP].revents || p[OUT].revents & (POLLERR | POLLHUP | POLLNVAL);
	if (r == 0 && !ends)
		r = polled_take(m, p);
	free(p);
	ends = ends || (m->spec->stop && *m->spec->stop);
	return r < 0 ? r : !ends;
}

static int monitor_open(struct monitor *m, struct err *e)
{
	m->uevents = uevent_open();
	if (m->uevents < 0)
		return err_set(e, m->uevents, "listen to the kernel's events");
	if (kind_is_wanted(m->spec, MONITOR_FAULT))
		m->log = kernel_log_open();
	int r = seen_open(m->spec->host, &m->devices);
	if (r < 0)
		return err_set(e, r, "list the devices");
	r = keepers_open(m->spec->run_dirs, &m->keepers);
	return r < 0 ? err_set(e, r, "watch the keepers of leases and guests") : 0;
}

int monitor_run(const struct monitor_spec *s, struct err *e)
{
	struct monitor m = {.spec = s,
		.keepers = KEEPERS_NONE,
		.lost = LOST_CHECK_NONE,
		.uevents = -1,
		.log = -1,
		.keepers_wait = true};

	m.to = (struct monitor_teller){event_pass, (void *)(uintptr_t)s};
	int r = monitor_open(&m, e);
	for (bool goes_on = r == 0; goes_on;) {
		r = monitor_step(&m);
		goes_on = r > 0;
		if (r < 0)
			(void)err_set(e, r, "wait for events");
	}
	lost_close(&m.lost);
	keepers_close(&m.keepers);
	seen_close(&m.devices);
	fd_close(&m.log);
	fd_close(&m.uevents);
	return r;
}
