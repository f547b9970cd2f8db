/* SPDX-License-Identifier: MIT */
#include "engine/environment.h"

#include "base/num.h"
#include "engine/spec.h"
#include "program/process.h"

#include <string.h>

void environment_add(const struct guest_spec *s, struct program *p)
{
	static const char *const kept[] = {"PATH", "TERM", "LANG", "LC_ALL", "TZ"};

	for (size_t i = 0; i < COUNT(kept); i++)
		program_keep(p, kept[i]);
	for (size_t i = 0; i < s->env_count; i++) {
		if (strchr(s->env[i], '='))
			program_env(p, "%s", s->env[i]);
		else
			program_keep(p, s->env[i]);
	}
}
