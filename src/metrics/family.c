/* SPDX-License-Identifier: MIT */
#include "metrics/family.h"

#include "base/num.h"
#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *help;
	bool is_counter;
	const char *unit; /* with which the name ends; NULL: none */
} families[METRICS] = {
	[METRIC_VERSION] = {"usher_version", "The version of usher, as a label."},
	[METRIC_DEVICES] = {"usher_devices", "PCI functions, by driver."},
	[METRIC_GROUPS] = {"usher_groups",
		"IOMMU groups, by driver; a group with several drivers counts for each."},
	[METRIC_ERRORS] = {"usher_device_errors",
		"Errors of PCI Express that the kernel has counted (AER).", .is_counter = true},
	[METRIC_LOST] = {"usher_device_lost", "1: the kernel remembers that it does not answer."},
	[METRIC_RESETS_FAILED] = {"usher_resets_failed",
		"Functions that stay on VFIO because their last reset failed."},
	[METRIC_JOURNAL] = {"usher_journal_entries",
		"IOMMU groups that usher has taken and not returned, by state."},
	[METRIC_REFUSALS] = {"usher_refusals",
		"Times since the boot that usher refused to take devices.", .is_counter = true},
	[METRIC_LEASES] = {"usher_leases", "How many leases there are."},
	[METRIC_LEASE] = {"usher_lease", "1: there is this lease; 'unknown' is for root to know."},
	[METRIC_LEASE_DEVICES] = {"usher_lease_devices", "Functions that a lease has."},
	[METRIC_GUESTS] = {"usher_guests", "How many guests run."},
	[METRIC_GUEST] = {"usher_guest", "1: this guest runs; 'unknown' is for root to know."},
	[METRIC_GUEST_DEVICES] = {"usher_guest_devices", "Functions that a guest has."},
	[METRIC_GUEST_MEMORY] = {"usher_guest_memory_bytes", "Memory of the guest.",
		.unit = "bytes"},
	[METRIC_GUEST_DMA] = {"usher_guest_dma_bytes", "Its memory that devices may reach.",
		.unit = "bytes"},
	[METRIC_GUEST_REBOOTS] = {"usher_guest_reboots", "Reboots.", .is_counter = true},
	[METRIC_GUEST_EXITS] = {"usher_guest_exits", "Exits to usher-vmm, by reason.",
		.is_counter = true},
	[METRIC_GUEST_INTERRUPTS] = {"usher_guest_interrupts",
		"Interrupts of a lent function, by kind and vector.", .is_counter = true},
	[METRIC_GUEST_RESETS] = {"usher_guest_device_resets",
		"Resets of a lent function that the guest made.", .is_counter = true},
	[METRIC_GUEST_VIRTIO_EXITS] = {"usher_guest_virtio_exits",
		"Accesses to the registers of a virtio device.", .is_counter = true},
	[METRIC_GUEST_CHAINS] = {"usher_guest_queue_chains",
		"Chains of buffers that a queue gave back to the guest.", .is_counter = true},
	[METRIC_GUEST_QUEUE_INTERRUPTS] = {"usher_guest_queue_interrupts", "Interrupts of a queue.",
		.is_counter = true},
};

/* The samples of a family stand together in the text, in whatever order they come. */
struct metrics {
	struct metric_sample *list;
	size_t count;
	bool failed; /* no memory for one of them */
};

const char *metric_name(enum metric family)
{
	return families[family].name;
}

const char *metric_type(enum metric family)
{
	return families[family].is_counter ? "counter" : "gauge";
}

const char *metric_help(enum metric family)
{
	return families[family].help;
}

const char *metric_unit(enum metric family)
{
	return families[family].unit;
}

struct metrics *metrics_new(void)
{
	return calloc(1, sizeof(struct metrics));
}

static void sample_free(struct metric_sample *s)
{
	while (s->label_count)
		free((void *)(uintptr_t)s->labels[--s->label_count].value);
}

void metrics_free(struct metrics *m)
{
	for (size_t i = 0; m && i < m->count; i++)
		sample_free(&m->list[i]);
	if (m)
		free(m->list);
	free(m);
}

void metrics_add(
	struct metrics *m, enum metric family, uint64_t value, const struct metric_label *labels)
{
	struct metric_sample *list = reallocarray(m->list, m->count + 1, sizeof(*list));

	if (!list) {
		m->failed = true;
		return;
	}
	m->list = list;
	struct metric_sample *s = &list[m->count++];
	*s = (struct metric_sample){.family = family, .value = value};
	for (; labels && labels->name && s->label_count < METRIC_LABELS_MAX; labels++) {
		char *copy = strdup(labels->value ? labels->value : "");
		m->failed = m->failed || !copy;
		if (copy)
			s->labels[s->label_count++] = (struct metric_label){labels->name, copy};
	}
}

const struct metric_sample *metrics_next(
	const struct metrics *m, enum metric family, const struct metric_sample *at)
{
	for (size_t i = at ? (size_t)(at - m->list) + 1 : 0; i < m->count; i++)
		if (m->list[i].family == family)
			return &m->list[i];
	return NULL;
}

/* The format is UTF-8; other bytes become '?'. */
static void label_print(FILE *out, const char *value)
{
	uint32_t c;

	for (size_t n; *value; value += n) {
		n = utf8_decode(value, &c);
		if (!n) {
			(void)fputc('?', out);
			n = 1;
		} else if (*value == '\n') {
			(void)fputs("\\n", out);
		} else {
			if (*value == '"' || *value == '\\')
				(void)fputc('\\', out);
			(void)fwrite(value, 1, n, out);
		}
	}
}

static void sample_print(FILE *out, const struct metric_sample *s)
{
	(void)fprintf(out, "%s%s", families[s->family].name,
		families[s->family].is_counter ? "_total" : "");
	for (size_t i = 0; i < s->label_count; i++) {
		(void)fprintf(out, "%s%s=\"", i ? "," : "{", s->labels[i].name);
		label_print(out, s->labels[i].value);
		(void)fputc('"', out);
	}
	(void)fprintf(out, "%s %" PRIu64 "\n", s->label_count ? "}" : "", s->value);
}

static void family_print(FILE *out, const struct metrics *m, enum metric family)
{
	const struct metric_sample *s = metrics_next(m, family, NULL);
	const char *const name = families[family].name;

	if (!s)
		return;
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, families[family].help, name,
		metric_type(family));
	if (families[family].unit)
		(void)fprintf(out, "# UNIT %s %s\n", name, families[family].unit);
	for (; s; s = metrics_next(m, family, s))
		sample_print(out, s);
}

int metrics_text(const struct metrics *m, char **ret)
{
	struct text t;

	if (m->failed || text_begin(&t) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < METRICS; i++)
		family_print(t.out, m, (enum metric)i);
	(void)fputs("# EOF\n", t.out);
	return text_end(&t, ret);
}
