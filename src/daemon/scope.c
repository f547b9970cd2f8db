/* SPDX-License-Identifier: MIT */
#include "daemon/scope.h"

#include "base/file.h"
#include "control/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define PATIENCE_US (30 * UINT64_C(1000000))

static bool cgroup_read(int64_t pid, char *buf, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/cgroup", pid);
	return file_read(path, buf, size) > 0;
}

static bool cgroup_is_ours(int64_t pid)
{
	char ours[1024], other[1024];

	return cgroup_read(getpid(), ours, sizeof(ours)) &&
	       cgroup_read(pid, other, sizeof(other)) && strcmp(ours, other) == 0;
}

/* A name of a unit has no "+". */
static void unit_name(const struct kept *k, char *buf, size_t size)
{
	(void)snprintf(
		buf, size, "usher-%s-%s.scope", k->kind == KEPT_LEASE ? "lease" : "guest", k->name);
	for (char *c = buf; *c; c++)
		if (*c == '+')
			*c = ':';
}

static int on_answer(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const sd_bus_error *why = sd_bus_message_get_error(m);

	if (why)
		(void)fprintf(
			stderr, "usherd: a keeper stays in usherd's unit: %s\n", why->message);
	return 0;
}

static int properties_append(sd_bus_message *m, const struct kept *k, int64_t keeper)
{
	int64_t vmm = 0;
	char text[96];

	(void)snprintf(text, sizeof(text), "usher: keeper of %s", k->name);
	/* What a guest's keeper starts later is in its cgroup; a lease's process is a stranger. */
	const bool both = k->kind == KEPT_GUEST && control_value_number(k->state, "pid", &vmm) &&
			  vmm > 0 && cgroup_is_ours(vmm);
	int r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)(sv)", "Description", "s", text, "CollectMode",
			"s", "inactive-or-failed");
	if (r >= 0 && both)
		r = sd_bus_message_append(
			m, "(sv)", "PIDs", "au", 2, (uint32_t)keeper, (uint32_t)vmm);
	else if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t)keeper);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

void scope_give(const struct kept *k)
{
	sd_bus_message *m = NULL;
	char name[128];
	int64_t pid = 0;

	if (sd_booted() <= 0 || !control_value_number(k->state, "keeper", &pid) ||
		!cgroup_is_ours(pid))
		return;
	unit_name(k, name, sizeof(name));
	int r = sd_bus_message_new_method_call(k->daemon->bus, &m, SYSTEMD,
		"/org/freedesktop/systemd1", SYSTEMD ".Manager", "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", name, "fail");
	if (r >= 0)
		r = properties_append(m, k, pid);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		(void)sd_bus_call_async(k->daemon->bus, NULL, m, on_answer, NULL, PATIENCE_US);
	(void)sd_bus_message_unref(m);
}
