/* SPDX-License-Identifier: MIT */
#include "pci/aer.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *file, *port_file;
} kinds[PCI_AERS] = {
	[PCI_AER_CORRECTABLE] = {"corrected", "aer_dev_correctable", "aer_rootport_total_err_cor"},
	[PCI_AER_NONFATAL] = {"nonfatal", "aer_dev_nonfatal", "aer_rootport_total_err_nonfatal"},
	[PCI_AER_FATAL] = {"fatal", "aer_dev_fatal", "aer_rootport_total_err_fatal"},
};

const char *pci_aer_name(enum pci_aer kind)
{
	return kinds[kind].name;
}

const char *pci_aer_file(enum pci_aer kind)
{
	return kinds[kind].file;
}

const char *pci_aer_port_file(enum pci_aer kind)
{
	return kinds[kind].port_file;
}

int pci_aer_port_read(struct host *h, struct pci_address a, enum pci_aer kind, uint64_t *ret)
{
	char path[FILE_PATH_MAX];

	int r = pci_device_path(a, kinds[kind].port_file, path, sizeof(path));
	return r < 0 ? r : host_read_number(h, path, ret);
}

static void name_append(struct pci_aer_count *c, const char *name, uint64_t n)
{
	const size_t len = strlen(c->names);

	(void)snprintf(
		c->names + len, sizeof(c->names) - len, "%s%s %" PRIu64, len ? ", " : "", name, n);
}

/* "RxErr 3"; the sum is in the line "TOTAL_ERR_COR 4". Return: whether the line is the sum. */
static bool line_take(const char *line, struct pci_aer_count *c)
{
	char name[64];
	uint64_t n;

	if (sscanf(line, "%63s %" SCNu64, name, &n) != 2)
		return false;
	if (strncmp(name, "TOTAL_", 6) == 0) {
		c->total = n;
		return true;
	}
	if (n)
		name_append(c, name, n);
	return false;
}

int pci_aer_read(struct host *h, struct pci_address a, enum pci_aer kind, struct pci_aer_count *ret)
{
	char path[FILE_PATH_MAX], text[2048];
	bool has_total = false;

	*ret = (struct pci_aer_count){.total = 0};
	int r = pci_device_path(a, kinds[kind].file, path, sizeof(path));
	if (r < 0)
		return r;
	r = host_read_text(h, path, text, sizeof(text));
	if (r < 0)
		return r;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		has_total = line_take(line, ret) || has_total;
	return has_total ? 0 : -EPROTO;
}
