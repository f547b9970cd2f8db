/* SPDX-License-Identifier: MIT */
#include "pass/vfio_model.h"

#include "base/bits.h"
#include "base/clean.h"
#include "base/num.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGION_SHIFT 40

void vfio_model_note(struct vfio_model *m, const char *fmt, ...)
{
	size_t len = strlen(m->log);
	va_list ap;

	if (len > sizeof(m->log) - 64)
		return;
	va_start(ap, fmt);
	if (len)
		m->log[len++] = ' ';
	(void)vsnprintf(m->log + len, sizeof(m->log) - len, fmt, ap);
	va_end(ap);
}

static void parse_region(struct vfio_model *m, char *line)
{
	unsigned index, flags;
	uint64_t size;
	int used;

	ck_assert_int_eq(
		sscanf(line, "region %u %" SCNx64 " %x%n", &index, &size, &flags, &used), 3);
	struct model_region *r = &m->regions[index];
	*r = (struct model_region){.size = size, .flags = flags, .memfd = -1};
	for (char *word = strtok(line + used, " \n"); word; word = strtok(NULL, " \n")) {
		ck_assert_int_eq(sscanf(word, "%" SCNx64 "+%" SCNx64, &r->areas[r->area_count].off,
					 &r->areas[r->area_count].size),
			2);
		r->area_count++;
	}
	r->memfd = memfd_create("bar", MFD_CLOEXEC);
	ck_assert_int_ge(r->memfd, 0);
	ck_assert_int_eq(ftruncate(r->memfd, MODEL_MEMORY), 0);
	r->memory = mmap(NULL, MODEL_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, r->memfd, 0);
	ck_assert_ptr_ne(r->memory, MAP_FAILED);
}

static void parse_line(struct vfio_model *m, char *line)
{
	unsigned index, count, flags, off;
	char *end;

	if (!strncmp(line, "region ", 7)) {
		parse_region(m, line);
	} else if (!strncmp(line, "irq ", 4)) {
		ck_assert_int_eq(sscanf(line, "irq %u %u %x", &index, &count, &flags), 3);
		m->irqs[index].count = count;
		m->irqs[index].flags = flags;
	} else if (sscanf(line, "%x:", &off) == 1 && line[3] == ':') {
		line += 4;
		for (unsigned i = 0; i < 16; i++, line = end)
			m->config[off + i] = (uint8_t)strtoul(line, &end, 16);
	}
}

void vfio_model_load(struct vfio_model *m, const char *fixtures, const char *name)
{
	char path[512], line[256];

	memset(m, 0, sizeof(*m));
	m->on = -1;
	m->unmask_fd = -1;
	for (unsigned i = 0; i < MODEL_VECTORS; i++)
		m->fds[i] = -1;
	(void)snprintf(path, sizeof(path), "%s/vfio/%s.vfio", fixtures, name);
	cleanup_file FILE *f = fopen(path, "re");
	ck_assert_msg(f != NULL, "%s", path);
	while (fgets(line, sizeof(line), f))
		if (line[0] != '#')
			parse_line(m, line);
	ck_assert_uint_ne(m->regions[VFIO_PCI_CONFIG_REGION_INDEX].size, 0);
}

void vfio_model_free(struct vfio_model *m)
{
	for (unsigned i = 0; i < MODEL_REGIONS; i++) {
		if (!m->regions[i].memory)
			continue;
		(void)munmap(m->regions[i].memory, MODEL_MEMORY);
		(void)close(m->regions[i].memfd);
	}
}

static int region_info(struct vfio_model *m, struct vfio_region_info *info)
{
	uint8_t buf[sizeof(struct vfio_region_info) +
		    sizeof(struct vfio_region_info_cap_sparse_mmap) +
		    8 * sizeof(struct vfio_region_sparse_mmap_area)] = {0};
	struct vfio_region_info *full = (void *)buf;
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)(buf + sizeof(*full));
	uint32_t argsz = info->argsz;

	if (info->index >= MODEL_REGIONS)
		return -EINVAL;
	const struct model_region *r = &m->regions[info->index];
	*full = (struct vfio_region_info){.argsz = sizeof(*full),
		.index = info->index,
		.flags = r->flags & 7,
		.size = r->size,
		.offset = (uint64_t)info->index << REGION_SHIFT};
	if (r->area_count > 1) {
		full->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		full->argsz = sizeof(buf);
		full->cap_offset = sizeof(*full);
		cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
		cap->nr_areas = (uint32_t)r->area_count;
		for (size_t i = 0; i < r->area_count; i++) {
			cap->areas[i].offset = r->areas[i].off;
			cap->areas[i].size = r->areas[i].size;
		}
	}
	memcpy(info, buf, min_u64(argsz, full->argsz));
	return 0;
}

/* As vfio_pci_set_irqs_ioctl() would, for the calls that usher makes. */
static int set_irqs(struct vfio_model *m, const struct vfio_irq_set *set)
{
	int fds[MODEL_VECTORS];
	uint32_t end = set->start + set->count;

	if (set->index >= MODEL_IRQS || end > m->irqs[set->index].count || end > MODEL_VECTORS)
		return -EINVAL;
	if (set->index >= VFIO_PCI_ERR_IRQ_INDEX) {
		memcpy(&m->event_fds[set->index], set->data, sizeof(int));
		return 0;
	}
	if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		memcpy(&m->unmask_fd, set->data, sizeof(int));
		return m->on == (int)set->index ? 0 : -EINVAL;
	}
	if (set->flags & VFIO_IRQ_SET_DATA_NONE && set->flags & VFIO_IRQ_SET_ACTION_TRIGGER &&
		set->count) {
		const uint64_t one = 1;
		vfio_model_note(m, "fire%u:%u", set->index, set->start);
		return m->on == (int)set->index && write(m->fds[set->start], &one, 8) == 8
			       ? 0
			       : -EINVAL;
	}
	if (set->flags & VFIO_IRQ_SET_DATA_NONE) {
		vfio_model_note(m, "off%u", set->index);
		if (m->on != (int)set->index)
			return -EINVAL;
		m->on = -1;
		for (unsigned i = 0; i < MODEL_VECTORS; i++)
			m->fds[i] = -1;
		return 0;
	}
	vfio_model_note(m, "set%u:%u+%u", set->index, set->start, set->count);
	if (m->on >= 0 && m->on != (int)set->index)
		return -EINVAL;
	if (m->refuse_vectors)
		return -ENOMEM;
	if (m->vectors_max && end > m->vectors_max)
		return (int)m->vectors_max;
	bool fixed = m->irqs[set->index].flags & VFIO_IRQ_INFO_NORESIZE;
	if (m->on >= 0 && fixed && end > m->allocated)
		return -EINVAL;
	memcpy(fds, set->data, set->count * sizeof(int));
	if (m->on < 0)
		m->allocated = end;
	m->on = (int)set->index;
	for (uint32_t i = 0; i < set->count; i++)
		m->fds[set->start + i] = fds[i];
	return 0;
}

/* As Linux 6.6: a capability behind the structure, which has a field more than Debian 12's. */
static void put_atomics(const struct vfio_model *m, uint32_t *info)
{
	info[1] |= 1U << 7;
	info[4] = 24;
	info[6] = 5 | 1U << 16; /* id, version */
	info[7] = 0;
	info[8] = m->atomics;
}

static unsigned find_cap(const struct vfio_model *m, uint8_t id)
{
	unsigned at = m->config[PCI_CAPABILITY_LIST], steps = 0;

	while (at && m->config[at] != id && steps++ < 48)
		at = m->config[at + 1];
	return at && m->config[at] == id ? at : 0;
}

/* Any reset: the kernel restores configuration space, and the device is in D0. */
static void wake_up(struct vfio_model *m)
{
	unsigned pm = find_cap(m, PCI_CAP_ID_PM);

	if (pm)
		m->config[pm + PCI_PM_CTRL] &= (uint8_t)~PCI_PM_CTRL_STATE_MASK;
}

static bool is_flr(const struct vfio_model *m, unsigned off, uint8_t byte)
{
	unsigned express = find_cap(m, PCI_CAP_ID_EXP), af = find_cap(m, PCI_CAP_ID_AF);

	if (express && off == express + PCI_EXP_DEVCTL + 1)
		return byte & PCI_EXP_DEVCTL_BCR_FLR >> 8;
	return af && off == af + PCI_AF_CTRL && byte & PCI_AF_CTRL_FLR;
}

static int hot_reset_info(const struct vfio_model *m, struct vfio_pci_hot_reset_info *info)
{
	if (!m->bus_count)
		return -ENODEV;
	info->count = m->bus_count;
	if (info->argsz < sizeof(*info) + m->bus_count * sizeof(info->devices[0]))
		return -ENOSPC;
	for (unsigned i = 0; i < m->bus_count; i++)
		info->devices[i] = (struct vfio_pci_dependent_device){
			.group_id = i, .bus = 1, .devfn = (uint8_t)m->bus_devfn[i]};
	return 0;
}

/* As vfio_pci_ioctl_pci_hot_reset(): no more groups than functions, and that of each among them. */
static int hot_reset(struct vfio_model *m, const struct vfio_pci_hot_reset *reset)
{
	if (!m->bus_count)
		return -ENODEV;
	if (!reset->count || reset->count > m->bus_count)
		return -EINVAL;
	for (unsigned i = 0; i < m->bus_count; i++) {
		uint32_t n = 0;
		while (n < reset->count && reset->group_fds[n] != m->bus_fd[i])
			n++;
		if (n == reset->count)
			return -EINVAL;
	}
	m->bus_resets++;
	wake_up(m);
	vfio_model_note(m, "busreset");
	return 0;
}

static int model_call(struct vfio_dev *d, unsigned long request, void *arg)
{
	struct vfio_model *m = d->model;
	struct vfio_device_info *info = arg;
	struct vfio_irq_info *irq = arg;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		info->num_regions = MODEL_REGIONS;
		info->num_irqs = MODEL_IRQS;
		if (m->atomics && info->argsz >= 24 + 12)
			put_atomics(m, arg);
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(m, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		if (irq->index >= MODEL_IRQS)
			return -EINVAL;
		irq->count = m->irqs[irq->index].count;
		irq->flags = m->irqs[irq->index].flags;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(m, arg);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return hot_reset_info(m, arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return hot_reset(m, arg);
	case VFIO_DEVICE_RESET:
		if (m->reset_error)
			return m->reset_error;
		m->resets++;
		wake_up(m);
		vfio_model_note(m, "reset");
		return 0;
	default:
		return -ENOTTY;
	}
}

static ssize_t model_read(struct vfio_dev *d, void *buf, size_t len, uint64_t off)
{
	struct vfio_model *m = d->model;
	unsigned index = (unsigned)(off >> REGION_SHIFT);

	if (m->dead)
		return -EIO;
	off &= mask64(REGION_SHIFT);
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		memcpy(buf, m->config + off, len);
	else
		memcpy(buf, m->regions[index].memory + off % (MODEL_MEMORY - 8), len);
	return (ssize_t)len;
}

/* Bits of a byte of configuration space that VFIO lets a user change. */
static uint8_t writable(const struct vfio_model *m, unsigned off)
{
	unsigned pm = find_cap(m, PCI_CAP_ID_PM);

	if (off == PCI_COMMAND)
		return PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (off == PCI_COMMAND + 1)
		return PCI_COMMAND_INTX_DISABLE >> 8;
	return pm && off == pm + PCI_PM_CTRL ? PCI_PM_CTRL_STATE_MASK : 0;
}

static ssize_t model_write(struct vfio_dev *d, const void *buf, size_t len, uint64_t off)
{
	struct vfio_model *m = d->model;
	unsigned index = (unsigned)(off >> REGION_SHIFT);
	const uint8_t *bytes = buf;

	if (m->dead)
		return -EIO;
	off &= mask64(REGION_SHIFT);
	if (index != VFIO_PCI_CONFIG_REGION_INDEX) {
		memcpy(m->regions[index].memory + off % (MODEL_MEMORY - 8), buf, len);
		return (ssize_t)len;
	}
	uint32_t value = 0;
	memcpy(&value, buf, min_u64(len, 4));
	vfio_model_note(m, "cfg%02x=%x", (unsigned)off, value);
	for (unsigned i = 0; i < len; i++) {
		uint8_t w = writable(m, (unsigned)off + i), *c = &m->config[off + i];
		*c = (uint8_t)((*c & ~w) | (bytes[i] & w));
		if (is_flr(m, (unsigned)off + i, bytes[i]))
			wake_up(m);
	}
	return (ssize_t)len;
}

static int model_map(struct vfio_dev *d, void *at, size_t len, int prot, uint64_t off, void **ret)
{
	struct vfio_model *m = d->model;
	const struct model_region *r = &m->regions[off >> REGION_SHIFT];

	if (m->refuse_map)
		return -EINVAL;
	off &= mask64(REGION_SHIFT);
	if (m->busy_map) {
		/* As mmap(2) when the driver refuses: what was there is unmapped already. */
		(void)munmap(at, len);
		m->busy_map(at, len);
		return -EBUSY;
	}
	/* What lies beyond the model's memory is there, but nothing is behind it. */
	void *p = mmap(at, len, prot, MAP_SHARED | (at ? MAP_FIXED : 0), r->memfd, (off_t)off);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

const struct vfio_dev_ops vfio_model_ops = {
	.call = model_call,
	.read = model_read,
	.write = model_write,
	.map = model_map,
};
