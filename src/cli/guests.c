/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "base/text.h"
#include "cli/option.h"
#include "cli/report.h"
#include "libvirt/connection.h"
#include "view/json.h"
#include "view/table.h"

#include <errno.h>
#include <stdio.h>

struct listing {
	struct json *list; /* of --json */
	struct table *table; /* otherwise */
	size_t count;
};

enum { LIBVIRT = 1, JSON };

/* "0000:01:00.0 0000:01:00.1"; "-" for none. *@ret is the caller's to free(). */
static int devices_text(const struct libvirt_domain *d, char **ret)
{
	char address[PCI_ADDRESS_TEXT];
	struct text t;

	int r = text_begin(&t);
	if (r < 0)
		return r;
	for (size_t i = 0; i < d->count; i++)
		(void)fprintf(t.out, "%s%s", i ? " " : "",
			pci_address_format(d->devices[i].address, address));
	if (!d->count)
		(void)fputc('-', t.out);
	return text_end(&t, ret);
}

static int guest_text(struct table *t, const struct libvirt_state *s)
{
	cleanup_free char *has = NULL, *configured = NULL;

	int r = devices_text(&s->running, &has);
	if (r >= 0)
		r = devices_text(&s->configured, &configured);
	if (r < 0)
		return r;
	(void)table_row(t, NULL);
	table_set(t, 0, s->name, TABLE_BOLD);
	table_set(t, 1, s->runs ? "running" : "off", TABLE_PLAIN);
	table_set(t, 2, has, TABLE_PLAIN);
	table_set(t, 3, s->persists ? configured : "transient", TABLE_PLAIN);
	return 0;
}

static void put_devices(struct json *list, const struct libvirt_domain *d)
{
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < d->count; i++)
		json_push_text(list, pci_address_format(d->devices[i].address, address));
}

static void guest_json(struct json *j, const struct libvirt_state *s)
{
	json_put_text(j, "name", s->name);
	json_put_text(j, "uuid", s->uuid);
	json_put_text(j, "state", s->runs ? "running" : "off");
	json_put_flag(j, "persistent", s->persists);
	put_devices(json_put_list(j, "devices"), &s->running);
	put_devices(json_put_list(j, "configured"), &s->configured);
}

static int guest_put(void *arg, const struct libvirt_state *s)
{
	struct listing *l = arg;

	l->count++;
	if (!l->list)
		return guest_text(l->table, s);
	guest_json(json_push_map(l->list), s);
	return 0;
}

static int print_table(struct libvirt_connection *c, struct err *e)
{
	static const struct table_column columns[] = {
		{"NAME", TABLE_LEFT},
		{"STATE", TABLE_LEFT},
		{"DEVICES", TABLE_SHRINK},
		{"CONFIGURED", TABLE_SHRINK},
	};
	struct listing l = {0};

	int r = table_new(columns, COUNT(columns), &l.table, e);
	if (r < 0)
		return r;
	r = libvirt_each_guest(c, guest_put, &l, e);
	if (r == 0 && l.count)
		r = table_print(l.table, e);
	else if (r == 0)
		report_note("libvirt has no domain there");
	table_free(l.table);
	return r;
}

static int print_json(struct libvirt_connection *c, struct err *e)
{
	struct listing l = {0};
	struct json *doc = NULL;

	int r = json_new("guests", &doc, e);
	if (r < 0)
		return r;
	l.list = json_put_list(doc, "guests");
	r = libvirt_each_guest(c, guest_put, &l, e);
	if (r == 0)
		r = json_print(doc, e);
	json_free(doc);
	return r;
}

static int guests_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"libvirt", required_argument, NULL, LIBVIRT},
		{"json", no_argument, NULL, JSON},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	struct libvirt_connection *c = NULL;
	const char *uri = LIBVIRT_URI;
	bool json = false;
	struct err e = {0};
	int option;

	while ((option = option_next(&o)) > 0) {
		json = json || option == JSON;
		uri = option == LIBVIRT ? optarg : uri;
	}
	if (option != OPTION_END)
		return option_leave(option);
	if (optind < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind]);
	int r = libvirt_connect(uri, true, &c, &e);
	if (r == 0)
		r = json ? print_json(c, &e) : print_table(c, &e);
	libvirt_disconnect(c);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_guests = {
	.name = "guests",
	.summary = "list domains of libvirt, and the devices that they have",
	.help = "guests [OPTION…]\n"
		"\n"
		"Lists the domains of a hypervisor that libvirt reaches, with the PCI devices\n"
		"that each has now, and those that its configuration names. 'usher ps' lists\n"
		"usher's own guests.\n"
		"\n"
		"      --libvirt URI      of the hypervisor (default: qemu:///system)\n"
		"  -j, --json             print a JSON document\n"
		"\n"
		"Examples: on this host, and on another one.\n"
		"\n"
		"  usher guests\n"
		"  usher guests --libvirt qemu+ssh://root@server/system\n",
	.run = guests_run,
};
