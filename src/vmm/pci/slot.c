/* SPDX-License-Identifier: MIT */
#include "vmm/pci/slot.h"

#include "base/endian.h"
#include "vmm/pci/config.h"

#include <linux/pci_regs.h>

#define SLOT_CAPABILITIES                                                                    \
	(PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PCP | PCI_EXP_SLTCAP_AIP | PCI_EXP_SLTCAP_PIP | \
		PCI_EXP_SLTCAP_HPS | PCI_EXP_SLTCAP_HPC | PCI_EXP_SLTCAP_NCCS)
#define SLOT_NUMBER_SHIFT 19

/* No power fault, no latch, no lock; with NCCS the command completed interrupt is always off. */
#define SLOT_CONTROL                                                                            \
	(PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_AIC | \
		PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_DLLSCE)
#define SLOT_EVENTS (PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC)

static unsigned get_express(const struct slot *s, unsigned off)
{
	return le16_get(s->regs->bytes + s->express + off);
}

static void put_express(struct slot *s, unsigned off, unsigned value)
{
	le16_put(s->regs->bytes + s->express + off, (uint16_t)value);
}

static bool has_power(const struct slot *s)
{
	return !(get_express(s, PCI_EXP_SLTCTL) & PCI_EXP_SLTCTL_PCC);
}

bool slot_linked(const struct slot *s)
{
	return get_express(s, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA;
}

static void set_link(struct slot *s)
{
	put_express(s, PCI_EXP_LNKSTA,
		s->occupied && has_power(s) ? s->link | PCI_EXP_LNKSTA_DLLLA
					    : PCI_EXP_LNKSTA_CLS_2_5GB);
}

void slot_set_link(struct slot *s, unsigned link)
{
	s->link = link;
	set_link(s);
}

void slot_reset(struct slot *s, unsigned number)
{
	/* An empty slot has no power, so the guest does not wait for a link. */
	unsigned control = PCI_EXP_SLTCTL_ATTN_IND_OFF |
			   (s->occupied ? PCI_EXP_SLTCTL_PWR_IND_ON
					: PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PWR_OFF);
	const unsigned msi = s->msi, express = s->express;
	struct func_config *r = s->regs;

	func_config_set(
		r, express + PCI_EXP_SLTCAP, 4, SLOT_CAPABILITIES | number << SLOT_NUMBER_SHIFT, 0);
	func_config_set(r, express + PCI_EXP_SLTCTL, 2, control, SLOT_CONTROL);
	func_config_set(r, express + PCI_EXP_SLTSTA, 2, s->occupied ? PCI_EXP_SLTSTA_PDS : 0, 0);
	func_config_set_clear(r, express + PCI_EXP_SLTSTA, 2, SLOT_EVENTS);
	set_link(s);
	func_config_set(r, msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT, PCI_MSI_FLAGS_ENABLE);
	func_config_set(r, msi + PCI_MSI_ADDRESS_LO, 4, 0, ~3U);
	func_config_set(r, msi + PCI_MSI_ADDRESS_HI, 4, 0, UINT32_MAX);
	func_config_set(r, msi + PCI_MSI_DATA_64, 2, 0, UINT16_MAX);
	s->listened = s->told = false;
}

static void send_message(const struct slot *s)
{
	const uint8_t *msi = s->regs->bytes + s->msi;

	/* A message is a memory write by the port, which needs bus mastering. */
	if (!s->send || !(le16_get(msi + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE) ||
		!(le16_get(s->regs->bytes + PCI_COMMAND) & PCI_COMMAND_MASTER))
		return;
	s->send(s->arg, le64_get(msi + PCI_MSI_ADDRESS_LO), le16_get(msi + PCI_MSI_DATA_64));
}

/* Ref: PCI Express Base 6.7.3.4: one message when the first of the enabled events is pending */
static void tell_guest(struct slot *s)
{
	unsigned control = get_express(s, PCI_EXP_SLTCTL);
	/* An event and its enable have the same bit, except for the link's. */
	unsigned enabled = control & (PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE);

	if (control & PCI_EXP_SLTCTL_DLLSCE)
		enabled |= PCI_EXP_SLTSTA_DLLSC;
	bool stands = control & PCI_EXP_SLTCTL_HPIE && get_express(s, PCI_EXP_SLTSTA) & enabled;
	if (stands && !s->told)
		send_message(s);
	s->told = stands;
}

static void set_events(struct slot *s, unsigned events)
{
	put_express(s, PCI_EXP_SLTSTA, get_express(s, PCI_EXP_SLTSTA) | events);
	tell_guest(s);
}

static bool is_listening(const struct slot *s)
{
	const unsigned both = PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_HPIE;

	return (get_express(s, PCI_EXP_SLTCTL) & both) == both;
}

bool slot_acknowledges(const struct slot *s)
{
	/* A blinking power indicator shows that the guest has noticed the button. */
	return (get_express(s, PCI_EXP_SLTCTL) & PCI_EXP_SLTCTL_PIC) ==
	       PCI_EXP_SLTCTL_PWR_IND_BLINK;
}

enum slot_power slot_written(struct slot *s)
{
	bool was_linked = slot_linked(s), listened = s->listened;

	set_link(s);
	s->listened = is_listening(s);
	/* A driver that has just started clears events from before: press the button again. */
	if (s->asked && s->listened && !listened && !slot_acknowledges(s))
		put_express(s, PCI_EXP_SLTSTA, get_express(s, PCI_EXP_SLTSTA) | PCI_EXP_SLTSTA_ABP);
	if (slot_linked(s) == was_linked) {
		tell_guest(s);
		return SLOT_AS_IT_WAS;
	}
	set_events(s, PCI_EXP_SLTSTA_DLLSC);
	return was_linked ? SLOT_TURNED_OFF : SLOT_TURNED_ON;
}

void slot_fill(struct slot *s)
{
	s->occupied = true;
	put_express(s, PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_ATTN_IND_OFF | PCI_EXP_SLTCTL_PWR_IND_ON);
	put_express(s, PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDS);
	set_link(s);
}

void slot_insert(struct slot *s)
{
	unsigned events = PCI_EXP_SLTSTA_PDC;

	if (s->occupied)
		return;
	s->occupied = true;
	set_link(s);
	/* Of a slot with a button Linux asks for no change of presence: the button turns it on. */
	events |= slot_linked(s) ? PCI_EXP_SLTSTA_DLLSC : PCI_EXP_SLTSTA_ABP;
	put_express(s, PCI_EXP_SLTSTA, get_express(s, PCI_EXP_SLTSTA) | PCI_EXP_SLTSTA_PDS);
	set_events(s, events);
}

void slot_press_button(struct slot *s)
{
	if (s->asked || !s->occupied)
		return;
	s->asked = true;
	set_events(s, PCI_EXP_SLTSTA_ABP);
}

void slot_remove(struct slot *s)
{
	unsigned events = PCI_EXP_SLTSTA_PDC;

	if (!s->occupied)
		return;
	if (slot_linked(s))
		events |= PCI_EXP_SLTSTA_DLLSC;
	s->occupied = s->asked = false;
	set_link(s);
	put_express(
		s, PCI_EXP_SLTSTA, get_express(s, PCI_EXP_SLTSTA) & ~(unsigned)PCI_EXP_SLTSTA_PDS);
	set_events(s, events);
}
