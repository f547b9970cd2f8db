/* SPDX-License-Identifier: MIT */
#include "cli/saved.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/guestwords.h"
#include "engine/spec.h"
#include "view/nearest.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAVED_FOLDER "/etc/usher/guests"
#define SAVED_MODE 0600 /* --env may give a secret to QEMU */

const char *saved_folder(void)
{
	const char *other = getenv("USHER_GUESTS");

	return other && other[0] == '/' ? other : SAVED_FOLDER;
}

/* A change of the guest with the shorter name would write over it. */
static bool name_is_temporary(const char *name)
{
	char other[SPEC_NAME_MAX + 1];

	return file_is_leftover(name, other, sizeof(other));
}

int saved_path(const char *name, char *buf, size_t size, struct err *e)
{
	if (!spec_is_name(name)) {
		(void)err_say(e, -EINVAL, "'%.80s' cannot be a guest's name", name);
		err_hint(e, SPEC_NAME_HINT, SPEC_NAME_MAX);
		return -EINVAL;
	}
	if (name_is_temporary(name)) {
		(void)err_say(e, -EINVAL, "no guest can be saved as '%s'", name);
		err_hint(e, "usher names its temporary files so; choose a name without '.new'");
		return -EINVAL;
	}
	int r = file_path(buf, size, "%s/%s", saved_folder(), name);
	return r < 0 ? err_set(e, r, "guest '%s'", name) : 0;
}

/* The name that may be meant: it lives as long as the list. */
struct saved_near {
	const char *typed;
	char word[SPEC_NAME_MAX + 1];
};

static int name_keep(void *arg, const char *name)
{
	struct saved_near *s = arg;
	struct nearest near = nearest_begin(s->typed);

	nearest_try(&near, name);
	if (near.word && !s->word[0])
		(void)snprintf(s->word, sizeof(s->word), "%s", name);
	return 0;
}

int saved_find(const char *name, char *buf, size_t size, struct err *e)
{
	struct saved_near s = {.typed = name};

	int r = saved_path(name, buf, size, e);
	if (r < 0 || access(buf, F_OK) == 0)
		return r;
	if (errno != ENOENT)
		return err_set(e, -errno, "open guest file '%s'", buf);
	(void)err_say(e, -ENOENT, "no guest is saved as '%s'", name);
	(void)saved_each(name_keep, &s);
	if (s.word[0])
		err_hint(e, "did you mean '%s'? 'usher ps --all' lists saved guests", s.word);
	else
		err_hint(e, "'usher run … --save %s' saves one; 'usher ps --all' lists them", name);
	return -ENOENT;
}

/* An editor's and a writer's left-overs are no guests. */
static int name_is_saved(const struct dirent *d)
{
	return spec_is_name(d->d_name) &&
	       (d->d_type == DT_REG || d->d_type == DT_LNK || d->d_type == DT_UNKNOWN);
}

int saved_each(int (*each)(void *arg, const char *name), void *arg)
{
	struct dirent **list = NULL;
	int r = 0;

	int count = scandir(saved_folder(), &list, name_is_saved, alphasort);
	for (int i = 0; i < count; i++) {
		if (r == 0 && !name_is_temporary(list[i]->d_name))
			r = each(arg, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

int saved_replace(const char *path, const char *text, size_t len, struct err *e)
{
	int r = file_replace_deep(path, text, len, SAVED_MODE);
	if (r >= 0)
		return 0;
	(void)err_set(e, r, "write guest file '%s'", path);
	if (r == -EACCES)
		err_hint(e, "root may; USHER_GUESTS=FOLDER is another folder of saved guests");
	return r;
}

int saved_write(const char *name, const struct guest_words *ws, struct err *e)
{
	char path[FILE_PATH_MAX];
	cleanup_free char *text = NULL;
	struct text t;

	int r = saved_path(name, path, sizeof(path), e);
	if (r < 0)
		return r;
	if (access(path, F_OK) == 0) {
		(void)err_say(e, -EEXIST, "guest '%s' is saved already, in '%s'", name, path);
		err_hint(
			e, "'usher edit %s' changes it; remove the file to save another one", name);
		return -EEXIST;
	}
	if (text_begin(&t) < 0)
		return err_set(e, -ENOMEM, "write guest file '%s'", path);
	r = words_write(ws, name, t.out, e);
	int len = text_end(&t, &text);
	if (r < 0)
		return r;
	return len < 0 ? err_set(e, -ENOMEM, "write guest file '%s'", path)
		       : saved_replace(path, text, (size_t)len, e);
}
