/* SPDX-License-Identifier: MIT */
#include "revive/port.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/capability.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

static int bus_read(struct host *h, struct pci_address a, const char *attr, uint8_t *ret)
{
	char path[FILE_PATH_MAX];
	uint64_t n = 0;

	int r = pci_device_path(a, attr, path, sizeof(path));
	if (r == 0)
		r = host_read_number(h, path, &n);
	if (r < 0 || n > UINT8_MAX)
		return r < 0 ? r : -EINVAL;
	*ret = (uint8_t)n;
	return 0;
}

int revive_port_buses(
	struct host *h, struct pci_address bridge, uint8_t *ret_secondary, uint8_t *ret_last)
{
	int r = bus_read(h, bridge, "secondary_bus_number", ret_secondary);

	return r < 0 ? r : bus_read(h, bridge, "subordinate_bus_number", ret_last);
}

int revive_port_leading_to(struct host *h, const struct pci_device *all, size_t count,
	struct pci_address a, struct pci_address *ret)
{
	uint8_t first = 0, last = 0, best = 0;

	for (size_t i = 0; i < count; i++) {
		const struct pci_device *d = &all[i];
		if (!d->is_bridge || d->address.domain != a.domain ||
			revive_port_buses(h, d->address, &first, &last) < 0)
			continue;
		/* The ranges are nested, so the closest bridge has the largest first bus. */
		if (first > best && first <= a.bus && a.bus <= last) {
			best = first;
			*ret = d->address;
		}
	}
	return best ? 0 : -ENOENT;
}

void revive_port_read_link(struct host *h, struct revive_port *p)
{
	struct pci_express x;
	struct pci_config c;

	p->has_link = false;
	p->presence = REVIVE_PRESENCE_UNKNOWN;
	if (pci_config_read(h, p->address, &c, NULL) < 0 || pci_express_read(&c, &x) < 0 ||
		(x.type != PCI_EXP_TYPE_ROOT_PORT && x.type != PCI_EXP_TYPE_DOWNSTREAM))
		return;
	p->has_link = true;
	p->control_at = (uint16_t)(x.offset + PCI_EXP_LNKCTL);
	p->control = pci_config_u16(&c, p->control_at);
	p->status = pci_config_u16(&c, x.offset + PCI_EXP_LNKSTA);
	p->speed_max = x.speed_max;
	p->width_max = x.width_max;
	/* A port without a slot shows a card at all times (7.5.3.11). */
	if (!(pci_config_u16(&c, x.offset + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_SLOT))
		return;
	p->presence = pci_config_u16(&c, x.offset + PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS
			      ? REVIVE_PRESENCE_CARD
			      : REVIVE_PRESENCE_EMPTY;
}

/* A search for the slot of one device. */
struct search {
	struct host *host;
	char address[PCI_ADDRESS_TEXT]; /* "0000:01:00": a slot has all functions of a device */
	struct revive_port *port;
};

static bool slot_name_ok(const char *name)
{
	return strlen(name) < REVIVE_SLOT_MAX && !strpbrk(name, "/ \n") && *name != '.';
}

static int slot_match(void *arg, const char *name)
{
	struct search *s = arg;
	char path[FILE_PATH_MAX], text[PCI_ADDRESS_TEXT];
	uint64_t on = 0;

	if (!slot_name_ok(name) ||
		file_path(path, sizeof(path), "/sys/bus/pci/slots/%s/address", name) < 0 ||
		host_read_text(s->host, path, text, sizeof(text)) < 0 ||
		strcmp(text, s->address) != 0)
		return 0;
	if (file_path(path, sizeof(path), "/sys/bus/pci/slots/%s/power", name) < 0 ||
		host_read_number(s->host, path, &on) < 0)
		return 0;
	(void)snprintf(s->port->slot, sizeof(s->port->slot), "%s", name);
	s->port->slot_on = on != 0;
	return 1;
}

/* A slot without the file `power` has only a name: firmware tables describe such slots, too. */
static void slot_read(struct host *h, struct pci_address a, struct revive_port *p)
{
	struct search s = {.host = h, .port = p};
	struct pci_address device = a;

	if (a.bus != p->secondary)
		device = (struct pci_address){a.domain, p->secondary, 0, 0};
	pci_address_format(device, s.address);
	*strrchr(s.address, '.') = '\0';
	(void)h->ops->list(h, "/sys/bus/pci/slots", slot_match, &s);
}

void revive_port_read(
	struct host *h, struct pci_address port, struct pci_address a, struct revive_port *ret)
{
	uint8_t last = 0;
	struct revive_port p = {.address = port};

	/* A snapshot may lack the number; the device on the bus has it. */
	if (revive_port_buses(h, port, &p.secondary, &last) < 0)
		p.secondary = a.bus;
	revive_port_read_link(h, &p);
	slot_read(h, a, &p);
	*ret = p;
}
