/* SPDX-License-Identifier: MIT */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct host;

/*
 * Diagnoses what prevents passthrough on this host. check.c has a table of rules; each rule checks
 * one thing, only reads, and reports the problem, the evidence and the fix.
 */
enum check_severity {
	CHECK_INFO, /* worth knowing */
	CHECK_WARN, /* will bite some day */
	CHECK_FAIL, /* no device can be lent, or not this one */
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
	char path[160]; /* the file or attribute that proves it; "" for none */
	char value[160]; /* and what stands there */
	char fix[320]; /* the fix; "" if there is none */
};

/* A rule that could not read what it needs: missing rights, or a file that a snapshot lacks. */
struct check_blind {
	const struct check_rule_info *rule;
	char object[64];
	char path[160];
	int error; /* -errno */
};

struct check_report {
	size_t count;
	struct check_finding
		*list; /* by severity, then in the order of the table, then by object */
	size_t blind_count;
	struct check_blind *blind;
	size_t rules_run;
	size_t rules_quiet; /* rules that could read everything and found nothing */
};

struct check_request {
	/*
	 * Devices to be lent: these are checked completely. Without any, all devices are checked
	 * for problems that do not depend on their user.
	 */
	const struct pci_address *addresses;
	size_t address_count;
};

/*
 * Runs all rules. The state of the host is never an error. The caller calls check_report_fini() in
 * any case.
 * Return: 0, -ENODEV for a named device that does not exist, -ENOMEM, -errno.
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
