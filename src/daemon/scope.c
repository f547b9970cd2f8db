/* SPDX-License-Identifier: MIT */
#include "daemon/scope.h"

#include "base/file.h"
#include "base/num.h"
#include "control/value.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define PIDS_MAX 128
#define PATIENCE_US (30 * UINT64_C(1000000))

/* "0::/system.slice/usherd.service". Return: whether there is such a line. */
static bool cgroup_read(int64_t pid, char *buf, size_t size)
{
	char path[64], text[2048];

	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/cgroup", pid);
	if (file_read(path, text, sizeof(text)) <= 0)
		return false;
	const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return false;
	line = strchr(line, '/');
	(void)snprintf(buf, size, "%.*s", line ? (int)strcspn(line, "\n") : 0, line ? line : "");
	return buf[0] != '\0';
}

/* Return: how many processes are to move: the keeper, or all of the unit that started it. */
static size_t pids_find(const struct kept *k, int64_t keeper, uint32_t *ret)
{
	char ours[512], its[512], path[640], text[PIDS_MAX * 12];
	size_t count = 0;

	if (!cgroup_read(getpid(), ours, sizeof(ours)) || !cgroup_read(keeper, its, sizeof(its)))
		return 0;
	if (strcmp(ours, its) == 0) {
		ret[0] = (uint32_t)keeper;
		return 1;
	}
	if (k->kind != KEPT_GUEST || !strstr(its, "/" SCOPE_START) ||
		file_path(path, sizeof(path), "/sys/fs/cgroup%s/cgroup.procs", its) < 0 ||
		file_read(path, text, sizeof(text)) <= 0)
		return 0;
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) && count < PIDS_MAX;) {
		uint64_t pid;
		if (num_parse(line, 10, INT32_MAX, &pid) == 0)
			ret[count++] = (uint32_t)pid;
	}
	return count;
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

static int properties_append(
	sd_bus_message *m, const struct kept *k, const uint32_t *pids, size_t count)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "usher: keeper of %s", k->name);
	int r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)(sv)", "Description", "s", text, "CollectMode",
			"s", "inactive-or-failed");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", "PIDs");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "au");
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'u', pids, count * sizeof(*pids));
	for (unsigned depth = 0; r >= 0 && depth < 3; depth++)
		r = sd_bus_message_close_container(m);
	return r;
}

void scope_give(const struct kept *k)
{
	sd_bus_message *m = NULL;
	char name[128];
	uint32_t pids[PIDS_MAX];
	int64_t keeper = 0;

	if (sd_booted() <= 0 || !control_value_number(k->state, "keeper", &keeper))
		return;
	const size_t count = pids_find(k, keeper, pids);
	if (!count)
		return;
	unit_name(k, name, sizeof(name));
	int r = sd_bus_message_new_method_call(k->daemon->bus, &m, SYSTEMD,
		"/org/freedesktop/systemd1", SYSTEMD ".Manager", "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", name, "fail");
	if (r >= 0)
		r = properties_append(m, k, pids, count);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		(void)sd_bus_call_async(k->daemon->bus, NULL, m, on_answer, NULL, PATIENCE_US);
	(void)sd_bus_message_unref(m);
}
