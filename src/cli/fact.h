/* SPDX-License-Identifier: MIT */
#ifndef CLI_FACT_H
#define CLI_FACT_H

#include "pci/device.h"
#include "pci/iommu.h"

/* What a host is like, for the topics of `usher help`: sentences with its numbers in them. */
struct facts {
	struct host *host;
	enum pci_iommu iommu;
	size_t count;
	struct pci_device *devices; /* by address */
};

/* Return: 0, -errno. facts_fini() either way. */
int facts_read(struct host *h, struct facts *ret);
void facts_fini(struct facts *f);

/* Each prints its sentences, two blanks in. */
void fact_vfio(const struct facts *f);
void fact_container(const struct facts *f);
void fact_group(const struct facts *f);
void fact_iommu(const struct facts *f);
void fact_passthrough(const struct facts *f);
void fact_binding(const struct facts *f);
void fact_kvm(const struct facts *f);
void fact_virtio(const struct facts *f);
/* Other tools that lend devices. */
void fact_owners(const struct facts *f);
void fact_reset(const struct facts *f);
void fact_bar(const struct facts *f);
void fact_sriov(const struct facts *f);

#endif
