/* SPDX-License-Identifier: MIT */
#include "metrics/family.h"

#include "base/num.h"
#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
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

/* The samples of a family stand together, in whatever order they come. */
struct metrics {
	struct text samples[METRICS];
};

struct metrics *metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof(*m));

	for (size_t i = 0; m && i < METRICS; i++) {
		if (text_begin(&m->samples[i]) < 0) {
			metrics_free(m);
			return NULL;
		}
	}
	return m;
}

void metrics_free(struct metrics *m)
{
	char *text;

	for (size_t i = 0; m && i < METRICS; i++)
		if (m->samples[i].out && text_end(&m->samples[i], &text) >= 0)
			free(text);
	free(m);
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

void metrics_add(
	struct metrics *m, enum metric family, uint64_t value, const struct metric_label *labels)
{
	FILE *out = m->samples[family].out;
	const char *before = "{";

	(void)fprintf(
		out, "%s%s", families[family].name, families[family].is_counter ? "_total" : "");
	for (; labels && labels->name; labels++) {
		(void)fprintf(out, "%s%s=\"", before, labels->name);
		label_print(out, labels->value ? labels->value : "");
		(void)fputc('"', out);
		before = ",";
	}
	(void)fprintf(out, "%s %" PRIu64 "\n", before[0] == ',' ? "}" : "", value);
}

static int family_print(FILE *out, struct metrics *m, enum metric family)
{
	char *samples = NULL;

	int len = text_end(&m->samples[family], &samples);
	m->samples[family].out = NULL;
	if (len > 0) {
		const char *const name = families[family].name;
		(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, families[family].help,
			name, families[family].is_counter ? "counter" : "gauge");
		if (families[family].unit)
			(void)fprintf(out, "# UNIT %s %s\n", name, families[family].unit);
		(void)fputs(samples, out);
	}
	free(samples);
	return len < 0 ? len : 0;
}

int metrics_text(struct metrics *m, char **ret)
{
	struct text t;
	char *text = NULL;
	int r = text_begin(&t);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < METRICS; i++)
		r = family_print(t.out, m, (enum metric)i);
	(void)fputs("# EOF\n", t.out);
	int len = text_end(&t, &text);
	if (r < 0 || len < 0) {
		free(text);
		return r < 0 ? r : len;
	}
	*ret = text;
	return len;
}
