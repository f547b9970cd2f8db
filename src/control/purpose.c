/* SPDX-License-Identifier: MIT */
#include "control/purpose.h"

#include "base/num.h"

#include <string.h>

#define TO(words) "{\"command\":\"restrict\",\"to\":[" words "]}\n"

static const struct control_purpose purposes[] = {
	{"watch", TO("\"state\",\"statistics\",\"events\"")},
	{"console", TO("\"state\",\"console\"")},
	{"stop", TO("\"state\",\"events\",\"stop\"")},
	{"control", TO("\"state\",\"events\",\"reset\",\"pause\",\"resume\","
		       "\"resize\",\"link\",\"balloon\"")},
};

const struct control_purpose *control_purpose_find(const char *name)
{
	for (size_t i = 0; i < COUNT(purposes); i++)
		if (strcmp(purposes[i].name, name) == 0)
			return &purposes[i];
	return NULL;
}
