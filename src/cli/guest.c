/* SPDX-License-Identifier: MIT */
#include "cli/guest.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/env.h"
#include "cli/report.h"
#include "cli/service.h"
#include "engine/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *guest_run_dir(const char *name)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s/vm/%s", state_run_dir(), name) == 0 &&
		access(path, F_OK) == 0)
		return state_run_dir();
	return BIND_STATE_DIR;
}

/* Where usherd does not run, @e says as before whose guest it is. Return: @code, or its own. */
static int link_by_service(
	const char *name, const char *purpose, int code, struct control_link *ret, struct err *e)
{
	struct err why = {0};

	if (!service_may_run())
		return code;
	int fd = service_connect(name, purpose, &why);
	if (fd == -ENOTCONN || fd == -ENOPKG)
		return code;
	if (fd < 0) {
		*e = why;
		return fd;
	}
	*e = (struct err){0};
	control_disconnect(ret);
	return control_adopt(fd, ret, e);
}

int guest_link(const char *name, const char *purpose, struct control_link *ret, struct err *e)
{
	const char *run_dir = guest_run_dir(name);

	int r = control_connect(run_dir, name, ret, e);
	if (r != -EACCES || strcmp(run_dir, BIND_STATE_DIR) != 0)
		return r;
	return link_by_service(name, purpose, r, ret, e);
}

int guest_connect(const struct verb *v, const char *purpose, int argc, char **argv,
	const char **ret_name, struct control_link *ret)
{
	struct err e = {0};

	*ret = CONTROL_LINK_NONE;
	if (optind >= argc)
		return option_wrong(v, "no NAME of a guest given; 'usher ps' lists them");
	if (optind + 1 < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind + 1]);
	*ret_name = argv[optind];
	if (guest_link(*ret_name, purpose, ret, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_FAILED;
}

static int name_is_shown(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int folder_each(const char *run_dir, int (*each)(void *arg, const char *name), void *arg)
{
	struct dirent **list = NULL;
	char path[FILE_PATH_MAX];
	int r = 0;

	if (file_path(path, sizeof(path), "%s/vm", run_dir) < 0)
		return 0;
	int count = scandir(path, &list, name_is_shown, alphasort);
	for (int i = 0; i < count; i++) {
		/* A name is the user's own guest first: root's of that name cannot be asked. */
		if (r == 0 && strcmp(guest_run_dir(list[i]->d_name), run_dir) == 0)
			r = each(arg, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

int guests_each(int (*each)(void *arg, const char *name), void *arg)
{
	int r = folder_each(BIND_STATE_DIR, each, arg);

	if (r == 0 && strcmp(state_run_dir(), BIND_STATE_DIR) != 0)
		r = folder_each(state_run_dir(), each, arg);
	return r;
}

int guest_process(const char *name, const char *file)
{
	char path[FILE_PATH_MAX], text[24];

	if (file_path(path, sizeof(path), "%s/vm/%s/%s", guest_run_dir(name), name, file) < 0 ||
		file_read(path, text, sizeof(text)) <= 0)
		return 0;
	return atoi(text);
}
