/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "control/value.h"
#include "metrics/collect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int device_count(void *arg, const char *key, const struct control_value *device)
{
	*(uint64_t *)arg += control_value_is_text(device);
	return 0;
}

static uint64_t devices_of(const struct control_value *state)
{
	uint64_t count = 0;

	(void)control_value_each(control_value_member(state, "devices"), device_count, &count);
	return count;
}

static const char *or_unknown(const char *text)
{
	return text ? text : "unknown";
}

void metrics_lease(struct metrics *m, const char *name, const struct control_value *state)
{
	char user[24] = "unknown";
	int64_t n;

	if (control_value_number(state, "user", &n))
		(void)snprintf(user, sizeof(user), "%" PRId64, n);
	const struct metric_label all[] = {{"lease", name}, {"user", user},
		{"state", or_unknown(control_value_text(state, "state"))}, {0}};
	const struct metric_label of[] = {{"lease", name}, {0}};
	metrics_add(m, METRIC_LEASE, 1, all);
	if (state)
		metrics_add(m, METRIC_LEASE_DEVICES, devices_of(state), of);
}

void metrics_guest(struct metrics *m, const char *name, const struct control_value *state)
{
	const struct metric_label all[] = {{"guest", name},
		{"engine", or_unknown(control_value_text(state, "engine"))},
		{"state", or_unknown(control_value_text(state, "state"))}, {0}};
	const struct metric_label of[] = {{"guest", name}, {0}};
	int64_t n;

	metrics_add(m, METRIC_GUEST, 1, all);
	if (state)
		metrics_add(m, METRIC_GUEST_DEVICES, devices_of(state), of);
	if (control_value_number(state, "memory", &n) && n >= 0)
		metrics_add(m, METRIC_GUEST_MEMORY, (uint64_t)n, of);
}

/* Where in the answer a figure is: its labels so far. */
struct figures {
	struct metrics *to;
	const char *guest, *device, *part;
};

static void figure_add(const struct figures *f, enum metric family,
	const struct control_value *value, const char *label, const char *word)
{
	struct metric_label of[5] = {{"guest", f->guest}};
	const int64_t n = control_value_as_number(value);
	size_t count = 1;

	if (!control_value_is_number(value) || n < 0)
		return;
	if (f->device)
		of[count++] = (struct metric_label){"device", f->device};
	if (f->part)
		of[count++] = (struct metric_label){"kind", f->part};
	if (label)
		of[count++] = (struct metric_label){label, word};
	metrics_add(f->to, family, (uint64_t)n, of);
}

static int exit_add(void *arg, const char *key, const struct control_value *value)
{
	/* These are not reasons, and the first is the sum of those. */
	if (key && strcmp(key, "total") != 0 && strcmp(key, "coalesced") != 0 &&
		strcmp(key, "faults") != 0)
		figure_add(arg, METRIC_GUEST_EXITS, value, "reason", key);
	return 0;
}

static int vector_add(void *arg, const char *key, const struct control_value *value)
{
	if (key)
		figure_add(arg, METRIC_GUEST_INTERRUPTS, value, "vector", key);
	return 0;
}

static int device_add(void *arg, const char *key, const struct control_value *value)
{
	struct figures f = *(const struct figures *)arg;

	if (!key)
		return 0;
	f.device = key;
	figure_add(&f, METRIC_GUEST_RESETS, control_value_member(value, "resets"), NULL, NULL);
	f.part = "intx";
	figure_add(&f, METRIC_GUEST_INTERRUPTS, control_value_member(value, "intx"), "vector", "0");
	f.part = "msi";
	(void)control_value_each(control_value_member(value, "msi"), vector_add, &f);
	f.part = "msix";
	(void)control_value_each(control_value_member(value, "msix"), vector_add, &f);
	return 0;
}

static int queue_add(void *arg, const char *key, const struct control_value *value)
{
	const struct figures *f = arg;

	if (!key || strncmp(key, "queue", 5) != 0)
		return 0;
	figure_add(f, METRIC_GUEST_CHAINS, control_value_member(value, "chains"), "queue", key + 5);
	figure_add(f, METRIC_GUEST_QUEUE_INTERRUPTS, control_value_member(value, "interrupts"),
		"queue", key + 5);
	return 0;
}

static int virtio_add(void *arg, const char *key, const struct control_value *value)
{
	struct figures f = *(const struct figures *)arg;

	if (!key)
		return 0;
	f.device = key;
	figure_add(&f, METRIC_GUEST_VIRTIO_EXITS, control_value_member(value, "exits"), NULL, NULL);
	return control_value_each(value, queue_add, &f);
}

void metrics_statistics(struct metrics *m, const char *name, const struct control_value *figures)
{
	struct figures f = {.to = m, .guest = name};

	figure_add(&f, METRIC_GUEST_REBOOTS, control_value_member(figures, "reboots"), NULL, NULL);
	figure_add(&f, METRIC_GUEST_DMA,
		control_value_member(control_value_member(figures, "memory"), "for_dma"), NULL,
		NULL);
	(void)control_value_each(control_value_member(figures, "exits"), exit_add, &f);
	(void)control_value_each(control_value_member(figures, "devices"), device_add, &f);
	(void)control_value_each(control_value_member(figures, "virtio"), virtio_add, &f);
}
