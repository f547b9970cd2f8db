/* SPDX-License-Identifier: MIT */
#include "bind/return.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/framebuffer.h"
#include "bind/module.h"
#include "bind/resize.h"
#include "bind/vf_settings.h"
#include "host/host.h"
#include "pci/alive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bind_report_fini(struct bind_report *r)
{
	free(r->returned);
	*r = BIND_REPORT_NONE;
}

struct bind_returned *bind_report_add(struct bind_report *r, size_t count)
{
	struct bind_returned *list =
		reallocarray(r->returned, r->returned_count + count, sizeof(*list));

	if (!list)
		return NULL;
	r->returned = list;
	memset(list + r->returned_count, 0, count * sizeof(*list));
	r->returned_count += count;
	return list + r->returned_count - count;
}

/* "@folder/@attr" of a device or driver gets @text. */
static int write_device(struct bind_worker *w, struct pci_address a, const char *attr,
	const char *text, struct err *e)
{
	char path[FILE_PATH_MAX];

	int r = pci_device_path(a, attr, path, sizeof(path));
	return r < 0 ? err_set(e, r, "%s", attr) : bind_worker_write(w, path, text, e);
}

static int write_driver(struct bind_worker *w, const char *driver, const char *attr,
	struct pci_address a, struct err *e)
{
	char path[FILE_PATH_MAX], address[PCI_ADDRESS_TEXT];

	int r = file_path(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver, attr);
	if (r < 0)
		return err_set(e, r, "driver %s", driver);
	return bind_worker_write(w, path, pci_address_format(a, address), e);
}

static void returned_stays(struct bind_returned *g, const char *why)
{
	g->left = true;
	(void)snprintf(g->text, sizeof(g->text), "%.255s", why);
}

static void returned_overridden(struct bind_returned *g, const char *override)
{
	(void)snprintf(g->text, sizeof(g->text), "another tool set its override to '%.64s': kept",
		override);
}

static int restore_method(struct bind_worker *w, const struct bind_was *was, struct err *e)
{
	struct pci_device d;

	if (!was->reset_method[0] ||
		pci_device_peek(w->transaction->env->host, was->address, &d, NULL) < 0 ||
		d.vendor != was->vendor || d.device != was->device ||
		strcmp(d.reset_method, was->reset_method) == 0)
		return 0;
	return write_device(w, was->address, "reset_method", was->reset_method, e);
}

/* Called before its driver binds, because that reads the MAC address. */
static void restore_vf(struct bind_worker *w, const struct bind_was *was, struct bind_returned *g)
{
	struct err why = {0};

	if (!was->has_vf)
		return;
	int r = bind_vf_settings_restore(w->transaction->env, was->address, &was->vf, &why);
	if (r < 0)
		(void)snprintf(g->text, sizeof(g->text),
			"not all of its settings were restored: %.200s",
			why.msg[0] ? why.msg : "its physical function is gone");
	else
		bind_transaction_count(w->transaction);
}

static int restore_control(struct bind_worker *w, const struct bind_was *was, struct err *e)
{
	char path[FILE_PATH_MAX], now[PCI_NAME_MAX];

	if (!was->control[0] ||
		pci_device_path(was->address, "power/control", path, sizeof(path)) < 0 ||
		host_read_text(w->transaction->env->host, path, now, sizeof(now)) <= 0 ||
		strcmp(now, was->control) == 0)
		return 0;
	return bind_worker_write(w, path, was->control, e);
}

/* The process that writes was killed, or hangs: whether the kernel got the text is unknown. */
static bool is_lost(int r)
{
	return r == -EPIPE || r == -ETIMEDOUT;
}

/*
 * vfio_pci_core enables runtime power management at bind and disables it at unbind. The kernel's
 * refusal is ignored: the driver may have set its own value. Return: 0; -EPIPE, -ETIMEDOUT.
 */
static int restore_settings(
	struct bind_worker *w, const struct bind_was *was, enum bind_return how, struct err *e)
{
	int r = restore_control(w, was, e);

	if (!is_lost(r))
		r = restore_method(w, was, e);
	if (!is_lost(r) && how == BIND_RETURN_DRIVER)
		r = bind_framebuffer_back(w, was->framebuffer, e);
	return is_lost(r) ? r : 0;
}

void bind_return_methods(struct bind_worker *w, const struct bind_entry *n)
{
	for (size_t i = 0; i < n->count; i++)
		(void)restore_method(w, &n->members[i], NULL);
}

static int device_rebind(
	struct bind_worker *w, struct pci_address a, const char *driver, struct err *e)
{
	struct pci_device d;

	if (!bind_driver_present(w->transaction->env->host, driver)) {
		const struct bind_env *env = w->transaction->env;
		int r = env->kernel->load(driver, env->timeout_ms, e);
		if (r < 0)
			return r;
	}
	/* Loading the module may have bound the device already. */
	int r = pci_device_peek(w->transaction->env->host, a, &d, e);
	if (r < 0 || strcmp(d.driver, driver) == 0)
		return r;
	return write_driver(w, driver, "bind", a, e);
}

/* Clears the override and lets the kernel choose; a driver that is not loaded is no error. */
static int device_probe(struct bind_worker *w, const struct pci_device *d,
	const struct bind_was *was, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];

	int r = write_device(w, d->address, "driver_override", "", e);
	if (r == 0 && d->driver[0])
		r = write_driver(w, d->driver, "unbind", d->address, e);
	if (r < 0)
		return r;
	r = bind_resize_back(w, was, e);
	if (r < 0)
		return r;
	return bind_worker_write(
		w, "/sys/bus/pci/drivers_probe", pci_address_format(d->address, address), e);
}

static int device_move(struct bind_worker *w, const struct bind_was *was,
	const struct pci_device *d, const char *driver, struct err *e)
{
	if (strcmp(d->driver_override, was->override) != 0) {
		int r = write_device(w, was->address, "driver_override", was->override, e);
		if (r < 0)
			return r;
	}
	/* On its first driver already: its BARs belong to that driver. */
	if (d->driver[0] && strcmp(d->driver, driver) == 0)
		return 0;
	int r = d->driver[0] ? write_driver(w, d->driver, "unbind", was->address, e) : 0;
	if (r < 0)
		return r;
	r = bind_resize_back(w, was, e);
	if (r < 0 || !driver[0])
		return r;
	return device_rebind(w, was->address, driver, e);
}

/*
 * An override that usher did not write is another tool's, and stays. driverctl may have set the one
 * that usher had set, too: then it keeps it in a file.
 */
static bool override_is_foreign(
	struct host *h, const struct bind_was *was, const struct pci_device *d)
{
	char path[FILE_PATH_MAX], address[PCI_ADDRESS_TEXT], text[PCI_NAME_MAX];

	if (!d->driver_override[0] || strcmp(d->driver_override, was->override) == 0)
		return false;
	if (strcmp(d->driver_override, was->to) != 0)
		return true;
	return file_path(path, sizeof(path), "/etc/driverctl.d/pci-%s",
		       pci_address_format(was->address, address)) == 0 &&
	       host_read_text(h, path, text, sizeof(text)) > 0 &&
	       strcmp(text, d->driver_override) == 0;
}

/* To the driver that another tool's override names, which the kernel's probe finds. */
static int device_hand_over(struct bind_worker *w, const struct bind_was *was,
	const struct pci_device *d, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];

	if (strcmp(d->driver, d->driver_override) == 0)
		return 0;
	int r = d->driver[0] ? write_driver(w, d->driver, "unbind", d->address, e) : 0;
	if (r < 0)
		return r;
	r = bind_resize_back(w, was, e);
	if (r < 0)
		return r;
	return bind_worker_write(
		w, "/sys/bus/pci/drivers_probe", pci_address_format(d->address, address), e);
}

/* Why @d cannot be returned as @was says; NULL if it can. */
static const char *device_obstacle(const struct bind_was *was, const struct pci_device *d)
{
	if (d->vendor != was->vendor || d->device != was->device || d->class != was->class)
		return "another device has its address now: left alone";
	if (d->driver[0] && strcmp(d->driver, was->to) != 0 && strcmp(d->driver, was->driver) != 0)
		return "another tool gave it another driver: left alone";
	return NULL;
}

static int member_return(struct bind_worker *w, const struct bind_was *was, enum bind_return how,
	struct bind_returned *g, struct err *e)
{
	const char *driver = how == BIND_RETURN_NONE ? "" : was->driver;
	char address[PCI_ADDRESS_TEXT];
	struct pci_device d;

	pci_address_format(was->address, address);
	int r = pci_device_read(w->transaction->env->host, was->address, &d, e);
	if (r == -ENODEV) {
		returned_stays(g, "the device is gone");
		return 0;
	}
	if (r < 0)
		return r;
	(void)snprintf(g->from, sizeof(g->from), "%s", d.driver);
	(void)snprintf(g->to, sizeof(g->to), "%s", d.driver);
	const char *why = device_obstacle(was, &d);
	if (why) {
		returned_stays(g, why);
		return 0;
	}
	restore_vf(w, was, g);
	bool fitting = strcmp(driver, BIND_DRIVER_FITTING) == 0;
	bool foreign = !fitting && override_is_foreign(w->transaction->env->host, was, &d);
	if (foreign) {
		r = device_hand_over(w, was, &d, e);
		returned_overridden(g, d.driver_override);
	} else {
		r = fitting ? device_probe(w, &d, was, e) : device_move(w, was, &d, driver, e);
	}
	if (r == 0)
		r = restore_settings(w, was, how, e);
	if (pci_device_peek(w->transaction->env->host, was->address, &d, r < 0 ? NULL : e) == 0) {
		(void)snprintf(g->to, sizeof(g->to), "%s", d.driver);
		if (r == 0 && !fitting && !foreign && strcmp(d.driver, driver) != 0)
			r = err_say(e, -EIO, "is on '%s', not on '%s'", d.driver, driver);
	}
	if (r >= 0)
		return 0;
	err_in(e, r, "%s", address);
	if (pci_device_is_dead(w->transaction->env->host, &d) == 1)
		err_hint(e, "usher revive %s, then: usher restore", address);
	return r;
}

int bind_return_members(struct bind_worker *w, const struct bind_entry *n, enum bind_return how,
	const char *const *why_stays, struct bind_report *ret, struct err *e)
{
	int first = 0;

	struct bind_returned *given = n->count ? bind_report_add(ret, n->count) : NULL;
	if (n->count && !given)
		return err_set(e, -ENOMEM, "return group %d", n->group);
	for (size_t i = n->count; i--;) {
		const struct bind_was *was = &n->members[i];
		struct err why = {0};
		given[i].address = was->address;
		if (why_stays && why_stays[i]) {
			(void)snprintf(given[i].from, sizeof(given[i].from), "%s", was->to);
			(void)snprintf(given[i].to, sizeof(given[i].to), "%s", was->to);
			returned_stays(&given[i], why_stays[i]);
			continue;
		}
		int r = member_return(w, was, how, &given[i], &why);
		if (r == 0)
			continue;
		returned_stays(&given[i], why.msg);
		if (is_lost(r))
			(void)bind_worker_arm(w, NULL); /* the others need not wait for this one */
		if (first == 0) {
			first = r;
			if (e)
				*e = why;
		}
	}
	return first;
}
