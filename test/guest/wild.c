/* SPDX-License-Identifier: MIT */
#include "wild_part.h"

#include <linux/pci_regs.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>

#define WILD_TEXT(name, text) text,
const char *const wild_names[WILD_KIND_COUNT] = {WILD_KINDS(WILD_TEXT)};

void wild_disturb(const struct wild *w, uint64_t *state)
{
	const uint64_t bits = state_next(state);
	const uint32_t queue = (uint32_t)(bits >> 8) % (w->count * WILD_QUEUES);
	const uint32_t at = queue * QUEUE_SIZE + 16 * ((uint32_t)(bits >> 16) % 256);
	const uint64_t value = state_next(state);

	switch (bits & 3) {
	case 0:
		area_put(w, at, 8, w->area + value % WILD_AREA);
		break;
	case 1:
		area_put(w, at + 8, 4, value & 0xffff);
		break;
	case 2:
		area_put(w, at + 12, 4, value & 0xff0007);
		break;
	default:
		area_put(w, DATA + (uint32_t)(value >> 20) % 32768, 4, value & 15);
		break;
	}
}

static void common_access(struct wild *w, struct wild_device *d)
{
	const unsigned size = any_size(w);
	const unsigned off = any_below(w, WILD_COMMON_SIZE) & ~(any_below(w, 4) ? size - 1 : 0);

	if (any_below(w, 2))
		(void)common_get(w, d, off, size);
	else
		common_put(w, d, off, size, any_value(w));
}

static void bar_access(struct wild *w, struct wild_device *d)
{
	static const uint8_t types[] = {VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_CAP_DEVICE_CFG};
	static const enum wild_kind reads[] = {WILD_ISR, WILD_CONFIG_READ};
	static const enum wild_kind writes[] = {WILD_ISR, WILD_CONFIG_WRITE};
	const unsigned size = any_size(w), way = any_below(w, 2);
	const uint64_t at = d->bar + d->places[types[way]] + (any_below(w, 64) & ~(size - 1));

	if (any_below(w, 2)) {
		(void)w->get(at, size);
		w->hits[reads[way]]++;
	} else {
		w->put(at, size, any_value(w));
		w->hits[writes[way]]++;
	}
}

static void table_access(struct wild *w, struct wild_device *d)
{
	const bool is_table = any_below(w, 2);
	const uint32_t table = w->space_get(d->function, d->msix + PCI_MSIX_TABLE, 4) & ~7U;
	const uint32_t page = is_table ? table : 4096 * any_below(w, BAR_PAGES);
	const unsigned size = any_size(w);
	const uint64_t at =
		d->bar + page + (any_below(w, any_below(w, 4) ? 64 : 4096) & ~(size - 1));

	w->hits[is_table ? WILD_TABLE : WILD_HOLE]++;
	if (any_below(w, 2))
		(void)w->get(at, size);
	else
		w->put(at, size, any_value(w));
}

/* The same registers through configuration space. */
static void window_access(struct wild *w, struct wild_device *d)
{
	const unsigned cap = d->window, size = 1U << any_below(w, 3);
	const unsigned data = cap + (unsigned)sizeof(struct virtio_pci_cap);
	const uint32_t off = any_below(w, 2) ? any_below(w, 64) : any_below(w, 1U << 15);

	w->space_put(d->function, cap + offsetof(struct virtio_pci_cap, bar), 1,
		any_below(w, 8) ? 0 : (uint32_t)any_value(w));
	w->space_put(d->function, cap + offsetof(struct virtio_pci_cap, offset), 4,
		any_below(w, 8) ? off & ~(size - 1) : (uint32_t)any_value(w));
	w->space_put(d->function, cap + offsetof(struct virtio_pci_cap, length), 4,
		any_below(w, 8) ? size : (uint32_t)any_value(w));
	if (any_below(w, 2))
		(void)w->space_get(d->function, data, size);
	else
		w->space_put(d->function, data, size, (uint32_t)any_value(w));
	w->hits[WILD_WINDOW]++;
}

static void space_access(struct wild *w, struct wild_device *d)
{
	const unsigned size = 1U << any_below(w, 3);
	const unsigned off = any_below(w, any_below(w, 4) ? 256 : 4096) & ~(size - 1);

	w->hits[WILD_SPACE]++;
	if (any_below(w, 4)) {
		w->space_put(d->function, off, size, (uint32_t)any_value(w));
		return;
	}
	/* The driver turns MSI-X on or off, or masks all of it. */
	w->space_put(d->function, d->msix + PCI_MSIX_FLAGS, 2, (uint32_t)any_below(w, 4) << 14);
}

/* Now and then; a device that is not going, most of the time. */
static void device_look(struct wild *w, struct wild_device *d)
{
	const uint64_t status = common_get(w, d, COMMON(device_status), 1);
	const bool broken = status != 0xff && status & VIRTIO_CONFIG_S_NEEDS_RESET;

	w->hits[WILD_BROKEN] += broken;
	if (status != GOING || !any_below(w, 16))
		device_set_up(w, d,
			(any_below(w, 2) ? any_bits(w) : 0) | (uint64_t)any_below(w, 2)
								      << VIRTIO_F_RING_PACKED);
	else if (!any_below(w, 4))
		queue_take_back(w, d, any_below(w, d->queue_count));
}

void wild_step(struct wild *w)
{
	struct wild_device *d = &w->devices[any_below(w, w->count)];
	const uint32_t what = any_below(w, 1024);

	if (what < 700)
		chain_list(w, d, any_below(w, d->queue_count));
	else if (what < 800)
		device_look(w, d);
	else if (what < 850)
		bar_access(w, d);
	else if (what < 900)
		common_access(w, d);
	else if (what < 925)
		bell_ring(
			w, d, any_below(w, 2) ? any_below(w, d->queue_count) : any_below(w, 1024));
	else if (what < 950)
		window_access(w, d);
	else if (what < 975)
		table_access(w, d);
	else if (what < 1000)
		wild_disturb(w, &w->state);
	else if (what < 1008)
		space_access(w, d);
	else if (what < 1016)
		features_wrong(w, d);
	else
		queue_wrong(w, d);
}

static void device_prove(struct wild *w, struct wild_device *d, uint64_t drop)
{
	do
		device_set_up(w, d, drop);
	while (d->queues[0].size < 8 && !w->fault);
	if (common_get(w, d, COMMON(device_status), 1) != GOING)
		w->fault = "a device cannot be set up any more";
	else if (d->type == BLK)
		disk_prove(w, d);
}

void wild_prove(struct wild *w)
{
	for (unsigned i = 0; i < w->count && !w->fault; i++) {
		device_prove(w, &w->devices[i], 0);
		device_prove(w, &w->devices[i], UINT64_C(1) << VIRTIO_F_RING_PACKED);
	}
}

static const struct {
	uint8_t off;
	bool read_only;
	const char *name;
} registers[] = {
	{COMMON(device_feature_select), false, "device_feature_select"},
	{COMMON(device_feature), true, "device_feature"},
	{COMMON(guest_feature_select), false, "driver_feature_select"},
	{COMMON(guest_feature), false, "driver_feature"},
	{COMMON(msix_config), false, "config_msix_vector"},
	{COMMON(num_queues), true, "num_queues"},
	{COMMON(device_status), false, "device_status"},
	{COMMON(config_generation), true, "config_generation"},
	{COMMON(queue_select), false, "queue_select"},
	{COMMON(queue_size), false, "queue_size"},
	{COMMON(queue_msix_vector), false, "queue_msix_vector"},
	{COMMON(queue_enable), false, "queue_enable"},
	{COMMON(queue_notify_off), true, "queue_notify_off"},
	{COMMON(queue_desc_lo), false, "queue_desc"},
	{COMMON(queue_avail_lo), false, "queue_driver"},
	{COMMON(queue_used_lo), false, "queue_device"},
	{VIRTIO_PCI_COMMON_Q_RESET, false, "queue_reset"},
};

unsigned wild_missing(const struct wild *w, void (*tell)(const char *name, uint64_t count))
{
	unsigned missing = 0;

	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		const uint8_t off = registers[i].off;
		tell(registers[i].name, w->reads[off] + w->writes[off]);
		missing += !w->reads[off] || !w->writes[off];
	}
	for (unsigned i = 0; i < WILD_KIND_COUNT; i++) {
		tell(wild_names[i], w->hits[i]);
		missing += !w->hits[i];
	}
	return missing;
}
