/* SPDX-License-Identifier: MIT */
/*
 * usher-libvirt: the keeper starts it, and it has libvirt run the guest (engine/libvirt/libvirt.c).
 *
 * How it works
 *
 * Invariant: the guest ends with this process. The domain is transient, and libvirt's daemon
 * destroys it when our connection closes (VIR_DOMAIN_START_AUTODESTROY), so SIGKILL is enough.
 *
 * One loop, libvirt's, serves all: the domain's events, its console, signals, and the keeper's
 * orders. The domain starts paused, because what a guest writes before its console is open is lost.
 *
 * libvirt's daemon may end or be restarted while QEMU runs on. A thread then connects again, each
 * second, while the loop watches QEMU, the console and orders (libvirt/attempt.c). A daemon that
 * comes back does not know the promise of the other one, so the keeper looks for QEMU as well
 * (engine/libvirt/end.c).
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/signals.h"
#include "host/host.h"
#include "libvirt/attempt.h"
#include "libvirt/calls.h"
#include "libvirt/change.h"
#include "libvirt/process.h"
#include "libvirt/relay.h"
#include "wire/order.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATUS_CRASHED 1
#define STATUS_OURS 125
#define AGAIN_MS 1000 /* between two attempts to connect */
#define DRAIN_MS 3000 /* for what the guest has written last */
#define LATE_MS 10000 /* from QEMU's end to libvirt's word of it */

struct runner {
	const char *uri;
	const char *name; /* of the guest, for messages */
	virConnectPtr connection; /* NULL: the daemon is gone */
	virDomainPtr domain; /* of that connection */
	char uuid[VIR_UUID_STRING_BUFLEN];
	struct relay relay;
	const char *console; /* path of the socket; NULL: none */
	struct change change;
	int orders_fd;
	pid_t qemu; /* 0: unknown */
	int qemu_fd, qemu_watch; /* pidfd */
	int timer;
	struct attempt *attempt; /* to connect again; NULL: none is under way */
	bool lost; /* libvirt's daemon has closed the connection */
	bool stopping, by_key, ended;
	int status;
	int64_t deadline_ms; /* when the loop ends in any case; 0: not yet */
	struct wire_done done;
};

static void runner_end(struct runner *n, int status)
{
	if (n->ended)
		return;
	n->ended = true;
	n->status = status;
	n->deadline_ms = clock_ms() + DRAIN_MS;
	vir.virEventUpdateTimeout(n->timer, DRAIN_MS);
}

static int status_of(struct runner *n, int detail)
{
	switch (detail) {
	case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
		return 0;
	case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
		if (n->stopping)
			return n->by_key ? 128 + SIGINT : 0;
		log_warn(n->name, "another client of libvirt has destroyed the domain");
		return STATUS_CRASHED;
	case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
		log_warn(n->name,
			"the guest panicked, or QEMU crashed: see libvirt's log of the domain");
		return STATUS_CRASHED;
	default:
		log_warn(n->name, "libvirt ended the domain: see libvirt's log of the domain");
		return STATUS_CRASHED;
	}
}

static int on_lifecycle(virConnectPtr c, virDomainPtr domain, int event, int detail, void *arg)
{
	struct runner *n = arg;

	if (event == VIR_DOMAIN_EVENT_STOPPED)
		runner_end(n, status_of(n, detail));
	return 0;
}

/* libvirt's daemon is gone, or does not answer. */
static void on_close(virConnectPtr c, int reason, void *arg)
{
	struct runner *n = arg;

	if (c != n->connection || n->ended)
		return;
	n->lost = true;
	log_warn(n->name, "libvirt's daemon has closed the connection; the guest runs on");
	vir.virEventUpdateTimeout(n->timer, AGAIN_MS);
}

static void connection_drop(struct runner *n)
{
	if (n->domain)
		(void)vir.virDomainFree(n->domain);
	if (n->connection)
		(void)vir.virConnectClose(n->connection);
	n->domain = NULL;
	n->connection = NULL;
}

/* Of a domain that is there. Return: 0, -EIO. */
static int domain_follow(struct runner *n, struct err *e)
{
	if (vir.virConnectDomainEventRegisterAny(n->connection, n->domain,
		    VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), n,
		    NULL) < 0)
		return err_say(e, -EIO, "follow the domain: %s", libvirt_calls_reason());
	(void)vir.virConnectRegisterCloseCallback(n->connection, on_close, n, NULL);
	return 0;
}

/* The daemon that a thread has looked for. */
static void on_attempt(int watch, int fd, int events, void *arg)
{
	struct runner *n = arg;
	struct err e = {0};

	(void)vir.virEventRemoveHandle(watch);
	const struct attempt_outcome o = attempt_finish(n->attempt);
	n->attempt = NULL;
	n->connection = o.connection;
	n->domain = o.domain;
	if (!n->connection || n->ended)
		return;
	if (!n->domain) {
		log_warn(n->name, "the guest ended while libvirt's daemon did not run");
		runner_end(n, n->stopping ? 0 : STATUS_CRASHED);
		return;
	}
	if (domain_follow(n, &e) < 0)
		return; /* it is gone again, or knows no events: the timer goes on */
	n->lost = false;
	log_info(n->name, "libvirt's daemon is back");
	vir.virEventUpdateTimeout(n->timer, n->deadline_ms ? LATE_MS : -1);
	if (n->stopping) /* nobody could be asked when the signal came */
		(void)vir.virDomainDestroyFlags(n->domain, 0);
}

static void runner_reconnect(struct runner *n)
{
	int fd;

	vir.virEventUpdateTimeout(n->timer, AGAIN_MS);
	if (n->attempt)
		return;
	connection_drop(n);
	if (attempt_start(n->uri, n->uuid, &n->attempt, &fd) == 0)
		(void)vir.virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_attempt, n, NULL);
}

/* The one timer: something is late, or the daemon may be back. */
static void on_timer(int timer, void *arg)
{
	struct runner *n = arg;

	if (n->deadline_ms && clock_ms() >= n->deadline_ms)
		runner_end(n, STATUS_CRASHED);
	else if (!n->ended)
		runner_reconnect(n);
}

/* libvirt says it as well, and why, unless its daemon is gone. */
static void on_qemu(int watch, int fd, int events, void *arg)
{
	struct runner *n = arg;

	(void)vir.virEventRemoveHandle(watch);
	n->qemu_watch = -1;
	if (n->ended)
		return;
	if (n->lost && n->stopping) {
		runner_end(n, n->by_key ? 128 + SIGINT : 0);
		return;
	}
	n->deadline_ms = clock_ms() + LATE_MS;
	vir.virEventUpdateTimeout(n->timer, n->lost ? AGAIN_MS : LATE_MS);
}

static void qemu_watch(struct runner *n)
{
	if (libvirt_process_read(host_live(), LIBVIRT_RUN_DIR, n->name, &n->qemu, NULL) < 0)
		return;
	n->qemu_fd = fd_pidfd_open(n->qemu);
	if (n->qemu_fd >= 0)
		n->qemu_watch = vir.virEventAddHandle(
			n->qemu_fd, VIR_EVENT_HANDLE_READABLE, on_qemu, n, NULL);
}

/* As a signal stops QEMU. */
static void runner_stop(void *arg)
{
	struct runner *n = arg;

	n->stopping = true;
	if (!n->lost && n->domain && vir.virDomainDestroyFlags(n->domain, 0) == 0)
		return;
	if (n->qemu_watch >= 0) /* that process still exists */
		(void)kill(n->qemu, SIGTERM);
}

/* Ctrl-A x: the status is that of Ctrl-C, as with usher-vmm. */
static void on_key(void *arg)
{
	struct runner *n = arg;

	n->by_key = true;
	runner_stop(n);
}

static void on_signal(int watch, int fd, int events, void *arg)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		runner_stop(arg);
}

static bool is_paused(struct runner *n)
{
	int state = 0;

	return vir.virDomainGetState(n->domain, &state, NULL, 0) == 0 && state == VIR_DOMAIN_PAUSED;
}

/* Return: 0, -errno; the answer's text is in @n->done. */
static int order_obey(struct runner *n, const struct wire_order *o, struct wire_fds *fds)
{
	if (o->order == WIRE_ORDER_CONSOLE && !o->port && n->console) {
		fds->count = 0;
		return relay_show(&n->relay, fds->fds[0], o->flags & WIRE_ORDER_READ_ONLY);
	}
	if (!n->domain)
		return -ENOTCONN;
	switch (o->order) {
	case WIRE_ORDER_BUTTON:
		if (is_paused(n))
			return -EAGAIN;
		return vir.virDomainShutdownFlags(n->domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) < 0
			       ? -EIO
			       : 0;
	case WIRE_ORDER_RESET:
		if (vir.virDomainReset(n->domain, 0) < 0)
			return -EIO;
		return is_paused(n) && vir.virDomainResume(n->domain) < 0 ? -EIO : 0;
	case WIRE_ORDER_PAUSE:
		if (is_paused(n))
			return -EALREADY;
		return vir.virDomainSuspend(n->domain) < 0 ? -EIO : 0;
	case WIRE_ORDER_RESUME:
		if (!is_paused(n))
			return -EALREADY;
		return vir.virDomainResume(n->domain) < 0 ? -EIO : 0;
	case WIRE_ORDER_RESIZE:
		return change_size(&n->change, n->domain, o, &n->done);
	case WIRE_ORDER_LINK:
		return change_link(&n->change, n->domain, o);
	default:
		return -ENOTSUP;
	}
}

static void on_order(int watch, int fd, int events, void *arg)
{
	struct runner *n = arg;
	struct wire_order order;
	struct wire_fds fds = {0};

	int r = wire_receive(fd, &order, sizeof(order), &fds);
	if (r < 0) {
		(void)vir.virEventRemoveHandle(watch);
		return;
	}
	n->done.length = 0;
	r = wire_order_check(&order, fds.count);
	r = r < 0 ? r : order_obey(n, &order, &fds);
	wire_close(&fds);
	n->done.header = (struct wire_header){.kind = WIRE_DONE, .id = order.header.id};
	n->done.result = r;
	(void)wire_send(fd, &n->done, sizeof(n->done), NULL);
}

static int domain_start(struct runner *n, const char *xml, struct err *e)
{
	n->domain = vir.virDomainCreateXML(
		n->connection, xml, VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY);
	if (!n->domain)
		return err_say(
			e, -EIO, "libvirt does not start the guest: %s", libvirt_calls_reason());
	(void)vir.virDomainGetUUIDString(n->domain, n->uuid);
	int r = domain_follow(n, e);
	if (r == 0 && n->console)
		r = relay_open(&n->relay, n->console, e);
	if (r < 0)
		return r;
	qemu_watch(n);
	if (vir.virDomainResume(n->domain) < 0)
		return err_say(e, -EIO, "start the guest's processors: %s", libvirt_calls_reason());
	return 0;
}

static void runner_loop(struct runner *n)
{
	while (!n->ended || (!relay_is_drained(&n->relay) && clock_ms() < n->deadline_ms))
		if (vir.virEventRunDefaultImpl() < 0)
			break;
}

/* Signals wait in a descriptor until the loop reads it. Return: it, -errno. */
static int signals_open(void)
{
	sigset_t set;

	signals_survive_writes();
	signals_that_stop(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals_that_end(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int runner_connect(struct runner *n, struct err *e)
{
	int r = libvirt_calls_load(e);
	if (r < 0)
		return r;
	if (vir.virEventRegisterDefaultImpl() < 0)
		return err_say(e, -EIO, "libvirt has no loop: %s", libvirt_calls_reason());
	n->connection = libvirt_calls_connect(n->uri, false);
	if (!n->connection)
		return libvirt_calls_explain(n->uri, e);
	libvirt_calls_watch(n->connection);
	return 0;
}

static int runner_watch(struct runner *n, struct err *e)
{
	int signals = signals_open();

	relay_init(&n->relay, n->console != NULL, on_key, n);
	n->timer = vir.virEventAddTimeout(-1, on_timer, n, NULL);
	if (signals < 0 || n->timer < 0 ||
		vir.virEventAddHandle(signals, VIR_EVENT_HANDLE_READABLE, on_signal, n, NULL) < 0 ||
		vir.virEventAddHandle(n->orders_fd, VIR_EVENT_HANDLE_READABLE, on_order, n, NULL) <
			0)
		return err_say(e, -EIO, "watch signals and orders");
	return 0;
}

/* The keeper's description, in memory. */
static int xml_map(int fd, const char **ret, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "read the description of the domain");
	/* The file ends in a NUL. */
	void *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return err_set(e, -errno, "read the description of the domain");
	*ret = text;
	return 0;
}

static int guest_run(struct runner *n, int xml_fd)
{
	const char *xml = NULL;
	struct err e = {0};

	int r = xml_map(xml_fd, &xml, &e);
	r = r < 0 ? r : runner_connect(n, &e);
	r = r < 0 ? r : runner_watch(n, &e);
	n->change.xml = xml;
	r = r < 0 ? r : domain_start(n, xml, &e);
	if (r == 0)
		runner_loop(n);
	else
		log_error(n->name, "%s", e.msg);
	if (r < 0 && n->domain) /* at once: the keeper returns the devices next */
		(void)vir.virDomainDestroyFlags(n->domain, 0);
	relay_fini(&n->relay);
	connection_drop(n);
	return r < 0 ? STATUS_OURS : n->status;
}

/* Whether a guest could run there; changes nothing. The sentence is for the keeper. */
static int guest_probe(const char *uri)
{
	struct runner n = {.uri = uri, .relay = RELAY_NONE};
	struct err e = {0};

	int r = runner_connect(&n, &e);
	if (r == 0) {
		char *text = vir.virConnectGetCapabilities(n.connection);
		if (!text || !strstr(text, "<domain type='kvm'"))
			r = err_say(&e, -ENOTSUP, "libvirt at '%s' has no QEMU with KVM", uri);
		free(text);
	}
	connection_drop(&n);
	if (r < 0)
		(void)fprintf(stderr, "%s\n%s", e.msg, e.hint);
	return r < 0;
}

static int number_of(const char *text)
{
	uint64_t n;

	return num_parse(text, 10, 4096, &n) < 0 ? -1 : (int)n;
}

/*
 * usher-libvirt URI probe
 * usher-libvirt URI run NAME XML-FD ORDERS-FD CONSOLE-PATH|none PLACES
 */
int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[2], "probe") == 0)
		return guest_probe(argv[1]);
	if (argc != 8 || strcmp(argv[2], "run") != 0) {
		(void)fprintf(stderr, "usher-libvirt: 'usher run --engine=libvirt' calls this\n");
		return 2;
	}
	struct runner n = {
		.uri = argv[1],
		.name = argv[3],
		.console = strcmp(argv[6], "none") != 0 ? argv[6] : NULL,
		.change = {.places = argv[7]},
		.orders_fd = number_of(argv[5]),
		.qemu_fd = -1,
		.qemu_watch = -1,
		.relay = RELAY_NONE,
	};
	return guest_run(&n, number_of(argv[4]));
}
