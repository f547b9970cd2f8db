/* SPDX-License-Identifier: MIT */
#include "monitor/lost.h"

#include "base/fd.h"
#include "base/file.h"
#include "bind/owner.h"
#include "monitor/devices.h"
#include "pci/alive.h"
#include "pci/sleep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child writes for each device: shorter than PIPE_BUF, so never in pieces. */
struct answer {
	uint32_t index;
	int32_t result; /* of pci_device_is_dead() */
};

static bool is_to_ask(struct host *h, const struct seen *s)
{
	struct pci_sleep sleep;

	if (!bind_name_is_vfio(s->device.driver))
		return false;
	pci_sleep_read(h, s->device.address, &sleep);
	return strcmp(sleep.status, "suspended") != 0 && strcmp(sleep.status, "suspending") != 0;
}

static int list_make(struct lost_check *a, const struct seen_list *l)
{
	free(a->asked);
	a->count = 0;
	a->asked = calloc(l->count + 1, sizeof(*a->asked));
	if (!a->asked)
		return -ENOMEM;
	for (size_t i = 0; i < l->count; i++)
		if (is_to_ask(l->host, &l->list[i]))
			a->asked[a->count++] = l->list[i].device.address;
	return 0;
}

_Noreturn static void child_main(const struct lost_check *a, const struct seen_list *l, int to)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < a->count; i++) {
		const struct pci_device d = {.address = a->asked[i]};
		const struct answer found = {(uint32_t)i, pci_device_is_dead(l->host, &d)};
		if (write(to, &found, sizeof(found)) != sizeof(found))
			break;
	}
	_exit(0);
}

void lost_ask(struct lost_check *a, const struct seen_list *l)
{
	int pipe[2];

	if (a->pid || list_make(a, l) < 0 || !a->count || pipe2(pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	(void)fcntl(pipe[1], F_SETFL, 0);
	a->pid = fork();
	if (a->pid == 0)
		child_main(a, l, pipe[1]);
	(void)close(pipe[1]);
	a->fd = pipe[0];
	if (a->pid < 0) {
		a->pid = 0;
		fd_close(&a->fd);
	}
}

static void answer_tell(struct seen *s, enum seen_answers now, const struct monitor_teller *to)
{
	const enum seen_answers before = s->answers;
	char path[FILE_PATH_MAX], evidence[FILE_PATH_MAX + 64];

	if (now == before || pci_device_path(s->device.address, "config", path, sizeof(path)) < 0)
		return;
	s->answers = now;
	(void)snprintf(evidence, sizeof(evidence), "%s %s", path,
		now == SEEN_LOST   ? "reads all ones"
		: now == SEEN_HELD ? "cannot be read: the kernel does not return"
				   : "can be read again");
	const enum seen_answers about = now == SEEN_ANSWERS ? before : now;
	monitor_tell(to, &(struct monitor_event){
				 .kind = now == SEEN_ANSWERS ? MONITOR_RECOVERED : MONITOR_FAULT,
				 .has_address = true,
				 .address = s->device.address,
				 .cause = about == SEEN_LOST ? "lost" : "held",
				 .evidence = evidence});
}

void lost_take(struct lost_check *a, struct seen_list *l, const struct monitor_teller *to)
{
	struct answer found;
	ssize_t got;

	while ((got = read(a->fd, &found, sizeof(found))) == sizeof(found)) {
		struct seen *s =
			found.index < a->count ? seen_find(l, a->asked[found.index]) : NULL;
		if (s && (found.result >= 0 || found.result == -ETIMEDOUT))
			answer_tell(s,
				found.result > 0    ? SEEN_LOST
				: found.result == 0 ? SEEN_ANSWERS
						    : SEEN_HELD,
				to);
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	fd_close(&a->fd);
	(void)waitpid(a->pid, NULL, 0);
	a->pid = 0;
}

void lost_close(struct lost_check *a)
{
	if (a->pid) {
		(void)kill(a->pid, SIGKILL);
		(void)waitpid(a->pid, NULL, 0);
	}
	fd_close(&a->fd);
	free(a->asked);
	*a = LOST_CHECK_NONE;
}
