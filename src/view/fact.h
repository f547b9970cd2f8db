/* SPDX-License-Identifier: MIT */
#ifndef VIEW_FACT_H
#define VIEW_FACT_H

#include "pci/device.h"
#include "pci/iommu.h"

#define FACTS_MAX 24
#define FACT_TEXT 512

/* What a term of `usher help TOPIC` amounts to on one host: sentences with its numbers in them. */
struct facts {
	size_t count;
	char text[FACTS_MAX][FACT_TEXT]; /* not escaped yet */
};

/* A host, and what all topics ask about it. */
struct fact_source {
	struct host *host;
	enum pci_iommu iommu;
	size_t device_count;
	struct pci_device *devices; /* by address */
};

/* Return: 0, -errno. fact_source_fini() either way. */
int fact_source_read(struct host *h, struct fact_source *ret);
void fact_source_fini(struct fact_source *s);

/* Each adds the sentences of one topic; more than FACTS_MAX are dropped. */
void fact_vfio(const struct fact_source *s, struct facts *f);
void fact_container(const struct fact_source *s, struct facts *f);
void fact_group(const struct fact_source *s, struct facts *f);
void fact_iommu(const struct fact_source *s, struct facts *f);
void fact_passthrough(const struct fact_source *s, struct facts *f);
void fact_binding(const struct fact_source *s, struct facts *f);
void fact_kvm(const struct fact_source *s, struct facts *f);
void fact_virtio(const struct fact_source *s, struct facts *f);
/* Other tools that lend devices. */
void fact_owners(const struct fact_source *s, struct facts *f);
void fact_reset(const struct fact_source *s, struct facts *f);
void fact_bar(const struct fact_source *s, struct facts *f);
void fact_sriov(const struct fact_source *s, struct facts *f);

#endif
