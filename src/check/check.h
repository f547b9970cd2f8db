/* SPDX-License-Identifier: MIT */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "pci/device.h"

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

/* Whether usher would lend a device now. */
enum check_verdict_kind {
	CHECK_LENDABLE,
	CHECK_STEP, /* after a step, which the text names */
	CHECK_CANNOT,
	CHECK_UNKNOWN, /* this user may not see all users of the device */
};

struct check_verdict {
	struct pci_device device;
	enum check_verdict_kind kind;
	size_t count; /* of steps, or reasons; the text has the first one */
	char text[400]; /* the step, or the reason; escaped; "" for none */
	char why[400]; /* why the step is needed; "" if the text says so */
	char claim[80]; /* which claim makes virtual functions, or this one; "" for none */
};

struct check_report {
	size_t verdict_count;
	struct check_verdict *verdicts; /* on the named devices, or on those that may be lent */
	size_t count;
	struct check_finding *list; /* by severity, then by object (the host first), then by rule */
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
	bool all; /* without any: bridges and the chipset as well */
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

/* "yes", "step", "no", "unknown". */
const char *check_verdict_name(enum check_verdict_kind k);

/* "fail", "warn", "info". */
const char *check_severity_name(enum check_severity s);

/* Every rule in the table's order; NULL after the last. */
const struct check_rule_info *check_rule_at(size_t i);

#endif
