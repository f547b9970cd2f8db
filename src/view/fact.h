/* SPDX-License-Identifier: MIT */
#ifndef VIEW_FACT_H
#define VIEW_FACT_H

#include "pci/device.h"
#include "pci/iommu.h"

#define FACTS_MAX 24
#define FACT_TEXT 512

/*
 * What a term of `usher help TOPIC` amounts to on one host: sentences with its numbers in them.
 * The devices are read once; each topic's function then adds its sentences.
 */
struct facts {
	struct host *host; /* only between facts_read() and facts_fini() of the caller */
	enum pci_iommu iommu;
	size_t device_count;
	struct pci_device *devices; /* by address */
	size_t count;
	char text[FACTS_MAX][FACT_TEXT]; /* sentences, not escaped yet */
};

/* Return: 0, -errno. facts_fini() either way. */
int facts_read(struct host *h, struct facts *ret);
void facts_fini(struct facts *f);

/* Each adds the sentences of one topic; more than FACTS_MAX are dropped. */
void fact_vfio(struct facts *f);
void fact_container(struct facts *f);
void fact_group(struct facts *f);
void fact_iommu(struct facts *f);
void fact_passthrough(struct facts *f);
void fact_binding(struct facts *f);
void fact_kvm(struct facts *f);
void fact_virtio(struct facts *f);
/* Other tools that lend devices. */
void fact_owners(struct facts *f);
void fact_reset(struct facts *f);
void fact_bar(struct facts *f);
void fact_sriov(struct facts *f);

#endif
