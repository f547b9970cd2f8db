/* SPDX-License-Identifier: MIT */
#include "vmm/pci/endpoint.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>

#define CAP_EXPRESS 0x40
#define CAP_MSIX 0x80

#define COMMAND_BITS                                                                     \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
		PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define DEVICE_CONTROL_BITS                                                                       \
	(PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE | \
		PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ)

static struct endpoint *endpoint_of(struct pci_func *f)
{
	return container_of(f, struct endpoint, func);
}

static unsigned get_command(const struct endpoint *p)
{
	return le16_get(p->bytes + PCI_COMMAND);
}

uint64_t endpoint_bar_read(struct endpoint *p, unsigned bar, uint64_t off, unsigned size)
{
	uint64_t value = all_ones(size);

	if (!func_msix_read(&p->msix, bar, off, size, &value) && p->ops->read)
		value = p->ops->read(p, bar, off, size);
	return value;
}

void endpoint_bar_write(
	struct endpoint *p, unsigned bar, uint64_t off, unsigned size, uint64_t value)
{
	if (!func_msix_write(&p->msix, bar, off, size, value) && p->ops->write)
		p->ops->write(p, bar, off, size, value);
}

static bool bar_read(struct func_bar *b, uint64_t off, unsigned size, uint64_t *ret)
{
	*ret = endpoint_bar_read(container_of(b->bars, struct endpoint, bars), b->index, off, size);
	return true;
}

static bool bar_write(struct func_bar *b, uint64_t off, unsigned size, uint64_t value)
{
	endpoint_bar_write(
		container_of(b->bars, struct endpoint, bars), b->index, off, size, value);
	return true;
}

static const struct func_bar_ops endpoint_bar_ops = {.read = bar_read, .write = bar_write};

/*
 * Ref: PCI Express Base 7.5.1.1.3, 7.5.1.1.4: a line that the guest has disabled is still in the
 * status register.
 */
static void update_intx(struct endpoint *p)
{
	const bool may = !p->msix.on && !(get_command(p) & PCI_COMMAND_INTX_DISABLE);

	p->bytes[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	if (p->intx_wanted)
		p->bytes[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	(void)func_intx_set(&p->intx, p->intx_wanted && may);
}

void endpoint_set_intx(struct endpoint *p, bool asserted)
{
	p->intx_wanted = asserted;
	update_intx(p);
}

static unsigned get_decoded(const struct endpoint *p)
{
	const unsigned command = get_command(p);

	return (command & PCI_COMMAND_IO ? FUNC_DECODE_IO : 0U) |
	       (command & PCI_COMMAND_MEMORY ? FUNC_DECODE_MEM : 0U);
}

static uint32_t config_read(struct pci_func *f, unsigned off, unsigned size)
{
	struct endpoint *p = endpoint_of(f);
	uint32_t value;

	if (p->ejected)
		return (uint32_t)all_ones(size);
	if (p->ops->config_read && p->ops->config_read(p, off, size, &value))
		return value;
	return func_config_read(&p->config, off, size);
}

static void config_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
	struct endpoint *p = endpoint_of(f);

	if (p->ejected)
		return;
	func_config_write(&p->config, off, size, value);
	func_bars_wrote(&p->bars, off, size, value);
	func_bars_place(&p->bars, get_decoded(p));
	if (p->msix.count)
		func_msix_update(&p->msix, le16_get(p->bytes + CAP_MSIX + PCI_MSIX_FLAGS));
	update_intx(p);
	if (p->ops->config_wrote)
		p->ops->config_wrote(p, off, size, value);
}

static void set_registers(struct endpoint *p)
{
	struct func_config *c = &p->config;

	func_config_set(c, PCI_COMMAND, 2, 0, COMMAND_BITS);
	func_config_set(c, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	func_config_set(c, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	func_config_set(c, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	for (unsigned i = 0; i < FUNC_BARS; i++) {
		const struct func_bar_register r =
			func_bar_register(&p->bars.bar[i], p->bar_flags[i]);
		for (unsigned k = 0; k < r.count; k++)
			func_config_set(c, r.off + 4 * k, 4, r.value[k], r.mask[k]);
	}
	func_config_set(c, CAP_EXPRESS + PCI_EXP_DEVCTL, 2, 0, DEVICE_CONTROL_BITS);
	if (p->msix.count)
		func_config_set(c, CAP_MSIX + PCI_MSIX_FLAGS, 2, p->msix.count - 1,
			PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static void quiet_function(struct pci_func *f)
{
	struct endpoint *p = endpoint_of(f);

	func_bars_hide(&p->bars);
	func_msix_reset(&p->msix);
	func_intx_detach(&p->intx);
}

static void reset_function(struct pci_func *f)
{
	struct endpoint *p = endpoint_of(f);

	if (p->ejected)
		return;
	quiet_function(f);
	p->intx_wanted = false;
	func_bars_forget(&p->bars);
	set_registers(p);
	if (p->ops->reset)
		p->ops->reset(p);
}

static void release_endpoint(struct endpoint *p)
{
	quiet_function(&p->func);
	func_msix_release(&p->msix);
	func_intx_fini(&p->intx);
}

static void eject_function(struct pci_func *f)
{
	struct endpoint *p = endpoint_of(f);

	if (p->ejected)
		return;
	p->ejected = true;
	quiet_function(f);
	if (p->ops->eject)
		p->ops->eject(p);
}

static void finish_function(struct pci_func *f)
{
	struct endpoint *p = endpoint_of(f);

	if (p->ops->halt)
		p->ops->halt(p);
	lock_take(&p->lock);
	release_endpoint(p);
	lock_drop(&p->lock);
	func_msix_fini(&p->msix);
	func_bars_fini(&p->bars);
	if (p->ops->fini)
		p->ops->fini(p);
}

static const struct pci_func_ops endpoint_func_ops = {
	.name = "endpoint",
	.config_read = config_read,
	.config_write = config_write,
	.quiet = quiet_function,
	.reset = reset_function,
	.eject = eject_function,
	.fini = finish_function,
};

static void set_identity(struct endpoint *p, unsigned pin)
{
	struct func_config *c = &p->config;

	func_config_set(c, PCI_VENDOR_ID, 2, p->ids.vendor, 0);
	func_config_set(c, PCI_DEVICE_ID, 2, p->ids.device, 0);
	func_config_set(c, PCI_CLASS_REVISION, 4, p->ids.class << 8 | p->ids.revision, 0);
	func_config_set(c, PCI_SUBSYSTEM_VENDOR_ID, 2, p->ids.subsystem_vendor, 0);
	func_config_set(c, PCI_SUBSYSTEM_ID, 2, p->ids.subsystem, 0);
	func_config_set(c, PCI_INTERRUPT_PIN, 1, pin, 0);
	func_config_add_cap(c, PCI_CAP_ID_EXP, CAP_EXPRESS);
	func_config_set(c, CAP_EXPRESS + PCI_EXP_FLAGS, 2, PCI_EXP_TYPE_ENDPOINT << 4 | 2, 0);
	func_config_set(c, CAP_EXPRESS + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER, 0);
	func_config_set(c, CAP_EXPRESS + PCI_EXP_LNKCAP, 4, PCI_EXP_LNKCAP_SLS_2_5GB | 1U << 4, 0);
	func_config_set(c, CAP_EXPRESS + PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_CLS_2_5GB | 1U << 4, 0);
}

void endpoint_init(struct endpoint *p, struct vm *vm, const struct endpoint_ops *ops,
	const struct endpoint_ids *ids, unsigned pin)
{
	*p = (struct endpoint){
		.func = {.ops = &endpoint_func_ops, .lock = &p->lock},
		.lock = LOCK_INIT(LOCK_DEVICE),
		.vm = vm,
		.ops = ops,
		.ids = *ids,
	};
	p->config.bytes = p->bytes;
	p->msix.irq = &vm->irq;
	func_bars_init(&p->bars, vm, &p->lock, &endpoint_bar_ops, p->bytes);
	func_intx_init(&p->intx, vm, &p->func, pin);
	set_identity(p, pin);
	set_registers(p);
}

int endpoint_add_bar(struct endpoint *p, unsigned index, enum func_bar_kind kind, uint64_t size,
	bool prefetchable, const struct func_span *spans, unsigned count, struct err *e)
{
	uint32_t flags = prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0;

	if (kind == FUNC_BAR_IO)
		flags = PCI_BASE_ADDRESS_SPACE_IO;
	else if (kind == FUNC_BAR_MEM64)
		flags |= PCI_BASE_ADDRESS_MEM_TYPE_64;
	struct func_bar *b = func_bar_make(&p->bars, index, kind, size);
	if (b->kind == FUNC_BAR_NONE)
		return err_say(e, -EINVAL, "make BAR %u: no register tells its size", index);
	p->bar_flags[index] = flags;
	set_registers(p);
	return func_bar_cut(b, spans, count, e);
}

int endpoint_add_msix(struct endpoint *p, unsigned count, unsigned bar, uint64_t table_off,
	uint64_t pba_off, struct err *e)
{
	struct func_msix *m = &p->msix;

	m->count = count;
	m->table_bar = m->pba_bar = bar;
	m->table_off = table_off;
	m->pba_off = pba_off;
	func_config_add_cap(&p->config, PCI_CAP_ID_MSIX, CAP_MSIX);
	func_config_set(&p->config, CAP_MSIX + PCI_MSIX_TABLE, 4, (uint32_t)table_off | bar, 0);
	func_config_set(&p->config, CAP_MSIX + PCI_MSIX_PBA, 4, (uint32_t)pba_off | bar, 0);
	set_registers(p);
	return func_msix_init(m, e);
}
