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
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Thread_local bool vfio_model_vcpu;

/* The guest's processors and the device's worker write to the log. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

void vfio_model_note(struct vfio_model *m, const char *fmt, ...)
{
	va_list ap;

	(void)pthread_mutex_lock(&log_lock);
	size_t len = strlen(m->log);
	if (len <= sizeof(m->log) - 64) {
		va_start(ap, fmt);
		if (len)
			m->log[len++] = ' ';
		(void)vsnprintf(m->log + len, sizeof(m->log) - len, fmt, ap);
		va_end(ap);
	}
	(void)pthread_mutex_unlock(&log_lock);
}

/* A call in which VFIO may sleep. */
static void may_sleep(const struct vfio_model *m)
{
	ck_assert_msg(!vfio_model_vcpu, "a processor of the guest is in a call that may sleep");
	void (*sleeps)(void) = __atomic_load_n(&m->sleeps, __ATOMIC_SEQ_CST);

	if (sleeps)
		sleeps();
	if (m->delay_ms)
		(void)usleep(1000 * m->delay_ms);
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

	if (strncmp(line, "region ", 7) == 0) {
		parse_region(m, line);
	} else if (strncmp(line, "irq ", 4) == 0) {
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

static int model_info(struct vfio_dev *d, struct vfio_dev_info *ret)
{
	const struct vfio_model *m = d->model;

	*ret = (struct vfio_dev_info){.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		.region_count = MODEL_REGIONS,
		.irq_count = MODEL_IRQS,
		.atomics = m->atomics};
	return 0;
}

static int model_region_info(struct vfio_dev *d, uint32_t index, struct vfio_region *ret)
{
	const struct vfio_model *m = d->model;

	if (index >= MODEL_REGIONS)
		return -EINVAL;
	const struct model_region *r = &m->regions[index];
	ret->flags = r->flags & 7;
	ret->size = r->size;
	if (r->flags & VFIO_REGION_INFO_FLAG_MMAP && r->size)
		ret->areas[ret->area_count++] = (struct vfio_area){.off = 0, .size = r->size};
	if (r->area_count < 2)
		return 0;
	ret->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	ret->area_count = r->area_count;
	for (size_t i = 0; i < r->area_count; i++)
		ret->areas[i] = (struct vfio_area){r->areas[i].off, r->areas[i].size};
	return 0;
}

static int model_irq_info(struct vfio_dev *d, uint32_t index, struct vfio_irqs *ret)
{
	const struct vfio_model *m = d->model;

	if (index >= MODEL_IRQS)
		return -EINVAL;
	*ret = (struct vfio_irqs){
		.index = index, .count = m->irqs[index].count, .flags = m->irqs[index].flags};
	return 0;
}

static int check_vectors(const struct vfio_model *m, uint32_t index, uint32_t start, uint32_t count)
{
	if (index >= MODEL_IRQS || start + count > m->irqs[index].count ||
		start + count > MODEL_VECTORS)
		return -EINVAL;
	return 0;
}

/* Like vfio_pci_set_irqs_ioctl(), for the calls that usher makes. */
static int model_irq_set(
	struct vfio_dev *d, uint32_t index, uint32_t start, const int *fds, uint32_t count)
{
	struct vfio_model *m = d->model;
	const uint32_t end = start + count;

	may_sleep(m);
	if (check_vectors(m, index, start, count) < 0)
		return -EINVAL;
	if (index >= VFIO_PCI_ERR_IRQ_INDEX) {
		m->event_fds[index] = fds[0];
		return 0;
	}
	vfio_model_note(m, "set%u:%u+%u", index, start, count);
	if (m->on >= 0 && m->on != (int)index)
		return -EINVAL;
	if (m->refuse_vectors)
		return -ENOMEM;
	if (m->vectors_max && end > m->vectors_max)
		return (int)m->vectors_max;
	bool fixed = m->irqs[index].flags & VFIO_IRQ_INFO_NORESIZE;
	if (m->on >= 0 && fixed && end > m->allocated)
		return -EINVAL;
	if (m->on < 0)
		m->allocated = end;
	m->on = (int)index;
	for (uint32_t i = 0; i < count; i++)
		m->fds[start + i] = fds[i];
	return 0;
}

static unsigned find_cap(const struct vfio_model *m, uint8_t id)
{
	unsigned at = m->config[PCI_CAPABILITY_LIST], steps = 0;

	while (at && m->config[at] != id && steps++ < 48)
		at = m->config[at + 1];
	return at && m->config[at] == id ? at : 0;
}

/* After any reset the kernel restores configuration space, and the device is in D0. */
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

static int irq_fire(struct vfio_model *m, uint32_t index, uint32_t start)
{
	const uint64_t one = 1;

	vfio_model_note(m, "fire%u:%u", index, start);
	return m->on == (int)index && write(m->fds[start], &one, 8) == 8 ? 0 : -EINVAL;
}

static int irq_off(struct vfio_model *m, uint32_t index)
{
	vfio_model_note(m, "off%u", index);
	if (m->on != (int)index)
		return -EINVAL;
	m->on = -1;
	for (unsigned i = 0; i < MODEL_VECTORS; i++)
		m->fds[i] = -1;
	return 0;
}

static int model_irq_act(
	struct vfio_dev *d, uint32_t index, enum vfio_irq_act act, uint32_t start, uint32_t count)
{
	struct vfio_model *m = d->model;

	may_sleep(m);
	if (check_vectors(m, index, start, count) < 0)
		return -EINVAL;
	return act == VFIO_IRQ_FIRE ? irq_fire(m, index, start) : irq_off(m, index);
}

static int model_irq_unmask_fd(struct vfio_dev *d, uint32_t index, int fd)
{
	struct vfio_model *m = d->model;

	may_sleep(m);
	m->unmask_fd = fd;
	return m->on == (int)index ? 0 : -EINVAL;
}

static int model_dependents(struct vfio_dev *d, struct vfio_dependent **ret)
{
	const struct vfio_model *m = d->model;

	if (!m->bus_count)
		return -ENODEV;
	struct vfio_dependent *list = calloc(m->bus_count, sizeof(*list));
	ck_assert_ptr_nonnull(list);
	for (unsigned i = 0; i < m->bus_count; i++)
		list[i] = (struct vfio_dependent){.group = (int)i,
			.address = {.bus = 1,
				.dev = (uint8_t)(m->bus_devfn[i] >> 3),
				.fn = m->bus_devfn[i] & 7}};
	*ret = list;
	return (int)m->bus_count;
}

/*
 * Like vfio_pci_ioctl_pci_hot_reset(): needs the group of each function, and no more groups than
 * functions.
 */
static int model_reset_bus(struct vfio_dev *d, const int *groups, size_t count)
{
	struct vfio_model *m = d->model;

	may_sleep(m);
	if (!m->bus_count)
		return -ENODEV;
	if (!count || count > m->bus_count)
		return -EINVAL;
	for (unsigned i = 0; i < m->bus_count; i++) {
		size_t n = 0;
		while (n < count && groups[n] != m->bus_fd[i])
			n++;
		if (n == count)
			return -EINVAL;
	}
	if (m->during_reset)
		m->during_reset();
	m->bus_resets++;
	wake_up(m);
	vfio_model_note(m, "busreset");
	return 0;
}

static int model_reset(struct vfio_dev *d)
{
	struct vfio_model *m = d->model;

	may_sleep(m);
	if (m->reset_error)
		return m->reset_error;
	if (m->during_reset)
		m->during_reset();
	m->resets++;
	wake_up(m);
	vfio_model_note(m, "reset");
	return 0;
}

static ssize_t model_read(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, void *buf, size_t len)
{
	struct vfio_model *m = d->model;

	if (r->index >= VFIO_PCI_ROM_REGION_INDEX)
		may_sleep(m);
	if (m->dead)
		return -EIO;
	if (r->index == VFIO_PCI_CONFIG_REGION_INDEX)
		memcpy(buf, m->config + off, len);
	else
		memcpy(buf, m->regions[r->index].memory + off % (MODEL_MEMORY - 8), len);
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

static ssize_t model_write(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, const void *buf, size_t len)
{
	struct vfio_model *m = d->model;
	const uint8_t *bytes = buf;

	if (r->index >= VFIO_PCI_ROM_REGION_INDEX)
		may_sleep(m);
	if (m->dead)
		return -EIO;
	if (r->index != VFIO_PCI_CONFIG_REGION_INDEX) {
		memcpy(m->regions[r->index].memory + off % (MODEL_MEMORY - 8), buf, len);
		return (ssize_t)len;
	}
	uint32_t value = 0;
	memcpy(&value, buf, min_u64(len, 4));
	vfio_model_note(m, "cfg%02x=%x", (unsigned)off, value);
	for (unsigned i = 0; i < len; i++) {
		(void)pthread_mutex_lock(&log_lock); /* two devices may be on one model */
		uint8_t w = writable(m, (unsigned)off + i), *c = &m->config[off + i];
		*c = (uint8_t)((*c & ~w) | (bytes[i] & w));
		(void)pthread_mutex_unlock(&log_lock);
		if (!is_flr(m, (unsigned)off + i, bytes[i]))
			continue;
		if (m->during_reset)
			m->during_reset();
		wake_up(m);
	}
	return (ssize_t)len;
}

static int model_map(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, size_t len,
	int prot, void *at, void **ret)
{
	struct vfio_model *m = d->model;
	const int fd = m->regions[r->index].memfd;

	if (m->refuse_map)
		return -EINVAL;
	if (m->busy_map) {
		/* As in mmap(2) if the driver refuses: the old mapping is gone already. */
		(void)munmap(at, len);
		m->busy_map(at, len);
		return -EBUSY;
	}
	/* Offsets beyond the model's memory exist, without memory behind them. */
	void *p = mmap(at, len, prot, MAP_SHARED | (at ? MAP_FIXED : 0), fd, (off_t)off);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

const struct vfio_dev_ops vfio_model_ops = {
	.info = model_info,
	.region_info = model_region_info,
	.irq_info = model_irq_info,
	.irq_set = model_irq_set,
	.irq_act = model_irq_act,
	.irq_unmask_fd = model_irq_unmask_fd,
	.reset = model_reset,
	.dependents = model_dependents,
	.reset_bus = model_reset_bus,
	.read = model_read,
	.write = model_write,
	.map = model_map,
};
