/* SPDX-License-Identifier: MIT */
/*
 * vmm_attach WORD…: a keeper in small, whose guest begins without a device. The words are those of
 * vmm_send, with --slots N for empty slots. A line on descriptor 3, 'attach ADDRESS GROUP',
 * attaches that device, which is on vfio-pci; the answer is a line on standard error. Ends with the
 * guest.
 */
#include "base/err.h"
#include "engine/attach.h"
#include "engine/devices.h"
#include "engine/engine.h"
#include "pci/address.h"
#include "vfio/type1.h"
#include "vmm/vmm_send.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMANDS 3 /* the descriptor */
#define ANSWER_MS 60000

static struct engine_run run;
static struct open_devices devices = {.ioas = VFIO_IOAS_NONE};

static int attach_named(const char *name, int group, struct err *e)
{
	struct vfio_member member = {.name = name, .group = group};
	struct attach_function f = {.group = group};
	size_t at = devices.device_count;

	if (pci_address_parse(name, &f.address) < 0)
		return err_say(e, -EINVAL, "'%s' is not an address", name);
	if (at == SPEC_DEVICES_MAX)
		return err_set(e, -ENOSPC, "attach");
	if (!vfio_ioas_owns(&devices.ioas, group)) {
		int r = vfio_ioas_bind(&devices.ioas, &member, e);
		if (r < 0)
			return r;
	}
	int r = vfio_ioas_attach(&devices.ioas, &member, &devices.devices[at].vfio, e);
	if (r < 0)
		return r;
	devices.devices[at].address = f.address;
	devices.devices[at].group = group;
	devices.devices[at].kvm_file = vfio_ioas_kvm_file(&devices.ioas, &devices.devices[at].vfio);
	devices.device_count++;
	f.device = devices.devices[at].vfio.fd;
	r = engine_attach(&run, devices.ioas.fd, &f, 1, ANSWER_MS, e);
	/* An unbind waits for every descriptor: the guest's is enough. */
	vfio_ioas_detach(&devices.ioas, &devices.devices[at].vfio);
	return r;
}

static void do_command(char *line)
{
	char name[PCI_ADDRESS_TEXT];
	struct err e = {0};
	int group;

	if (sscanf(line, "attach %15s %d", name, &group) != 2)
		send_fail("wrong command", line);
	/* Of a device that was there before: what it was is void. */
	for (size_t i = 0; i < devices.device_count; i++)
		if (devices.devices[i].group == group)
			devices.devices[i] = devices.devices[--devices.device_count];
	int r = attach_named(name, group, &e);
	(void)fprintf(stderr, "attached %s: %d %s\n", name, r, r < 0 ? e.msg : "");
}

static void read_commands(void)
{
	char text[256];

	ssize_t n = read(COMMANDS, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		do_command(line);
}

static pid_t start_vmm(const char *program, int socket)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	char text[16];
	pid_t pid = fork();

	if (pid)
		return pid;
	/* As the keeper does: a device that comes later has the guest's memory locked, too. */
	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	(void)close(COMMANDS);
	(void)fcntl(socket, F_SETFD, 0);
	(void)snprintf(text, sizeof(text), "%d", socket);
	(void)execlp(program, program, "--keeper", text, (char *)NULL);
	_exit(126);
}

int main(int argc, char **argv)
{
	struct err e = {0};
	int status = 0, pair[2];

	if (argc < 2 || wire_pair(pair) < 0)
		send_fail("no program", "");
	run = ENGINE_RUN_NONE;
	run.calls.fd = pair[0];
	run.devices = &devices;
	if (vfio_ioas_open(&vfio_type1, &devices.ioas, &e) < 0)
		send_fail(e.msg, "");
	int socket = send_words_calling((const char *const *)argv + 2, pair[1], &run.line_fd);
	pid_t pid = start_vmm(argv[1], socket);
	(void)close(socket);
	(void)close(pair[1]);
	for (;;) {
		struct pollfd p[] = {{.fd = COMMANDS, .events = POLLIN},
			{.fd = run.calls.fd, .events = POLLIN}, {.fd = run.line_fd, .events = 0}};
		if (poll(p, COUNT(p), -1) < 0 || p[2].revents)
			break;
		if (p[1].revents)
			calls_serve(&run.calls, &devices);
		if (p[0].revents & POLLIN)
			read_commands();
	}
	(void)waitpid(pid, &status, 0);
	vfio_ioas_close(&devices.ioas);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
