/* SPDX-License-Identifier: MIT */
/*
 * lib_reset DISK NIC EDU OTHER: each method to reset a device, checked by its registers. DISK has
 * FLR, NIC (e1000e) PM; EDU and OTHER (e1000) are behind one bridge and in one group, the others in
 * two more.
 */
#include "facts.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <usher/irq.h>
#include <usher/region.h>
#include <usher/space.h>

/* Registers that keep what is written, and are 0 after a reset. */
#define NVME_CC 0x14 /* NVMe 1.4 §3.1.5 */
#define E1000_TDBAL 0x3800 /* 82540EM manual §13.4.37 */
#define EDU_LIVENESS 0x04 /* reads as the complement */
#define MARK 0x00460000u /* sizes of queue entries; not enabled */

struct card {
	struct usher_device *d;
	struct usher_window w;
	uint64_t reg; /* 0: none */
};

static uint32_t reg(struct card *c)
{
	uint32_t v = UINT32_MAX;

	(void)usher_read32(&c->w, c->reg, &v);
	return v;
}

static int masters(struct card *c)
{
	uint32_t command = 0;

	return usher_config_read(c->d, PCI_COMMAND, 2, &command) == 0 &&
	       command & PCI_COMMAND_MASTER;
}

/* A card in use: a register is written, bus mastering is on, an interrupt signals. */
static enum usher_irq start(struct card *c)
{
	enum usher_irq kind = usher_device_can(c->d, USHER_CAN_MSIX)  ? USHER_MSIX
			      : usher_device_can(c->d, USHER_CAN_MSI) ? USHER_MSI
								      : USHER_INTX;

	if (c->reg)
		(void)usher_write32(&c->w, c->reg, MARK);
	fact(usher_device_master_on(c->d, &e) == 0 && usher_irq_on(c->d, kind, 1, &e) == 0,
		"bus mastering and an interrupt go on");
	fact(!c->reg || reg(c) == MARK, "a register keeps what is written");
	return kind;
}

static struct card open_card(const char *address, struct usher_space *s, uint64_t reg)
{
	struct card c = {.d = open_device(address, s), .reg = reg};

	return c;
}

/* Do not move a window: the library keeps its address. */
static void look_in(struct card *c)
{
	fact(usher_window_open(c->d, USHER_BAR(0), 0, 0, USHER_UNCACHED, &c->w, &e) == 0,
		"a window onto its registers");
}

static int works(struct card *c, enum usher_irq kind)
{
	return masters(c) && (!c->reg || reg(c) == MARK) && usher_irq_fire(c->d, kind, 0) == 0 &&
	       usher_irq_wait(c->d, kind, 0, 1000) == 1;
}

static int starts_anew(struct card *c, enum usher_irq kind)
{
	return !masters(c) && (!c->reg || reg(c) == 0) && usher_irq_fd(c->d, kind, 0) == -ENOENT;
}

/* Does the kernel try the method of this test first? */
static int has_method(const char *address, const char *method)
{
	char path[96], text[64] = "";

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", address);
	FILE *f = fopen(path, "re");
	int ok = f && fgets(text, sizeof(text), f) && strncmp(text, method, strlen(method)) == 0;
	if (f)
		(void)fclose(f);
	return ok;
}

/* Resets the card, and uses it again. @anew: the fact that its registers are as after power-on. */
static void reset_and_use(struct card *c, const char *anew)
{
	enum usher_irq kind = start(c);

	fact(usher_device_reset(c->d, &e) == 0 && starts_anew(c, kind), anew);
	fact(start(c) == kind && works(c, kind), "and it works again");
	usher_device_close(c->d);
}

static void flr(const char *disk)
{
	struct card c = open_card(disk, NULL, NVME_CC);

	look_in(&c);
	fact(has_method(disk, "flr"), "the disk is reset by FLR");
	reset_and_use(&c, "FLR: its register is 0, bus mastering and interrupts are off");
	c = open_card(disk, NULL, NVME_CC);
	look_in(&c);
	fact(reg(&c) == 0, "opened anew, it has forgotten what it was left with");
	usher_device_close(c.d);
}

/*
 * QEMU ignores D3 and back (PMCSR promises a reset). So only the call, and what the library does
 * beside it, can be checked here.
 */
static void power(const char *nic)
{
	struct card c = open_card(nic, NULL, 0);

	look_in(&c);
	fact(has_method(nic, "pm"), "the network card is reset by PM");
	reset_and_use(&c, "PM: bus mastering and interrupts are off");
}

static int is_listed(const struct usher_dependent *list, int n, const char *address)
{
	for (int i = 0; i < n; i++)
		if (list[i].owned && strcmp(list[i].address, address) == 0)
			return 1;
	return 0;
}

static int lives(struct card *edu)
{
	uint32_t v = 0;

	(void)usher_write32(&edu->w, EDU_LIVENESS, 0x1234);
	return usher_read32(&edu->w, EDU_LIVENESS, &v) == 0 && v == ~0x1234u;
}

/*
 * Two devices of the bus, both open, and two of other groups in the same space. A bus reset does
 * not reset QEMU's edu, so the test reads the registers of the other one.
 */
static void bus(char **argv)
{
	struct usher_dependent list[8];
	struct usher_space *s = NULL;

	fact(usher_space_new(NULL, &s, &e) == 0, "a space of three groups");
	struct card disk = open_card(argv[0], s, NVME_CC), nic = open_card(argv[1], s, E1000_TDBAL),
		    edu = open_card(argv[2], s, 0), other = open_card(argv[3], s, E1000_TDBAL);
	look_in(&disk);
	look_in(&nic);
	look_in(&edu);
	look_in(&other);
	enum usher_irq disks = start(&disk), nics = start(&nic), edus = start(&edu),
		       others = start(&other);
	int n = usher_device_dependents(edu.d, list, 8, &e);
	fact(n == 2 && is_listed(list, n, argv[2]) && is_listed(list, n, argv[3]),
		"a reset of edu's bus hits two functions, both ours");
	fact(usher_device_can(edu.d, USHER_CAN_HOT_RESET) &&
			!usher_device_can(edu.d, USHER_CAN_RESET),
		"edu can be hot reset, and no other way");
	fact(usher_device_hot_reset(edu.d, &e) == 0, "hot reset");
	fact(starts_anew(&edu, edus) && lives(&edu), "edu starts anew");
	fact(starts_anew(&other, others), "so does the card beside it: its register is 0");
	fact(works(&disk, disks) && works(&nic, nics), "nothing has happened to the others");
	fact(start(&other) == others && works(&other, others), "the card works again");
	fact(usher_device_reset(edu.d, &e) == -ENOTTY, "a reset of edu alone: ENOTTY");
	e.msg[0] = '\0';
	fact(works(&other, others), "which changes nothing");
	/* The same for another device of the space, alone on its bus. */
	fact(usher_device_hot_reset(nic.d, &e) == 0 && starts_anew(&nic, nics),
		"the network card's bus: its register is 0");
	fact(works(&disk, disks) && works(&other, others), "and nothing has happened to the rest");
	usher_device_close(other.d);
	usher_device_close(edu.d);
	usher_device_close(nic.d);
	usher_device_close(disk.d);
	usher_space_free(s);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	flr(argv[1]);
	power(argv[2]);
	bus(argv + 1);
	fact(1, "closed in order");
	return failed;
}
