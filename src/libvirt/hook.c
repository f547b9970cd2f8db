/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: at each moment between prepare and release a living process owns the devices of a
 * domain, or the journal shows that it has died, and `usher restore` returns them.
 *
 *	prepare	libvirt's own process is the owner, for QEMU does not exist yet
 *	started	QEMU is the owner, and stays it while libvirt restarts
 *	release	the hook returns what the journal has for the domain, whatever its XML says now
 *
 * libvirt waits for the hook, and holds the domain's lock meanwhile: a hook that asks libvirt
 * anything waits for itself. So all that is known of the domain is its name and its XML.
 *
 * libvirt calls no hook when it was killed before QEMU ran. A prepare that finds its caller dead
 * undoes itself; otherwise the next prepare, of any domain, returns what such a domain has.
 */
#include "libvirt/hook.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "bind/gate.h"
#include "bind/handover.h"
#include "bind/owner.h"
#include "host/host.h"
#include "libvirt/allow.h"
#include "libvirt/domain.h"
#include "libvirt/hostdev.h"
#include "libvirt/process.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define END_MS 10000 /* QEMU unpins the guest's memory after it is killed */

/* The leases of one hook call. */
struct leases {
	struct bind_lease *list;
	size_t count;
};

static void leases_fini(struct leases *l)
{
	free(l->list);
}

static int leases_read(const struct libvirt_hook *k, struct leases *ret, struct err *e)
{
	*ret = (struct leases){0};
	return bind_leases(k->env, &ret->list, &ret->count, e);
}

static int domain_name(const struct libvirt_hook *k, char ret[BIND_DOMAIN_MAX], struct err *e)
{
	int r = bind_owner_domain(k->name, ret);

	return r < 0 ? err_set(e, r, "name of the domain") : 0;
}

/* What domains have whose libvirt was killed before their QEMU ran. In use: it stays. */
static void return_abandoned(const struct libvirt_hook *k)
{
	struct leases l;

	if (leases_read(k, &l, NULL) < 0)
		return;
	for (size_t i = 0; i < l.count; i++) {
		struct bind_report done = BIND_REPORT_NONE;
		if (!l.list[i].owner.domain[0] || (l.list[i].state != BIND_LEASE_DEAD &&
							  l.list[i].state != BIND_LEASE_BROKEN))
			continue;
		(void)bind_restore(k->env, l.list[i].group, BIND_MANUAL_STAYS, &done, NULL);
		bind_report_fini(&done);
	}
	leases_fini(&l);
}

/*
 * libvirt 9 knows vfio-pci alone, so usher chooses no variant unless the domain names it. A device
 * that someone has bound to a variant stays there.
 */
static const char *choose_driver(const struct libvirt_hook *k, const struct libvirt_domain *d)
{
	struct pci_device device;

	for (size_t i = 0; i < d->count; i++)
		if (d->devices[i].driver[0])
			return d->devices[i].driver;
	for (size_t i = 0; i < d->count; i++)
		if (pci_device_peek(k->env->host, d->devices[i].address, &device, NULL) == 0 &&
			bind_on_vfio(k->env->host, &device) &&
			strcmp(device.driver, "vfio-pci") != 0)
			return NULL;
	return "vfio-pci";
}

/*
 * When libvirt is killed, the first process becomes the hook's parent. That one never ends, and so
 * nobody would ever return what it owns. In a container libvirt itself may be the first process.
 */
static bool is_orphan(const struct libvirt_hook *k)
{
	char name[32];

	if (k->caller != 1 || host_read_text(k->env->host, "/proc/1/comm", name, sizeof(name)) < 0)
		return k->caller < 1;
	return strcmp(name, "libvirtd") != 0 && strcmp(name, "virtqemud") != 0;
}

static int owner_of_caller(const struct libvirt_hook *k, struct bind_owner *ret, struct err *e)
{
	if (is_orphan(k))
		return err_say(e, -ESRCH, "libvirt, which called the hook, has ended");
	*ret = (struct bind_owner){.pid = k->caller, .space = bind_owner_space(k->env->host)};
	int r = domain_name(k, ret->domain, e);
	if (r < 0)
		return r;
	r = bind_owner_start(k->env->host, k->caller, &ret->start);
	return r < 0 ? err_set(e, r, "process %d of libvirt", (int)k->caller) : 0;
}

/*
 * libvirt may be killed while its hook works. `usher restore` leaves a group alone on which usher
 * works, and nobody calls it again. So the hook looks once more when it has the devices.
 */
static int orphan_undo(const struct libvirt_hook *k, const struct bind_owner *owner,
	const struct bind_plan *taken, struct err *e)
{
	struct err why = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < taken->group_count; i++) {
		const struct bind_release_request g = {.group = taken->groups[i].number,
			.how = BIND_RETURN_DRIVER,
			.owner = *owner};
		struct bind_report done = BIND_REPORT_NONE;
		r = bind_release(k->env, &g, &done, &why);
		bind_report_fini(&done);
	}
	return err_say(e, -ESRCH, "libvirt, which called the hook, has ended%s%s",
		r < 0 ? "; its devices stay taken: " : "", r < 0 ? why.msg : "");
}

static int domain_take(const struct libvirt_hook *k, const struct libvirt_domain *d,
	const struct libvirt_allow *allow, struct bind_plan *ret, struct err *e)
{
	struct bind_request q = {.target_count = d->count, .access = BIND_ACCESS_NONE};

	int r = owner_of_caller(k, &q.owner, e);
	if (r < 0)
		return r;
	cleanup_free struct bind_target *targets = calloc(d->count, sizeof(*targets));
	if (!targets)
		return err_set(e, -ENOMEM, "devices of the domain");
	for (size_t i = 0; i < d->count; i++)
		targets[i].address = d->devices[i].address;
	q.targets = targets;
	q.driver = choose_driver(k, d);
	q.allow = allow->checks;
	q.allow_count = allow->count;
	return_abandoned(k);
	r = bind_take(k->env, &q, ret, e);
	if (r < 0 || bind_owner_alive(k->env->host, q.owner.pid, q.owner.start))
		return r;
	return orphan_undo(k, &q.owner, ret, e);
}

static int domain_prepare(const struct libvirt_hook *k, const struct libvirt_domain *d,
	struct bind_plan *ret, unsigned *ret_wrong, struct err *e)
{
	struct libvirt_allow allow = {0};
	char name[BIND_DOMAIN_MAX];

	int r = domain_name(k, name, e);
	if (r == 0 && k->allow)
		r = libvirt_allow_read(k->env->host, k->allow, name, d, &allow, e);
	*ret_wrong = allow.wrong;
	r = r < 0 ? r : domain_take(k, d, &allow, ret, e);
	libvirt_allow_fini(&allow);
	return r;
}

static bool keeper_has(
	const struct libvirt_hook *k, pid_t keeper, const struct leases *l, struct pci_address a)
{
	struct pci_device device;

	if (pci_device_peek(k->env->host, a, &device, NULL) < 0)
		return false;
	for (size_t i = 0; i < l->count; i++)
		if (l->list[i].group == device.group)
			return l->list[i].state == BIND_LEASE_LIVE &&
			       l->list[i].owner.pid == keeper &&
			       strcmp(l->list[i].owner.name, k->name) == 0;
	return false;
}

/*
 * Whether the domain is a guest of `usher run`, whose keeper has taken all its devices, and returns
 * them. Its XML may say so, but the journal counts.
 */
static bool is_kept(const struct libvirt_hook *k, const struct libvirt_domain *d)
{
	struct leases l;
	bool kept = true;

	if (!d->keeper || leases_read(k, &l, NULL) < 0)
		return false;
	for (size_t i = 0; kept && i < d->count; i++)
		kept = keeper_has(k, d->keeper, &l, d->devices[i].address);
	leases_fini(&l);
	return kept;
}

int libvirt_hook_prepare(const struct libvirt_hook *k, const char *xml, size_t len,
	struct bind_plan *ret, unsigned *ret_wrong, struct err *e)
{
	struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;

	*ret = BIND_PLAN_NONE;
	*ret_wrong = 0;
	if (!libvirt_hostdev_may_be(xml, len))
		return 0;
	int r = libvirt_domain_parse(xml, len, &d, e);
	if (r < 0)
		return err_in(e, r, "XML of the domain");
	r = d.count && !is_kept(k, &d) ? domain_prepare(k, &d, ret, ret_wrong, e) : 0;
	libvirt_domain_fini(&d);
	return r;
}

static bool is_held(const struct bind_lease *l)
{
	return l->state == BIND_LEASE_LIVE || l->state == BIND_LEASE_DEAD;
}

int libvirt_hook_follow(const struct libvirt_hook *k, struct err *e)
{
	char name[BIND_DOMAIN_MAX];
	struct leases l;
	pid_t pid = 0;

	int first = domain_name(k, name, e);
	if (first == 0)
		first = leases_read(k, &l, e);
	if (first < 0)
		return first;
	for (size_t i = 0; i < l.count; i++) {
		const struct bind_lease *lease = &l.list[i];
		struct err *why = first < 0 ? NULL : e;
		if (!is_held(lease) || strcmp(lease->owner.domain, name) != 0)
			continue;
		int r = pid ? 0 : libvirt_process_read(k->env->host, k->run, k->name, &pid, why);
		if (r == 0 && lease->owner.pid != pid)
			r = bind_hand_over(k->env, lease->group, &lease->owner, pid, why);
		first = first < 0 ? first : r;
	}
	leases_fini(&l);
	return first;
}

/* The kernel closes the devices of a killed process some time after the signal. */
static void await_end(const struct libvirt_hook *k, const struct bind_owner *o)
{
	if (o->pid == k->caller || !bind_owner_alive(k->env->host, o->pid, o->start))
		return;
	cleanup_fd int fd = fd_pidfd_open(o->pid);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (fd >= 0)
		(void)poll(&p, 1, END_MS);
}

static int lease_return(const struct libvirt_hook *k, const struct bind_lease *l,
	void (*each)(const struct bind_report *done, const struct err *failure), struct err *e)
{
	const struct bind_release_request g = {
		.group = l->group, .how = BIND_RETURN_DRIVER, .owner = l->owner};
	struct bind_report done = BIND_REPORT_NONE;
	struct err why = {0};

	await_end(k, &l->owner);
	int r = bind_release(k->env, &g, &done, &why);
	each(&done, r < 0 ? &why : NULL);
	bind_report_fini(&done);
	if (r < 0 && e)
		*e = why;
	return r;
}

int libvirt_hook_release(const struct libvirt_hook *k,
	void (*each)(const struct bind_report *done, const struct err *failure), struct err *e)
{
	char name[BIND_DOMAIN_MAX];
	struct leases l;

	int first = domain_name(k, name, e);
	if (first == 0)
		first = leases_read(k, &l, e);
	if (first < 0)
		return first;
	for (size_t i = 0; i < l.count; i++) {
		if (l.list[i].state == BIND_LEASE_VOID || strcmp(l.list[i].owner.domain, name) != 0)
			continue;
		int r = lease_return(k, &l.list[i], each, first < 0 ? NULL : e);
		first = first < 0 ? first : r;
	}
	leases_fini(&l);
	return first;
}
