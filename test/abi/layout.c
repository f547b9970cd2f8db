/* SPDX-License-Identifier: MIT */
/*
 * Prints where each field of version 0.1 lies, and which value each constant has. Built with the
 * headers of that version and with those of today, it must print the same.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/err.h>
#include <usher/irq.h>
#include <usher/model.h>
#include <usher/region.h>
#include <usher/space.h>

#define FIELD(type, field)                                                                  \
	(void)printf(#type "." #field " at %zu, %zu bytes\n", offsetof(struct type, field), \
		sizeof(((struct type *)0)->field))
/* A field whose end has become room for others. */
#define START(type, field) (void)printf(#type "." #field " at %zu\n", offsetof(struct type, field))
#define CONSTANT(name) (void)printf(#name " is %" PRIu64 "\n", (uint64_t)(name))
/* A structure that callers allocate and whose size no call tells: it may not grow. */
#define CLOSED(type) (void)printf(#type " has %zu bytes\n", sizeof(struct type))

static void layout_of_devices(void)
{
	FIELD(usher_device_info, name);
	FIELD(usher_device_info, vendor);
	FIELD(usher_device_info, device);
	FIELD(usher_device_info, class_code);
	FIELD(usher_device_info, regions);
	FIELD(usher_device_info, irq_kinds);
	FIELD(usher_device_info, group);
	FIELD(usher_device_info, atomics);
	FIELD(usher_dependent, address);
	FIELD(usher_dependent, group);
	FIELD(usher_dependent, owned);
	FIELD(usher_irq_info, count);
	FIELD(usher_irq_info, maskable);
	FIELD(usher_irq_info, automasked);
	FIELD(usher_irq_info, growable);
	CLOSED(usher_err);
	FIELD(usher_err, code);
	START(usher_err, msg);
	FIELD(usher_err, hint);
}

static void layout_of_memory(void)
{
	FIELD(usher_space_options, guard);
	FIELD(usher_space_options, quarantine);
	FIELD(usher_space_info, page_sizes);
	FIELD(usher_space_info, dma_mask);
	FIELD(usher_space_info, mappings);
	FIELD(usher_space_info, mappings_left);
	FIELD(usher_space_info, mapped);
	FIELD(usher_space_info, span_count);
	FIELD(usher_space_info, spans);
	CLOSED(usher_span);
	FIELD(usher_span, first);
	FIELD(usher_span, last);
	FIELD(usher_buffer, host);
	FIELD(usher_buffer, iova);
	FIELD(usher_buffer, size);
	FIELD(usher_buffer, space);
	FIELD(usher_buffer, fd);
	FIELD(usher_buffer, access);
}

static void layout_of_registers(void)
{
	FIELD(usher_region, index);
	FIELD(usher_region, flags);
	FIELD(usher_region, size);
	FIELD(usher_region, type);
	FIELD(usher_region, subtype);
	FIELD(usher_region, area_count);
	FIELD(usher_region, areas);
	CLOSED(usher_window);
	FIELD(usher_window, base);
	FIELD(usher_window, size);
	FIELD(usher_window, gone);
	FIELD(usher_window, split);
	FIELD(usher_window, caching);
	FIELD(usher_window, device);
	FIELD(usher_window, region);
	FIELD(usher_window, off);
}

static void layout_of_models(void)
{
	CLOSED(usher_model_shape);
	FIELD(usher_model_shape, vendor);
	FIELD(usher_model_shape, device);
	FIELD(usher_model_shape, class_code);
	FIELD(usher_model_shape, bar_size);
	FIELD(usher_model_shape, bar_memory);
	FIELD(usher_model_shape, bar_memory_off);
	FIELD(usher_model_shape, intx);
	FIELD(usher_model_shape, msi);
	FIELD(usher_model_shape, msix);
	FIELD(usher_model_shape, express);
	FIELD(usher_model_shape, no_reset);
	FIELD(usher_model_ops, init);
	FIELD(usher_model_ops, fini);
	FIELD(usher_model_ops, reset);
	FIELD(usher_model_ops, read);
	FIELD(usher_model_ops, write);
	FIELD(usher_model, name);
	FIELD(usher_model, shape);
	FIELD(usher_model, ops);
}

static void values_of_flags(void)
{
	CONSTANT(USHER_DMA_BOTH);
	CONSTANT(USHER_SPANS_MAX);
	CONSTANT(USHER_SPACE_COHERENT);
	CONSTANT(USHER_SPACE_UPDATE_VADDR);
	CONSTANT(USHER_BUFFER_HUGE_2M);
	CONSTANT(USHER_BUFFER_HUGE_1G);
	CONSTANT(USHER_BUFFER_TO_DEVICE);
	CONSTANT(USHER_BUFFER_FROM_DEVICE);
	CONSTANT(USHER_REGION_READ);
	CONSTANT(USHER_REGION_WRITE);
	CONSTANT(USHER_REGION_MAP);
	CONSTANT(USHER_MODEL_BARS);
}

static void values_of_kinds(void)
{
	CONSTANT(USHER_BAR(5));
	CONSTANT(USHER_ROM);
	CONSTANT(USHER_CONFIG);
	CONSTANT(USHER_VGA);
	CONSTANT(USHER_WHOLE);
	CONSTANT(USHER_HIGH_FIRST);
	CONSTANT(USHER_UNCACHED);
	CONSTANT(USHER_COMBINED);
	CONSTANT(USHER_INTX);
	CONSTANT(USHER_MSI);
	CONSTANT(USHER_MSIX);
	CONSTANT(USHER_ERR);
	CONSTANT(USHER_REQ);
	CONSTANT(USHER_CAN_RESET);
	CONSTANT(USHER_CAN_LOG_DMA);
	CONSTANT(USHER_FEATURE_SET);
	CONSTANT(USHER_FAULT_NONE);
	CONSTANT(USHER_FAULT_STRAY);
}

int main(void)
{
	layout_of_devices();
	layout_of_memory();
	layout_of_registers();
	layout_of_models();
	values_of_flags();
	values_of_kinds();
	return 0;
}
