/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "pci/acs.h"
#include "view/regions.h"
#include "view/size.h"
#include "view/wrap.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#define TEXT 160
#define HANG 21 /* behind "[060] " */

static const char *speed_name(unsigned speed)
{
	static const char *const names[] = {"?", "2.5", "5", "8", "16", "32", "64"};

	return speed < sizeof(names) / sizeof(names[0]) ? names[speed] : "?";
}

static void express_text(const struct pci_config *c, char *buf, size_t size)
{
	struct pci_express x;

	if (pci_express_read(c, &x) < 0)
		return;
	int n = snprintf(
		buf, size, "%s%s", pci_express_type_name(x.type), x.has_flr ? ", FLR" : "");
	if (x.width_max)
		(void)snprintf(buf + n, size - (size_t)n, ", %s GT/s x%u of %s GT/s x%u",
			speed_name(x.speed), x.width, speed_name(x.speed_max), x.width_max);
}

static void msix_text(const struct pci_config *c, char *buf, size_t size)
{
	struct pci_msix m;

	int r = pci_msix_read(c, &m);
	if (r == -EINVAL)
		(void)snprintf(buf, size, "malformed: its table is not in a BAR");
	else if (r == 0)
		(void)snprintf(buf, size,
			"%u vector%s, table in BAR %u at 0x%x, pending bits in BAR %u at 0x%x",
			m.count, m.count == 1 ? "" : "s", m.table_bar, m.table_offset, m.pba_bar,
			m.pba_offset);
}

static void msi_text(const struct pci_config *c, char *buf, size_t size)
{
	struct pci_msi m;

	if (pci_msi_read(c, &m) == 0)
		(void)snprintf(buf, size, "%u vector%s%s%s", m.count, m.count == 1 ? "" : "s",
			m.is_64 ? ", 64-bit" : "", m.can_mask ? ", maskable" : "");
}

static void power_text(const struct pci_config *c, char *buf, size_t size)
{
	struct pci_power p;

	if (pci_power_read(c, &p) == 0)
		(void)snprintf(buf, size, "in D%u%s", p.state,
			p.no_soft_reset ? ", not reset by D3hot" : ", reset by D3hot");
}

static void sriov_text(const struct pci_config *c, char *buf, size_t size)
{
	struct pci_sriov s;

	if (pci_sriov_read(c, &s) == 0)
		(void)snprintf(buf, size, "%u of %u virtual functions, id %04x", s.active, s.total,
			s.device);
}

static void serial_text(const struct pci_config *c, char *buf, size_t size)
{
	uint64_t n;

	if (pci_serial_read(c, &n) == 0)
		(void)snprintf(buf, size, "%016" PRIx64, n);
}

static void acs_text(const struct pci_config *c, char *buf, size_t size)
{
	struct pci_acs a = pci_acs_judge(c);
	char bits[16];

	if (a.verdict == PCI_ACS_LACKS)
		(void)snprintf(buf, size, "does not isolate: %s off",
			pci_acs_bits(a.missing, bits, sizeof(bits)));
	else if (a.verdict == PCI_ACS_ISOLATES)
		(void)snprintf(buf, size, "isolates");
}

static void af_text(const struct pci_config *c, char *buf, size_t size)
{
	uint16_t off = pci_capability_find(c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_AF);

	if (pci_config_u8(c, off + PCI_AF_CAP) & PCI_AF_CAP_FLR)
		(void)snprintf(buf, size, "FLR");
}

/* The resizable BARs and their current sizes. Ref: PCI Express Base 7.8.6. */
static void rebar_text(const struct pci_config *c, char *buf, size_t size)
{
	uint16_t off = pci_capability_find(c, PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_REBAR);
	unsigned count = (pci_config_u32(c, off + PCI_REBAR_CTRL) & PCI_REBAR_CTRL_NBAR_MASK) >>
			 PCI_REBAR_CTRL_NBAR_SHIFT;
	int n = 0;

	for (unsigned i = 0; i < count && (size_t)n < size; i++) {
		uint32_t control = pci_config_u32(c, off + PCI_REBAR_CTRL + 8 * i);
		unsigned order = (control & PCI_REBAR_CTRL_BAR_SIZE) >> PCI_REBAR_CTRL_BAR_SHIFT;
		char text[32];

		n += snprintf(buf + n, size - (size_t)n, "%sBAR %u is %s", n ? ", " : "",
			control & PCI_REBAR_CTRL_BAR_IDX,
			size_format(order < 44 ? MIB(1) << order : 0, text, sizeof(text)));
	}
}

/* The content of a capability that matters for passthrough; "" for others. */
static void capability_text(
	const struct pci_config *c, const struct pci_capability *x, char *buf, size_t size)
{
	static const struct {
		enum pci_capability_kind kind;
		uint16_t id;
		void (*text)(const struct pci_config *c, char *buf, size_t size);
	} known[] = {
		{PCI_CAPABILITY_STANDARD, PCI_CAP_ID_EXP, express_text},
		{PCI_CAPABILITY_STANDARD, PCI_CAP_ID_MSIX, msix_text},
		{PCI_CAPABILITY_STANDARD, PCI_CAP_ID_MSI, msi_text},
		{PCI_CAPABILITY_STANDARD, PCI_CAP_ID_PM, power_text},
		{PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_SRIOV, sriov_text},
		{PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_DSN, serial_text},
		{PCI_CAPABILITY_STANDARD, PCI_CAP_ID_AF, af_text},
		{PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_ACS, acs_text},
		{PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_REBAR, rebar_text},
	};

	buf[0] = '\0';
	for (size_t i = 0; i < COUNT(known); i++)
		if (known[i].kind == x->kind && known[i].id == x->id)
			known[i].text(c, buf, size);
}

static const char *capability_label(const struct pci_capability *x, char *buf, size_t size)
{
	const char *name = pci_capability_name(x->kind, x->id);

	if (name)
		return name;
	(void)snprintf(buf, size, "unknown (id %04x)", x->id);
	return buf;
}

static void print_bars(const struct space *s)
{
	char size[32], text[TEXT], label[16];

	for (size_t i = 0; i < s->bar_count; i++) {
		const struct pci_bar *b = &s->bars[i];

		if (b->kind == PCI_BAR_IO)
			(void)snprintf(size, sizeof(size), "%" PRIu64, b->size);
		else
			size_format(b->size, size, sizeof(size));
		if (b->index == PCI_BAR_ROM_INDEX)
			(void)snprintf(label, sizeof(label), "ROM");
		else
			(void)snprintf(label, sizeof(label), "BAR %u", b->index);
		int n = snprintf(text, sizeof(text), "%s", size);
		if (b->kind != PCI_BAR_ROM)
			n += snprintf(text + n, sizeof(text) - (size_t)n, " %s%s",
				pci_bar_kind_name(b->kind),
				b->prefetchable ? ", prefetchable" : "");
		if (!b->assigned)
			(void)snprintf(text + n, sizeof(text) - (size_t)n, ", not assigned");
		else if (b->address)
			(void)snprintf(
				text + n, sizeof(text) - (size_t)n, " at 0x%" PRIx64, b->address);
		(void)printf("  %-12s %s\n", label, text);
	}
}

void space_print(const struct space *s)
{
	struct pci_capability list[PCI_CAPABILITY_MAX];
	char text[TEXT], line[TEXT + 64], unknown[32];

	print_bars(s);
	size_t n = pci_capability_list(&s->config, list, PCI_CAPABILITY_MAX);
	for (size_t i = 0; i < n; i++) {
		capability_text(&s->config, &list[i], text, sizeof(text));
		(void)snprintf(line, sizeof(line), "  %-12s [%03x] %s%s%s", i ? "" : "capabilities",
			list[i].offset, capability_label(&list[i], unknown, sizeof(unknown)),
			text[0] ? ": " : "", text);
		wrap_put(stdout, wrap_width(), HANG, line);
	}
	if (s->config_error && s->config_error != -ENOENT)
		(void)printf(
			"  %-12s cannot be read: %s\n", "capabilities", strerror(-s->config_error));
	else if (s->config.size == PCI_STD_HEADER_SIZEOF)
		(void)printf("  %-12s only root can read them\n", "capabilities");
}
