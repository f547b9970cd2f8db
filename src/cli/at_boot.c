/* SPDX-License-Identifier: MIT */
#include "cli/at_boot.h"

#include "base/err.h"
#include "engine/spec.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int at_boot_mark(const char *name, bool on, struct err *e)
{
	static char program[] = "systemctl", enable[] = "enable", disable[] = "disable";
	char unit[SPEC_NAME_MAX + 32];
	char *const words[] = {program, on ? enable : disable, unit, NULL};
	int status;
	pid_t pid;

	(void)snprintf(unit, sizeof(unit), "usher-guest@%.*s.service", SPEC_NAME_MAX, name);
	int r = -posix_spawnp(&pid, program, NULL, NULL, words, environ);
	if (r == -ENOENT) {
		(void)err_say(e, r, "there is no systemctl, so no systemd starts '%s'", name);
		err_hint(e, "have the host's init run 'usher start %s' at each boot", name);
		return r;
	}
	if (r < 0)
		return err_set(e, r, "run systemctl");
	if (waitpid(pid, &status, 0) < 0)
		return err_set(e, -errno, "wait for systemctl");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_say(e, -EIO, "systemctl has not %sd %s", words[1], unit);
	return 0;
}
