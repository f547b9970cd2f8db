/* SPDX-License-Identifier: MIT */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct host;

/*
 * The doctor: what stands between this host and lending a device, found before it happens. One
 * table of rules (check.c), each of which looks at one thing, reads only, and says what it found,
 * where it saw that, and what to do.
 */
enum check_severity {
	CHECK_INFO, /* worth knowing */
	CHECK_WARN, /* will bite some day */
	CHECK_FAIL, /* nothing can be lent, or not this device */
};

enum check_scope { CHECK_HOST, CHECK_DEVICE };

/* A rule's name, for people, documents and tests; it never changes its meaning. */
struct check_rule_info {
	const char *id; /* "H02", "P09" */
	const char *name; /* "kernel-iommu" */
	const char *about; /* what it looks at */
	enum check_scope scope;
};

/* All texts are escaped. */
struct check_finding {
	const struct check_rule_info *rule;
	enum check_severity severity;
	char object[64]; /* "host", "0000:01:00.0", "group 12" */
	char text[256]; /* what is the matter */
	char path[160]; /* where it was seen; "" for what is known otherwise */
	char value[160]; /* and what stands there */
	char fix[320]; /* what to do; "" when there is nothing to */
};

/* A rule that could not look: it needs more rights, or a file that a snapshot lacks. */
struct check_blind {
	const struct check_rule_info *rule;
	char object[64];
	char path[160];
	int error; /* -errno */
};

struct check_report {
	size_t count;
	struct check_finding *list; /* worst first, then as the table has them, then by object */
	size_t blind_count;
	struct check_blind *blind;
	size_t rules_run;
	size_t rules_quiet; /* of them: found nothing, and could look */
};

struct check_request {
	/*
	 * Devices somebody means to lend: whether they could be, and all there is to know. With
	 * none, what is wrong with any device, whoever would get it; not who uses which.
	 */
	const struct pci_address *addresses;
	size_t address_count;
};

/*
 * Runs all rules. Never fails for what a host is like. @ret: check_report_fini() either way.
 * Return: 0, -ENOMEM, -errno.
 */
int check_run(
	struct host *h, const struct check_request *q, struct check_report *ret, struct err *e);
void check_report_fini(struct check_report *r);

/* How many findings are of this severity. */
size_t check_report_count(const struct check_report *r, enum check_severity s);

/* "fail", "warn", "info". */
const char *check_severity_name(enum check_severity s);

/* Every rule in the table's order; NULL after the last. */
const struct check_rule_info *check_rule_at(size_t i);

#endif
