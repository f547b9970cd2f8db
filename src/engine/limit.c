/* SPDX-License-Identifier: MIT */
#include "engine/limit.h"

#include "base/err.h"
#include "base/num.h"
#include "engine/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_BESIDE MIB(256) /* usher-vmm itself, sockets, and pages of the page cache */
#define PERIOD_US 100000 /* the kernel's own default, of cpu.max */

int limit_parse_cpu(const char *text, struct limit *ret, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long n = digits && digits < 6 ? strtoul(text, NULL, 10) : 0;

	if (strcmp(text + digits, "%") != 0 || n < LIMIT_CPU_MIN || n > LIMIT_CPU_MAX)
		return err_say(e, -EINVAL,
			"--cpu-limit: '%.40s' is not a share of one processor, from %d%% to %d%%",
			text, LIMIT_CPU_MIN, LIMIT_CPU_MAX);
	ret->cpu = (unsigned)n;
	return 0;
}

int limit_parse_memory(const char *text, struct limit *ret, struct err *e)
{
	if (strcmp(text, "none") == 0) {
		ret->kind = LIMIT_MEMORY_NONE;
		return 0;
	}
	if (num_parse_size(text, &ret->memory) < 0 || !ret->memory)
		return err_say(e, -EINVAL,
			"--memory-limit: '%.40s' is neither a size such as 5G nor none", text);
	ret->kind = LIMIT_MEMORY_GIVEN;
	return 0;
}

/* Huge pages of the pool do not count: the kernel has a controller of its own for them. */
uint64_t limit_memory_of(const struct guest_spec *s)
{
	if (s->limit.kind == LIMIT_MEMORY_NONE)
		return UINT64_MAX;
	if (s->limit.kind == LIMIT_MEMORY_GIVEN)
		return s->limit.memory;
	return (s->hugepages ? 0 : s->memory) + s->memory / 32 + LIMIT_BESIDE;
}

/* Those of the limits that the user gave, or else of the default one. */
static const char *limit_controllers(const struct guest_spec *s)
{
	if (!s->limit.cpu)
		return "memory";
	return s->limit.kind == LIMIT_MEMORY_GIVEN ? "cpu memory" : "cpu";
}

static bool is_given(const struct guest_spec *s)
{
	return s->limit.cpu || s->limit.kind == LIMIT_MEMORY_GIVEN;
}

int limit_check(const struct guest_spec *s, uint64_t memory, struct err *e)
{
	struct cgroup_place place;

	if (s->limit.kind == LIMIT_MEMORY_GIVEN && !s->hugepages && s->limit.memory < memory)
		return err_say(e, -EINVAL,
			"--memory-limit: %" PRIu64 " MiB are less than the guest's memory, %" PRIu64
			" MiB",
			s->limit.memory >> 20, memory >> 20);
	return is_given(s) ? cgroup_find(CGROUP_HOST, limit_controllers(s), true, &place, e) : 0;
}

static int write_cpu(const struct guest_spec *s, const struct cgroup *g, struct err *e)
{
	char value[64];

	if (!s->limit.cpu)
		return 0;
	(void)snprintf(value, sizeof(value), "%" PRIu64 " %d",
		(uint64_t)s->limit.cpu * (PERIOD_US / 100), PERIOD_US);
	return cgroup_set(g, "cpu.max", value, e);
}

/* A limit by default is left out where the kernel does not keep it. */
static int write_memory(const struct guest_spec *s, const struct cgroup *g, struct err *e)
{
	char value[64];

	(void)snprintf(value, sizeof(value), "%" PRIu64, limit_memory_of(s));
	int r = cgroup_set(g, "memory.max", value, e);
	/* The guest does not go on without its user-mode network unnoticed. Since Linux 4.19. */
	(void)cgroup_set(g, "memory.oom.group", "1", NULL);
	return s->limit.kind == LIMIT_MEMORY_GIVEN ? r : 0;
}

static int enable_controllers(
	const struct guest_spec *s, const struct cgroup_place *place, bool memory, struct err *e)
{
	int r = s->limit.cpu ? cgroup_enable(place, "cpu", e) : 0;
	if (r < 0 || !memory)
		return r;
	r = cgroup_enable(place, "memory", e);
	return s->limit.kind == LIMIT_MEMORY_GIVEN ? r : 0;
}

static int place_find(
	const struct guest_spec *s, bool memory, struct cgroup_place *ret, struct err *e)
{
	int r = cgroup_find(CGROUP_HOST, limit_controllers(s), is_given(s), ret, e);

	return r < 0 ? r : enable_controllers(s, ret, memory, e);
}

static int make_limited(const struct guest_spec *s, bool memory, struct cgroup *ret, struct err *e)
{
	struct cgroup_place place;
	char name[32];

	int r = place_find(s, memory, &place, e);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "run-%d", getpid());
	r = cgroup_make_at(&place, name, ret, e);
	if (r == 0)
		r = write_cpu(s, ret, e);
	return r == 0 && memory ? write_memory(s, ret, e) : r;
}

int limit_make(const struct guest_spec *s, bool bounded, struct cgroup *ret, struct err *e)
{
	bool memory = s->limit.kind == LIMIT_MEMORY_GIVEN ||
		      (bounded && s->limit.kind == LIMIT_MEMORY_DEFAULT);
	struct err why = {0};

	*ret = CGROUP_NONE;
	if (!memory && !s->limit.cpu)
		return 0;
	int r = make_limited(s, memory, ret, &why);
	if (r == 0)
		return 0;
	cgroup_remove(ret);
	if (!is_given(s))
		return 0;
	*e = why;
	return r;
}

void limit_explain(const struct guest_spec *s, const struct cgroup *g, struct err *e)
{
	uint64_t kills = cgroup_kills(g);

	if (kills)
		err_say(e, -ENOMEM,
			"the kernel ended guest '%s': it needed more memory than its limit, "
			"%" PRIu64 " MiB (--memory-limit)",
			s->name, limit_memory_of(s) >> 20);
}
