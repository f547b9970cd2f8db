/* SPDX-License-Identifier: MIT */
#ifndef METRICS_FAMILY_H
#define METRICS_FAMILY_H

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Figures as OpenMetrics text. It is valid as the older text format of Prometheus, too, which
 * node_exporter reads: so there are gauges and counters alone, and no family of type info.
 */
enum metric {
	METRIC_VERSION,
	METRIC_DEVICES,
	METRIC_GROUPS,
	METRIC_ERRORS,
	METRIC_LOST,
	METRIC_RESETS_FAILED,
	METRIC_JOURNAL,
	METRIC_REFUSALS,
	METRIC_LEASES,
	METRIC_LEASE,
	METRIC_LEASE_DEVICES,
	METRIC_GUESTS,
	METRIC_GUEST,
	METRIC_GUEST_DEVICES,
	METRIC_GUEST_MEMORY,
	METRIC_GUEST_DMA,
	METRIC_GUEST_REBOOTS,
	METRIC_GUEST_EXITS,
	METRIC_GUEST_INTERRUPTS,
	METRIC_GUEST_RESETS,
	METRIC_GUEST_VIRTIO_EXITS,
	METRIC_GUEST_CHAINS,
	METRIC_GUEST_QUEUE_INTERRUPTS,
	METRICS,
};

struct metrics; /* samples, by family */

/* Return: NULL without memory. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

struct metric_label {
	const char *name, *value;
};

/*
 * Adds a sample. @labels: at most METRIC_LABELS_MAX, their names static; they end with {0}; NULL:
 * none. Without memory the text fails.
 */
void metrics_add(
	struct metrics *m, enum metric family, uint64_t value, const struct metric_label *labels);

/* All families that have a sample, and "# EOF"; *@ret is the caller's. Return: length, -ENOMEM. */
int metrics_text(const struct metrics *m, char **ret);

#define METRIC_LABELS_MAX 4

struct metric_sample {
	enum metric family;
	uint64_t value;
	size_t label_count;
	struct metric_label labels[METRIC_LABELS_MAX]; /* own copies of the values */
};

/* The first sample of @family behind @at, which is NULL for the first one. Return: NULL: none. */
const struct metric_sample *metrics_next(
	const struct metrics *m, enum metric family, const struct metric_sample *at);

/* "usher_devices"; "gauge" or "counter"; a sentence; "bytes", or NULL. */
const char *metric_name(enum metric family);
const char *metric_type(enum metric family);
const char *metric_help(enum metric family);
const char *metric_unit(enum metric family);

#endif
