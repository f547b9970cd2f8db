/* SPDX-License-Identifier: MIT */
/* Fault injection, and the arguments of a model. */
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <string.h>

void usher_model_break(
	struct usher_model_device *d, enum usher_model_fault fault, unsigned after, unsigned count)
{
	d->fault = fault;
	d->fault_after = after;
	d->fault_count = count;
}

enum usher_model_fault usher_model_meets(struct usher_model_device *d)
{
	if (d->fault_after) {
		d->fault_after--;
		return USHER_FAULT_NONE;
	}
	if (!d->fault_count)
		return USHER_FAULT_NONE;
	d->fault_count--;
	if (d->fault == USHER_FAULT_VANISH)
		usher_model_vanish(d);
	return d->fault;
}

const char *model_argument(const char *arguments, const char *key, size_t *ret_len)
{
	const size_t wanted = strlen(key);

	for (const char *at = arguments; *at; at += strspn(at, ",")) {
		size_t len = strcspn(at, ",");
		if (len >= wanted && strncmp(at, key, wanted) == 0 &&
			(len == wanted || at[wanted] == '=')) {
			*ret_len = len == wanted ? 0 : len - wanted - 1;
			return len == wanted ? at + len : at + wanted + 1;
		}
		at += len;
	}
	return NULL;
}

int model_argument_number(
	const char *arguments, const char *key, uint64_t least, uint64_t most, uint64_t *value)
{
	char text[24] = "";
	size_t len;
	const char *at = model_argument(arguments, key, &len);

	if (!at)
		return 0;
	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, at, len);
	uint64_t n;
	if (num_parse(text, 10, most, &n) < 0 || n < least)
		return -EINVAL;
	*value = n;
	return 0;
}

int model_break_as_told(struct usher_model_device *d, const char *arguments)
{
	static const char *const names[] = {
		[USHER_FAULT_NONE] = "none",
		[USHER_FAULT_TIMEOUT] = "timeout",
		[USHER_FAULT_STATUS] = "status",
		[USHER_FAULT_SHORT] = "short",
		[USHER_FAULT_VANISH] = "vanish",
		[USHER_FAULT_FATAL] = "fatal",
		[USHER_FAULT_STRAY] = "stray",
	};
	uint64_t after = 0, count = 1;
	size_t len;
	const char *what = model_argument(arguments, "fault", &len);
	int r = model_argument_number(arguments, "after", 0, UINT32_MAX, &after);

	if (r == 0)
		r = model_argument_number(arguments, "count", 0, UINT32_MAX, &count);
	if (r < 0 || !what)
		return r;
	for (unsigned i = 0; i < COUNT(names); i++) {
		if (strlen(names[i]) != len || strncmp(names[i], what, len) != 0)
			continue;
		usher_model_break(d, (enum usher_model_fault)i, (unsigned)after, (unsigned)count);
		return 0;
	}
	return -EINVAL;
}
