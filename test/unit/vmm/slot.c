/* SPDX-License-Identifier: MIT */
#include "vmm/pci/slot.h"

#include "suite.h"
#include "vmm/pci/rootport.h"

#include <linux/pci.h>
#include <string.h>

#define EXPRESS 0x40
#define MSI 0x80
#define SLTCTL (EXPRESS + PCI_EXP_SLTCTL)
#define SLTSTA (EXPRESS + PCI_EXP_SLTSTA)
#define LNKSTA (EXPRESS + PCI_EXP_LNKSTA)

/* As Linux' pciehp sets it. */
#define LISTEN \
	(PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_CCIE | PCI_EXP_SLTCTL_DLLSCE)

static uint8_t bytes[PCI_CONFIG_SIZE];
static struct root_port port;
static struct pci_func card, second;
static struct lock card_lock = LOCK_INIT(LOCK_DEVICE);
static int resets, quiets, ejects, messages;

static uint32_t card_read(struct pci_func *f, unsigned off, unsigned size)
{
	return 0;
}

static void card_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
}

static void card_quiet(struct pci_func *f)
{
	quiets++;
}

static void card_reset(struct pci_func *f)
{
	resets++;
}

static void card_eject(struct pci_func *f)
{
	ck_assert(port.slot.occupied); /* the guest is notified afterwards */
	ejects++;
}

static const struct pci_func_ops card_ops = {
	.name = "card",
	.config_read = card_read,
	.config_write = card_write,
	.quiet = card_quiet,
	.reset = card_reset,
	.eject = card_eject,
	.fini = card_reset,
};

static void send(void *arg, uint64_t address, uint32_t data)
{
	ck_assert_ptr_eq(arg, &messages);
	ck_assert_uint_eq(address, UINT64_C(0x1fee01000));
	ck_assert_uint_eq(data, 0x4041);
	messages++;
}

static uint32_t get(unsigned off, unsigned size)
{
	return port.func.ops->config_read(&port.func, off, size);
}

static void put(unsigned off, unsigned size, uint32_t v)
{
	port.func.ops->config_write(&port.func, off, size, v);
}

static void change_control(unsigned clear, unsigned set)
{
	put(SLTCTL, 2, (get(SLTCTL, 2) & ~clear) | set);
}

static void drive(void)
{
	put(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	put(MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee01000);
	put(MSI + PCI_MSI_ADDRESS_HI, 4, 1);
	put(MSI + PCI_MSI_DATA_64, 2, 0x4041);
	put(MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	change_control(0, LISTEN);
}

static void forget(void)
{
	resets = quiets = ejects = messages = 0;
}

/* A card in slot 3, and a guest with a driver for the slot. */
static void start(void)
{
	memset(bytes, 0, sizeof(bytes));
	root_port_init(&port, 3, bytes);
	root_port_set_sender(&port, send, &messages);
	card = (struct pci_func){.ops = &card_ops, .lock = &card_lock};
	root_port_attach(&port, &card);
	root_port_fill(&port);
	drive();
	forget();
}

START_TEST(is_full_and_on)
{
	start();
	uint32_t cap = get(EXPRESS + PCI_EXP_SLTCAP, 4);
	ck_assert_uint_eq(cap >> 19, 3);
	ck_assert_uint_eq(cap & 0x7ffff,
		PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PCP | PCI_EXP_SLTCAP_AIP | PCI_EXP_SLTCAP_PIP |
			PCI_EXP_SLTCAP_HPS | PCI_EXP_SLTCAP_HPC | PCI_EXP_SLTCAP_NCCS);
	ck_assert_uint_ne(get(EXPRESS + PCI_EXP_LNKCAP, 4) & PCI_EXP_LNKCAP_DLLLARC, 0);
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDS);
	ck_assert_uint_eq(get(LNKSTA, 2), PCI_EXP_LNKSTA_DLLLA | PCI_EXP_LNKSTA_CLS_2_5GB | 1 << 4);
	ck_assert_uint_eq(get(SLTCTL, 2) & (PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PIC),
		PCI_EXP_SLTCTL_PWR_IND_ON);
	ck_assert(slot_linked(&port.slot));
	ck_assert_int_eq(messages, 0);
}
END_TEST

START_TEST(only_its_masks_are_writable)
{
	start();
	/* Power stays on. */
	put(SLTCTL, 2, 0xffff & ~PCI_EXP_SLTCTL_PCC);
	ck_assert_uint_eq(get(SLTCTL, 2), PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE |
						  PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_AIC |
						  PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_DLLSCE);
	put(EXPRESS + PCI_EXP_SLTCAP, 4, 0);
	put(LNKSTA, 2, 0);
	put(SLTSTA, 2, 0xffff);
	ck_assert_uint_eq(get(EXPRESS + PCI_EXP_SLTCAP, 4) >> 19, 3);
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDS);
	ck_assert(slot_linked(&port.slot));
	/* One message, 64 bits, no mask. */
	put(MSI + PCI_MSI_FLAGS, 2, 0xffff);
	ck_assert_uint_eq(get(MSI + PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_ENABLE);
	put(MSI + PCI_MSI_ADDRESS_LO, 4, 0xffffffff);
	ck_assert_uint_eq(get(MSI + PCI_MSI_ADDRESS_LO, 4), 0xfffffffc);
	ck_assert_int_eq(messages + resets + quiets + ejects, 0);
}
END_TEST

START_TEST(lets_go_when_asked)
{
	start();
	root_port_request_unplug(&port);
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_ABP);
	ck_assert_int_eq(messages, 1);
	root_port_request_unplug(&port);
	ck_assert_int_eq(messages, 1);
	ck_assert(!slot_acknowledges(&port.slot));
	/* The guest clears the event in the status register, together with other pending events. */
	put(SLTCTL, 4, get(SLTCTL, 4));
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDS);
	change_control(PCI_EXP_SLTCTL_PIC, PCI_EXP_SLTCTL_PWR_IND_BLINK);
	ck_assert(slot_acknowledges(&port.slot));
	ck_assert_int_eq(ejects, 0);
	change_control(0, PCI_EXP_SLTCTL_PWR_OFF);
	ck_assert_int_eq(ejects, 1);
	ck_assert_int_eq(resets, 0);
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	ck_assert(!slot_linked(&port.slot));
	/* The slot is empty, whether its power is on or off. */
	change_control(PCI_EXP_SLTCTL_PCC, 0);
	ck_assert(!slot_linked(&port.slot));
	root_port_unplug(&port);
	root_port_request_unplug(&port);
	ck_assert_int_eq(resets, 0);
}
END_TEST

START_TEST(asks_again_who_did_not_listen)
{
	start();
	change_control(LISTEN, 0);
	root_port_request_unplug(&port);
	ck_assert_int_eq(messages, 0);
	put(SLTSTA, 2, 0xffff); /* a new driver clears old events */
	change_control(0, LISTEN);
	ck_assert_uint_ne(get(SLTSTA, 2) & PCI_EXP_SLTSTA_ABP, 0);
	ck_assert_int_eq(messages, 1);
	/* After the guest's answer, another press would cancel the first one. */
	put(SLTSTA, 2, 0xffff);
	change_control(PCI_EXP_SLTCTL_PIC, PCI_EXP_SLTCTL_PWR_IND_BLINK);
	change_control(PCI_EXP_SLTCTL_HPIE, 0);
	change_control(0, PCI_EXP_SLTCTL_HPIE);
	ck_assert_uint_eq(get(SLTSTA, 2) & PCI_EXP_SLTSTA_ABP, 0);
	ck_assert_int_eq(messages, 1);
}
END_TEST

START_TEST(a_pulled_card_is_told)
{
	start();
	root_port_unplug(&port);
	ck_assert_int_eq(ejects, 1);
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	ck_assert_uint_eq(get(LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA, 0);
	ck_assert_int_eq(messages, 1);
	root_port_unplug(&port);
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	ck_assert_int_eq(messages, 1);
}
END_TEST

START_TEST(a_card_of_two_leaves_whole)
{
	start();
	second = (struct pci_func){.ops = &card_ops, .lock = &card_lock, .fn = 1};
	root_port_attach(&port, &second);
	root_port_fill(&port);
	root_port_request_unplug(&port);
	change_control(0, PCI_EXP_SLTCTL_PWR_OFF);
	ck_assert_int_eq(ejects, 2);
}
END_TEST

START_TEST(power_is_the_guests)
{
	start();
	change_control(0, PCI_EXP_SLTCTL_PWR_OFF);
	ck_assert_int_eq(quiets, 1);
	ck_assert_int_eq(ejects, 0);
	ck_assert(!slot_linked(&port.slot));
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_DLLSC);
	change_control(0, PCI_EXP_SLTCTL_PWR_OFF);
	ck_assert_int_eq(quiets, 1);
	ck_assert_int_eq(resets, 0);
	change_control(PCI_EXP_SLTCTL_PCC, 0);
	ck_assert_int_eq(resets, 1);
	ck_assert(slot_linked(&port.slot));
	/* While the power is off, there is no driver to ask. */
	change_control(0, PCI_EXP_SLTCTL_PWR_OFF);
	root_port_request_unplug(&port);
	ck_assert_int_eq(ejects, 1);
	ck_assert_uint_eq(get(SLTSTA, 2) & PCI_EXP_SLTSTA_PDS, 0);
}
END_TEST

START_TEST(one_message_until_all_is_taken)
{
	start();
	root_port_request_unplug(&port);
	root_port_unplug(&port);
	ck_assert_int_eq(messages, 1);
	put(SLTSTA, 2, PCI_EXP_SLTSTA_ABP);
	ck_assert_int_eq(messages, 1);
	put(SLTSTA, 2, PCI_EXP_SLTSTA_DLLSC); /* presence is pending, but not enabled */
	change_control(0, PCI_EXP_SLTCTL_PDCE);
	ck_assert_int_eq(messages, 2);
	put(SLTSTA, 2, PCI_EXP_SLTSTA_PDC);
	change_control(PCI_EXP_SLTCTL_HPIE, 0);
	change_control(0, PCI_EXP_SLTCTL_HPIE);
	ck_assert_int_eq(messages, 2);
}
END_TEST

START_TEST(a_message_wants_msi_and_mastering)
{
	start();
	put(PCI_COMMAND, 2, 0);
	root_port_request_unplug(&port);
	ck_assert_int_eq(messages, 0);
	start();
	put(MSI + PCI_MSI_FLAGS, 2, 0);
	root_port_request_unplug(&port);
	ck_assert_int_eq(messages, 0);
	start();
	root_port_set_sender(&port, NULL, NULL);
	root_port_request_unplug(&port);
	ck_assert_int_eq(messages, 0);
}
END_TEST

START_TEST(reset_keeps_what_is_in_it)
{
	start();
	change_control(0, PCI_EXP_SLTCTL_PWR_OFF);
	root_port_request_unplug(&port);
	forget();
	port.func.ops->reset(&port.func);
	ck_assert(!slot_linked(&port.slot));
	ck_assert_uint_eq(get(SLTSTA, 2), 0);
	ck_assert_uint_eq(get(SLTCTL, 2),
		PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_ATTN_IND_OFF);

	start();
	change_control(0, PCI_EXP_SLTCTL_PWR_OFF);
	port.func.ops->reset(&port.func);
	ck_assert(slot_linked(&port.slot));
	ck_assert_uint_eq(get(SLTCTL, 2), PCI_EXP_SLTCTL_PWR_IND_ON | PCI_EXP_SLTCTL_ATTN_IND_OFF);
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDS);
	ck_assert_uint_eq(get(MSI + PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT);

	/*
	 * The host still wants the device: after a reboot, the guest is asked when its driver is
	 * there.
	 */
	start();
	root_port_request_unplug(&port);
	port.func.ops->reset(&port.func);
	ck_assert_uint_eq(get(SLTSTA, 2), PCI_EXP_SLTSTA_PDS);
	forget();
	drive();
	ck_assert_int_eq(messages, 1);
	ck_assert_uint_ne(get(SLTSTA, 2) & PCI_EXP_SLTSTA_ABP, 0);
}
END_TEST

START_TEST(survives_a_scribbling_guest)
{
	uint32_t state = 1;

	start();
	root_port_set_sender(&port, NULL, NULL);
	for (int i = 0; i < 200000; i++) {
		state = state * 1664525 + 1013904223;
		unsigned size = 1U << (state >> 30) % 3;
		put((EXPRESS + (state >> 16) % 0x50) & ~(size - 1), size, state * 2654435761U);
		if (i == 150000)
			root_port_unplug(&port);
		bool on = !(get(SLTCTL, 2) & PCI_EXP_SLTCTL_PCC);
		ck_assert_int_eq(slot_linked(&port.slot), on && i < 150000);
		ck_assert_int_eq(!!(get(SLTSTA, 2) & PCI_EXP_SLTSTA_PDS), i < 150000);
	}
	ck_assert_int_gt(resets, 100);
	ck_assert_int_eq(ejects, 1);
}
END_TEST

SUITE("slot", is_full_and_on, only_its_masks_are_writable, lets_go_when_asked,
	asks_again_who_did_not_listen, a_pulled_card_is_told, a_card_of_two_leaves_whole,
	power_is_the_guests, one_message_until_all_is_taken, a_message_wants_msi_and_mastering,
	reset_keeps_what_is_in_it, survives_a_scribbling_guest)
