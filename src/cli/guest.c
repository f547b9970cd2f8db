/* SPDX-License-Identifier: MIT */
#include "cli/guest.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/env.h"
#include "cli/report.h"

#include <dirent.h>
#include <stdlib.h>

int guest_connect(const struct verb *v, int argc, char **argv, const char **ret_name,
	struct control_link *ret)
{
	struct err e = {0};

	*ret = CONTROL_LINK_NONE;
	if (optind >= argc)
		return option_wrong(v, "no NAME of a guest given; 'usher ps' lists them");
	if (optind + 1 < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind + 1]);
	*ret_name = argv[optind];
	if (control_connect(BIND_STATE_DIR, *ret_name, ret, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_FAILED;
}

static int name_is_shown(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int guests_each(int (*each)(void *arg, const char *name), void *arg)
{
	struct dirent **list = NULL;
	int r = 0;

	int count = scandir(BIND_STATE_DIR "/vm", &list, name_is_shown, alphasort);
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = each(arg, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

int guest_process(const char *name, const char *file)
{
	char path[FILE_PATH_MAX], text[24];

	if (file_path(path, sizeof(path), BIND_STATE_DIR "/vm/%s/%s", name, file) < 0 ||
		file_read(path, text, sizeof(text)) <= 0)
		return 0;
	return atoi(text);
}
