/* SPDX-License-Identifier: MIT */
#include "libvirt/process.h"

#include "base/err.h"
#include "base/file.h"
#include "host/host.h"

#include <errno.h>
#include <string.h>

int libvirt_process_read(
	struct host *h, const char *run, const char *name, pid_t *ret, struct err *e)
{
	char path[FILE_PATH_MAX];
	uint64_t pid = 0;

	int r = strchr(name, '/') ? -EINVAL : file_path(path, sizeof(path), "%s/%s.pid", run, name);
	r = r < 0 ? r : host_read_number(h, path, &pid);
	if (r < 0 || pid == 0 || pid > INT32_MAX)
		return err_set(e, r < 0 ? r : -EINVAL, "process of the domain's QEMU");
	*ret = (pid_t)pid;
	return 0;
}
