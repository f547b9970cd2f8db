/* SPDX-License-Identifier: MIT */
#include "engine/walls.h"

#include "base/num.h"
#include "engine/spec.h"
#include "host/host.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum need { NOTHING, NAMESPACE, ROOT, LANDLOCK };

static const struct {
	const char *name;
	enum need need;
	const char *limit; /* of NAMESPACE: how many there may be */
} walls[WALLS_MAX] = {
	{"processes", NAMESPACE, "/proc/sys/user/max_pid_namespaces"},
	{"network", NAMESPACE, "/proc/sys/user/max_net_namespaces"},
	{"ipc", NAMESPACE, "/proc/sys/user/max_ipc_namespaces"},
	{"names", NAMESPACE, "/proc/sys/user/max_uts_namespaces"},
	{"files", NAMESPACE, "/proc/sys/user/max_mnt_namespaces"},
	{"user", ROOT, NULL},
	{"capabilities", NOTHING, NULL},
	{"trace", NOTHING, NULL},
	{"rights", NOTHING, NULL},
	{"paths", LANDLOCK, NULL},
	{"calls", NOTHING, NULL},
};

static bool setting_is(struct host *h, const char *path, uint64_t value)
{
	uint64_t now;

	return host_read_number(h, path, &now) == 0 && now == value;
}

/* An ordinary user makes namespaces inside of a user namespace alone. */
static const char *users_lack(struct host *h)
{
	if (geteuid() == 0)
		return NULL;
	if (setting_is(h, "/proc/sys/user/max_user_namespaces", 0) ||
		setting_is(h, "/proc/sys/kernel/unprivileged_userns_clone", 0) ||
		setting_is(h, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1))
		return "this host gives ordinary users no user namespaces";
	return NULL;
}

static const char *landlock_lacks(struct host *h)
{
	char text[256];

	if (host_read_text(h, "/sys/kernel/security/lsm", text, sizeof(text)) < 0)
		return NULL;
	return strstr(text, "landlock") ? NULL : "this kernel has no landlock";
}

static const char *wall_lacks(struct host *h, size_t i)
{
	switch (walls[i].need) {
	case NAMESPACE:
		return setting_is(h, walls[i].limit, 0) ? "this host permits no such namespace"
							: users_lack(h);
	case ROOT:
		return geteuid() == 0 ? NULL : "only root can become another user";
	case LANDLOCK:
		return landlock_lacks(h);
	case NOTHING:
		break;
	}
	return NULL;
}

size_t walls_foretell(struct host *h, const struct guest_spec *s, struct wall_forecast *ret)
{
	for (size_t i = 0; i < WALLS_MAX; i++)
		ret[i] = (struct wall_forecast){
			walls[i].name, s->no_sandbox ? "--no-sandbox" : wall_lacks(h, i)};
	return WALLS_MAX;
}
