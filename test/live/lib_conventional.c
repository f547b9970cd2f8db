/* SPDX-License-Identifier: MIT */
/*
 * Conventional PCI devices through libusher, in the emulated host.
 *
 *	lib_conventional rtl8139 ADDRESS    a memory BAR of 256 bytes, an I/O BAR, INTx only
 *	lib_conventional ivshmem-plain ADDRESS   memory that may be write-combined
 *	lib_conventional megasas ADDRESS    every kind of interrupt, one after the other
 */
#include "facts.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <usher/irq.h>
#include <usher/region.h>

/* Registers of the RTL8139, datasheet §5. They are the same in both BARs. */
#define RTL_SIZE 256
#define RTL_MAR 0x08 /* multicast filter: plain memory */
#define RTL_IMR 0x3c /* 16 bits: mask of causes */
#define RTL_ISR 0x3e /* 16 bits: causes; writing ones clears */
#define RTL_TCTR 0x48 /* timer; writing starts it at 0 */
#define RTL_TIMER_INT 0x54 /* interrupts at this count; 0 never */
#define RTL_TIMEOUT 0x4000u

static uint32_t io_read32(struct usher_device *d, uint64_t off)
{
	uint32_t v = 0;

	(void)usher_region_read(d, USHER_BAR(0), off, &v, sizeof(v));
	return v;
}

static void small_bar(struct usher_device *d, struct usher_window *w)
{
	struct usher_region r;
	uint32_t v = 0;

	fact(usher_region_info(d, USHER_BAR(1), &r, &e) == 0 && r.size == RTL_SIZE,
		"a memory BAR of 256 bytes");
	fact(r.flags & USHER_REGION_MAP && r.area_count == 1,
		"which may be mapped, though it is less than a page");
	fact(usher_window_open(d, USHER_BAR(1), 0, 0, USHER_UNCACHED, w, &e) == 0 && w->base,
		"a window onto it");
	fact(usher_write32(w, RTL_MAR, 0x12345678) == 0 && usher_read32(w, RTL_MAR, &v) == 0 &&
			v == 0x12345678,
		"a register keeps what is written");
	fact(io_read32(d, RTL_MAR) == 0x12345678, "and shows the same in the I/O BAR");
	fact(usher_read32(w, RTL_SIZE - 3, &v) == -ERANGE &&
			usher_read32(w, RTL_SIZE, &v) == -ERANGE,
		"nothing beyond 256 bytes can be read: the page's rest is not the device's");
	fact(usher_region_info(d, USHER_BAR(0), &r, &e) == 0 && !(r.flags & USHER_REGION_MAP),
		"the I/O BAR cannot be mapped");
	fact(usher_region_info(d, USHER_ROM, &r, &e) == 0 && !(r.flags & USHER_REGION_WRITE),
		"nobody writes the ROM");
}

static void timer_interrupt(struct usher_device *d, struct usher_window *w)
{
	uint16_t status = 0;

	fact(usher_irq_on(d, USHER_INTX, 1, &e) == 0, "INTx goes on");
	(void)usher_write16(w, RTL_IMR, RTL_TIMEOUT);
	(void)usher_write32(w, RTL_TIMER_INT, 1000);
	(void)usher_write32(w, RTL_TCTR, 0);
	fact(usher_irq_wait(d, USHER_INTX, 0, 10000) == 1, "its timer interrupts");
	fact(usher_read16(w, RTL_ISR, &status) == 0 && status & RTL_TIMEOUT, "and says so");
	(void)usher_write32(w, RTL_TIMER_INT, 0);
	(void)usher_write16(w, RTL_ISR, RTL_TIMEOUT);
	fact(usher_irq_unmask(d, USHER_INTX) == 0 &&
			usher_irq_wait(d, USHER_INTX, 0, 100) == -ETIMEDOUT,
		"the line is down");
}

static int rtl8139(struct usher_device *d)
{
	struct usher_window w = USHER_WINDOW_NONE;
	uint16_t mask = 1;

	fact(!usher_device_can(d, USHER_CAN_MSI) && !usher_device_can(d, USHER_CAN_MSIX) &&
			!usher_device_can(d, USHER_CAN_ERR),
		"no MSI, no MSI-X, no ERR");
	small_bar(d, &w);
	timer_interrupt(d, &w);
	fact(usher_device_reset(d, &e) == 0, "it is reset, by its bus");
	fact(usher_read16(&w, RTL_IMR, &mask) == 0 && mask == 0, "and is as after power on");
	return failed;
}

static void one_kind(struct usher_device *d, enum usher_irq kind, const char *name)
{
	struct usher_irq_info i;
	char text[64];

	(void)snprintf(text, sizeof(text), "%s: every vector signals", name);
	int good = usher_irq_query(d, kind, &i) == 0 && i.count > 0 &&
		   usher_irq_on(d, kind, i.count, &e) == 0;
	for (uint32_t v = 0; good && v < i.count; v++)
		good = usher_irq_fire(d, kind, v) == 0 && usher_irq_wait(d, kind, v, 1000) == 1;
	fact(good && usher_irq_off(d, kind, &e) == 0, text);
}

static int megasas(struct usher_device *d)
{
	struct usher_irq_info i;

	fact(usher_config_find(d, PCI_CAP_ID_EXP) == -ENOENT, "no PCI Express capability");
	fact(usher_irq_query(d, USHER_ERR, &i) == 0 && i.count == 0, "no ERR");
	fact(usher_irq_on(d, USHER_ERR, 1, &e) == -EINVAL, "which cannot be turned on");
	e.msg[0] = '\0';
	fact(usher_device_master_on(d, &e) == 0, "bus mastering on");
	one_kind(d, USHER_INTX, "INTx");
	one_kind(d, USHER_MSI, "MSI");
	one_kind(d, USHER_MSIX, "MSI-X");
	one_kind(d, USHER_INTX, "INTx again");
	fact(usher_device_reset(d, &e) == 0, "it is reset, by its bus");
	return failed;
}

static int ivshmem(struct usher_device *d)
{
	struct usher_window combined = USHER_WINDOW_NONE, plain = USHER_WINDOW_NONE;
	uint64_t v = 0;
	int good = 1;

	fact(usher_window_open(d, USHER_BAR(2), 4096, 65536, USHER_COMBINED, &combined, &e) == 0,
		"a window onto its memory");
	fact(combined.base && combined.caching == USHER_COMBINED, "which is write-combined");
	for (uint64_t i = 0; good && i < combined.size; i += 8)
		good = usher_write64(&combined, i, i * 0x9e3779b97f4a7c15u) == 0;
	usher_wmb_combined();
	fact(good, "is filled");
	fact(usher_window_open(d, USHER_BAR(2), 4096, 65536, USHER_UNCACHED, &plain, &e) == 0 &&
			plain.caching == USHER_UNCACHED,
		"a plain window onto the same memory");
	for (uint64_t i = 0; good && i < plain.size; i += 8)
		good = usher_read64(&plain, i, &v) == 0 && v == i * 0x9e3779b97f4a7c15u;
	fact(good, "has all of it, at the same places");
	fact(usher_read64(&combined, combined.size, &v) == -ERANGE, "nothing beyond its end");
	usher_window_close(&plain);
	fact(usher_window_open(d, USHER_BAR(0), 0, 0, USHER_COMBINED, &plain, &e) == 0 &&
			plain.caching == USHER_UNCACHED,
		"its registers are not prefetchable: that wish has no effect");
	usher_window_close(&plain);
	return failed;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	struct usher_device *d = open_device(argv[2], NULL);
	int r = strcmp(argv[1], "rtl8139") == 0   ? rtl8139(d)
		: strcmp(argv[1], "megasas") == 0 ? megasas(d)
						  : ivshmem(d);

	usher_device_close(d);
	fact(1, "closed in order");
	return r;
}
