/* SPDX-License-Identifier: MIT */
/*
 * Functions as version 0.1 released them, for programs that were built with its headers.
 *
 * How it works. Those headers pass no size, so each structure has the size that it had then. Of the
 * headers of today, the inline functions have these names; here they get the names by a label.
 */
#include "base/sized.h"

#include <usher/device.h>
#include <usher/dma.h>
#include <usher/irq.h>
#include <usher/model.h>
#include <usher/region.h>
#include <usher/space.h>

#define RELEASED(name) __asm__(#name) __attribute__((visibility("default")))
#define BUFFER SIZE_UP_TO(struct usher_buffer, access)

int released_space_new(const struct usher_space_options *o, struct usher_space **ret,
	struct usher_err *e) RELEASED(usher_space_new);
int released_space_new(
	const struct usher_space_options *o, struct usher_space **ret, struct usher_err *e)
{
	return usher_space_new_sized(o, SIZE_UP_TO(struct usher_space_options, quarantine), ret, e);
}

int released_space_info(struct usher_space *s, struct usher_space_info *ret, struct usher_err *e)
	RELEASED(usher_space_info);
int released_space_info(struct usher_space *s, struct usher_space_info *ret, struct usher_err *e)
{
	return usher_space_query_sized(s, ret, SIZE_UP_TO(struct usher_space_info, spans), e);
}

const struct usher_device_info *released_device_info(const struct usher_device *d)
	RELEASED(usher_device_info);
const struct usher_device_info *released_device_info(const struct usher_device *d)
{
	return usher_device_query(d);
}

int released_irq_info(struct usher_device *d, enum usher_irq kind, struct usher_irq_info *ret)
	RELEASED(usher_irq_info);
int released_irq_info(struct usher_device *d, enum usher_irq kind, struct usher_irq_info *ret)
{
	return usher_irq_query_sized(d, kind, ret, SIZE_UP_TO(struct usher_irq_info, growable));
}

int released_region_info(struct usher_device *d, uint32_t index, struct usher_region *ret,
	struct usher_err *e) RELEASED(usher_region_info);
int released_region_info(
	struct usher_device *d, uint32_t index, struct usher_region *ret, struct usher_err *e)
{
	return usher_region_info_sized(d, index, ret, SIZE_UP_TO(struct usher_region, areas), e);
}

int released_device_dependents(struct usher_device *d, struct usher_dependent *ret, size_t max,
	struct usher_err *e) RELEASED(usher_device_dependents);
int released_device_dependents(
	struct usher_device *d, struct usher_dependent *ret, size_t max, struct usher_err *e)
{
	return usher_device_dependents_sized(
		d, ret, SIZE_UP_TO(struct usher_dependent, owned), max, e);
}

int released_buffer_alloc(struct usher_space *s, uint64_t size, unsigned flags,
	struct usher_buffer *ret, struct usher_err *e) RELEASED(usher_buffer_alloc);
int released_buffer_alloc(struct usher_space *s, uint64_t size, unsigned flags,
	struct usher_buffer *ret, struct usher_err *e)
{
	return usher_buffer_alloc_sized(s, size, flags, ret, BUFFER, e);
}

int released_buffer_share(const struct usher_buffer *b, struct usher_space *s,
	struct usher_buffer *ret, struct usher_err *e) RELEASED(usher_buffer_share);
int released_buffer_share(const struct usher_buffer *b, struct usher_space *s,
	struct usher_buffer *ret, struct usher_err *e)
{
	return usher_buffer_share_sized(b, s, ret, BUFFER, e);
}

void released_buffer_free(struct usher_buffer *b) RELEASED(usher_buffer_free);
void released_buffer_free(struct usher_buffer *b)
{
	(void)usher_buffer_free_sized(b, BUFFER);
}

int released_model_register(const struct usher_model *m) RELEASED(usher_model_register);
int released_model_register(const struct usher_model *m)
{
	return usher_model_register_sized(
		m, SIZE_UP_TO(struct usher_model, ops), SIZE_UP_TO(struct usher_model_ops, write));
}
