/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/output.h"
#include "bind/env.h"
#include "cli/guest.h"
#include "cli/lease.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "control/client.h"
#include "control/value.h"
#include "host/host.h"
#include "lease/borrow.h"
#include "metrics/collect.h"
#include "view/json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { OUTPUT = 1, HOST, JSON };

struct wanted {
	const char *output; /* NULL: standard output */
	const char *host; /* a snapshot; NULL: this machine */
	bool json;
};

struct collection {
	struct metrics *metrics;
	uint64_t leases, guests;
};

static void lease_collect(void *arg, const char *name)
{
	struct collection *c = arg;
	struct control_value *v = NULL;

	(void)borrow_state(BIND_STATE_DIR, name, &v, NULL);
	metrics_lease(c->metrics, name, v);
	control_value_free(v);
	c->leases++;
}

/* Engines other than usher-vmm have no statistics. */
static int guest_collect(void *arg, const char *name)
{
	struct control_link link = CONTROL_LINK_NONE;
	struct control_value *state = NULL, *v = NULL;
	struct collection *c = arg;

	int r = control_connect(guest_run_dir(name), name, &link, NULL);
	if (r == 0)
		r = control_ask(&link, "{\"command\":\"state\"}\n", &state, NULL);
	metrics_guest(c->metrics, name, state);
	if (r == 0)
		r = control_ask(&link, "{\"command\":\"statistics\"}\n", &v, NULL);
	if (r == 0)
		metrics_statistics(c->metrics, name, control_value_member(v, "statistics"));
	control_value_free(state);
	control_value_free(v);
	control_disconnect(&link);
	c->guests++;
	return 0;
}

static void machine_collect(struct metrics *m)
{
	const struct bind_env env = bind_env_live();
	struct collection c = {.metrics = m};

	metrics_journal(m, &env);
	leases_each(lease_collect, &c);
	(void)guests_each(guest_collect, &c);
	metrics_add(m, METRIC_LEASES, c.leases, NULL);
	metrics_add(m, METRIC_GUESTS, c.guests, NULL);
}

static void sample_put(struct json *list, const struct metric_sample *s)
{
	struct json *one = json_push_map(list);
	struct json *labels = json_put_map(one, "labels");

	for (size_t i = 0; i < s->label_count; i++)
		json_put_text(labels, s->labels[i].name, s->labels[i].value);
	json_put_number(one, "value", s->value);
}

static void family_put(struct json *list, const struct metrics *m, enum metric family)
{
	const struct metric_sample *s = metrics_next(m, family, NULL);

	if (!s)
		return;
	struct json *one = json_push_map(list);
	json_put_text(one, "name", metric_name(family));
	json_put_text(one, "type", metric_type(family));
	json_put_text(one, "unit", metric_unit(family));
	json_put_text(one, "text", metric_help(family));
	struct json *samples = json_put_list(one, "samples");
	for (; s; s = metrics_next(m, family, s))
		sample_put(samples, s);
}

static int print_json(const struct metrics *m, struct err *e)
{
	struct json *doc;

	int r = json_new("metrics", &doc, e);
	if (r < 0)
		return r;
	struct json *list = json_put_list(doc, "metrics");
	for (size_t i = 0; i < METRICS; i++)
		family_put(list, m, (enum metric)i);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

static int text_write(struct metrics *m, const struct wanted *w, struct err *e)
{
	cleanup_free char *text = NULL;

	int len = metrics_text(m, &text);
	if (len < 0)
		return err_set(e, len, "print the metrics");
	if (!w->output || strcmp(w->output, "-") == 0) {
		(void)fputs(text, stdout);
		return 0;
	}
	return output_write("metrics", w->output, text, (size_t)len, 0644, e);
}

static int metrics_collect(struct metrics *m, const struct wanted *w, struct host *h, struct err *e)
{
	const struct metric_label version[] = {{"version", USHER_VERSION}, {0}};

	metrics_add(m, METRIC_VERSION, 1, version);
	int r = metrics_devices(m, h, e);
	if (r < 0)
		return r;
	if (!w->host)
		machine_collect(m);
	return w->json ? print_json(m, e) : text_write(m, w, e);
}

static int metrics_option(void *arg, int c, const char *text)
{
	struct wanted *w = arg;

	if (c == OUTPUT)
		w->output = text;
	else if (c == HOST)
		w->host = text;
	w->json = w->json || c == JSON;
	return 0;
}

static int verb_metrics_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"output", required_argument, NULL, OUTPUT},
		{"host", required_argument, NULL, HOST},
		{"json", no_argument, NULL, JSON},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	struct wanted w = {0};
	struct host *h = NULL;
	struct err e = {0};

	int r = options_take(&o, metrics_option, &w);
	if (r)
		return option_leave(r);
	if (optind < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind]);
	if (w.output && !*w.output)
		return option_wrong(v, "--output: '' is not the name of a file");
	if (w.json && w.output)
		return option_wrong(v, "--output writes OpenMetrics text, and no JSON");
	r = option_host(w.host, &h);
	if (r)
		return r;
	struct metrics *m = metrics_new();
	r = m ? metrics_collect(m, &w, h, &e) : err_set(&e, -ENOMEM, "collect the metrics");
	metrics_free(m);
	host_close(h);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_metrics = {
	.name = "metrics",
	.summary = "print figures of devices, leases and guests for Prometheus",
	.help = "metrics [OPTION…]\n"
		"\n"
		"Prints figures of this host as OpenMetrics text: devices and groups by driver,\n"
		"errors of PCI Express, the journal, refusals, leases, and guests with their\n"
		"exits, queues and interrupts. Figures of other users' guests are for root.\n"
		"\n"
		"      --output FILE      write FILE instead, whole or not at all, as the\n"
		"                         textfile collector of node_exporter wants it\n"
		"      --host FILE        read the host from a snapshot; leases, guests and the\n"
		"                         journal are not in one\n"
		"  -j, --json             print a JSON document\n"
		"\n"
		"Examples:\n"
		"\n"
		"  usher metrics\n"
		"  usher metrics --output=/var/lib/prometheus/node-exporter/usher.prom\n",
	.run = verb_metrics_run,
};
