/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "claim/claim.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "host/host.h"
#include "view/json.h"
#include "view/table.h"

#include <stdio.h>

struct claims {
	struct claim *list;
	struct claim_judgement *stands;
	size_t count;
};

static bool is_found(const struct claim_judgement *s)
{
	return s->standing == BIND_STANDING_AT || s->standing == BIND_STANDING_MOVED;
}

static int print_table(const struct claims *c, struct err *e)
{
	static const struct table_column columns[] = {
		{"CLAIM", TABLE_LEFT},
		{"ID", TABLE_LEFT},
		{"DRIVER", TABLE_LEFT},
		{"STATE", TABLE_SHRINK},
	};
	struct table *t = NULL;
	char id[12];

	int r = table_new(columns, COUNT(columns), &t, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->count; i++) {
		const struct claim *n = &c->list[i];
		const struct claim_judgement *s = &c->stands[i];
		bool at = s->standing == BIND_STANDING_AT;
		(void)snprintf(id, sizeof(id), "%04x:%04x", n->identity.vendor, n->identity.device);
		(void)table_row(t, NULL);
		table_set(t, 0, n->name, TABLE_PLAIN);
		table_set(t, 1, n->bad[0] ? "-" : id, TABLE_PLAIN);
		table_set(t, 2, is_found(s) && s->device.driver[0] ? s->device.driver : "-",
			TABLE_PLAIN);
		table_set(t, 3, s->text, at ? TABLE_GOOD : TABLE_BAD);
	}
	r = table_print(t, e);
	table_free(t);
	return r;
}

static void put_claim(struct json *j, const struct claim *n, const struct claim_judgement *s)
{
	const struct claim_identity *k = &n->identity;
	char text[24];

	json_put_text(j, "name", n->name);
	json_put_text(j, "state", claim_standing_name(s->standing));
	json_put_text(j, "text", s->text);
	if (n->bad[0])
		return;
	json_put_text(j, "path", k->path);
	(void)snprintf(text, sizeof(text), "%04x:%04x", k->vendor, k->device);
	json_put_text(j, "id", text);
	(void)snprintf(text, sizeof(text), "%04x:%04x", k->subvendor, k->subdevice);
	json_put_text(j, "subsystem", text);
	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)k->serial);
	json_put_text(j, "serial", k->has_serial ? text : NULL);
	json_put_text(j, "claimed_at", pci_address_format(n->address, text));
	json_put_text(j, "user", n->user[0] ? n->user : NULL);
	json_put_text(j, "user_group", n->user_group[0] ? n->user_group : NULL);
	bool found = is_found(s);
	json_put_text(j, "address", found ? pci_address_format(s->device.address, text) : NULL);
	json_put_text(j, "driver", found && s->device.driver[0] ? s->device.driver : NULL);
}

static int print_json(const struct claims *c, struct err *e)
{
	struct json *doc = NULL;

	int r = json_new(1, &doc, e);
	if (r < 0)
		return r;
	struct json *list = json_put_list(doc, "claims");
	for (size_t i = 0; i < c->count; i++)
		put_claim(json_push_map(list), &c->list[i], &c->stands[i]);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

enum { JSON = 1, HOST };

static int parse(const struct verb *v, int argc, char **argv, const char **host, bool *json)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, JSON},
		{"host", required_argument, NULL, HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	int c;

	while ((c = option_next(&o)) > 0) {
		if (c == JSON)
			*json = true;
		else
			*host = optarg;
	}
	if (c != OPTION_END)
		return c;
	return optind < argc ? option_wrong(v, "takes no '%s'", argv[optind]) : 0;
}

static int run(const struct verb *v, int argc, char **argv)
{
	const char *file = NULL;
	struct host *h = NULL;
	struct claims c = {0};
	struct err e = {0};
	bool json = false;

	int r = parse(v, argc, argv, &file, &json);
	if (r)
		return r < 0 ? option_leave(r) : r;
	r = option_host(file, &h);
	if (r)
		return r;
	r = claim_list(h, BIND_CLAIMS_DIR, &c.list, &c.count, &e);
	if (r == 0)
		r = claim_judge(h, c.list, c.count, &c.stands, &e);
	if (r == 0)
		r = json ? print_json(&c, &e) : print_table(&c, &e);
	if (r < 0)
		report(&e);
	free(c.list);
	free(c.stands);
	host_close(h);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_claims = {
	.name = "claims",
	.summary = "the claimed devices, and where they are now",
	.help = "claims [OPTION…]\n"
		"\n"
		"Lists what /etc/usher/claims.d claims: 'at ADDRESS', 'moved: it is now at "
		"ADDRESS',\n"
		"'missing', 'other device there', or what is wrong with the claim.\n"
		"\n"
		"  --json           the same for programs\n"
		"  --host FILE      of a snapshot of a host\n"
		"\n"
		"example: usher claims\n",
	.run = run,
};
