/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/output.h"
#include "engine/devices.h"
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * usher-vmm opens no path of its own: kernel and initrd by the paths told, all devices by
 * descriptor, /dev/kvm by descriptor, and the keeper by a pidfd whose end is its own.
 */
#define VMM_NAME "usher-vmm"
#define OVERHEAD MIB(16)

static int try_path(char *buf, size_t size, const char *path)
{
	if (access(path, X_OK) < 0)
		return -errno;
	return file_path(buf, size, "%s", path);
}

/* $USHER_VMM; in the build tree, src/vmm beside src/cli; where it is installed. */
static int vmm_path(char *buf, size_t size, struct err *e)
{
	static const char *const beside[] = {
		"../vmm/" VMM_NAME, "../libexec/usher/" VMM_NAME, VMM_NAME};
	char self[FILE_PATH_MAX], path[FILE_PATH_MAX];
	const char *env = getenv("USHER_VMM");

	if (env && env[0])
		return file_path(buf, size, "%s", env);
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		for (size_t i = 0; i < COUNT(beside); i++) {
			if (file_path(path, sizeof(path), "%s/%s", self, beside[i]) == 0 &&
				try_path(buf, size, path) == 0)
				return 0;
		}
	}
	if (try_path(buf, size, USHER_LIBEXECDIR "/" VMM_NAME) == 0)
		return 0;
	err_say(e, -ENOENT, VMM_NAME " is not installed");
	err_hint(
		e, "looked beside usher and in " USHER_LIBEXECDIR "; USHER_VMM=PATH names another");
	return -ENOENT;
}

static int open_kvm(struct err *e)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	int r = -errno;
	err_set(e, r, "open /dev/kvm");
	if (r == -ENOENT || r == -ENODEV)
		err_hint(e, "load kvm-amd or kvm-intel; if that fails, turn on SVM or VT-x in the "
			    "firmware's setup");
	else if (r == -EACCES)
		err_hint(e, "be root or a member of the group 'kvm'");
	return r;
}

static int ours_check(const struct guest_spec *s, struct err *e)
{
	char path[FILE_PATH_MAX];

	if (s->engine_args && s->engine_args[0]) {
		err_say(e, -EINVAL, "'%s': arguments after '--' are for --engine=qemu",
			s->engine_args[0]);
		return -EINVAL;
	}
	if (!s->kernel) {
		err_say(e, -EINVAL, "no --kernel: " VMM_NAME " boots kernels, not firmware");
		err_hint(e,
			"give --kernel and --initrd, or --engine=qemu with QEMU's own arguments");
		return -EINVAL;
	}
	int r = kernel_check(s->kernel, e);
	if (r == 0)
		r = vmm_path(path, sizeof(path), e);
	if (r < 0)
		return r;
	cleanup_fd int kvm = open_kvm(e);
	return kvm < 0 ? kvm : 0;
}

static int pair(struct program *p, const char *option, const char *word)
{
	int r = program_word(p, option);

	return r < 0 ? r : program_word(p, word);
}

/* Whether @text has the word "@name…". */
static bool has_word(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = strstr(text, name); at; at = strstr(at + len, name))
		if (at == text || at[-1] == ' ')
			return true;
	return false;
}

/*
 * A kernel that panics waits for ever unless it is told to reset (panic=-1), and the devices with
 * it. Which of the two the user wants is the user's to say.
 */
static int add_cmdline(const struct guest_spec *s, struct program *p)
{
	const char *given = s->cmdline ? s->cmdline : "";
	int r = program_word(p, "--cmdline");

	if (r < 0 || has_word(given, "panic="))
		return r < 0 ? r : program_word(p, given);
	return program_arg(p, "%s%spanic=-1", given, given[0] ? " " : "");
}

/* The program inherits @fd; engine_finish() closes it. Return: @fd, -errno. */
static int give_fd(struct engine_run *run, int fd, const char *path, struct err *e)
{
	run->given[run->given_count++] = fd;
	int r = program_fd(&run->program, fd);
	return r < 0 ? err_set(e, r, "hand over '%s'", path) : fd;
}

static int give_file(struct engine_run *run, const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_set(e, -errno, "open '%s'", path) : give_fd(run, fd, path, e);
}

static int give_output(struct engine_run *run, const char *path, struct err *e)
{
	int fd = output_open("statistics", path, 0644, e);

	return fd < 0 ? fd : give_fd(run, fd, path, e);
}

/* By descriptor: at a reboot of the guest the file may be another, or gone. */
static int add_initrd(const struct guest_spec *s, struct engine_run *run, struct err *e)
{
	int fd = give_file(run, s->initrd, e);

	return fd < 0 ? fd : program_arg(&run->program, "--initrd=/proc/self/fd/%d", fd);
}

static int add_figures(const struct guest_spec *s, struct engine_run *run, struct err *e)
{
	struct program *p = &run->program;
	int r = s->timing ? program_word(p, "--timing") : 0;

	if (r == 0 && s->stats)
		r = program_word(p, "--stats");
	if (r < 0 || !(s->stats || s->stats_file))
		return r;
	int fd = give_file(run, "/proc/interrupts", e);
	r = fd < 0 ? fd : program_arg(p, "--interrupts=%d", fd);
	if (r < 0 || !s->stats_file)
		return r;
	fd = give_output(run, s->stats_file, e);
	return fd < 0 ? fd : program_arg(p, "--stats-json=%d", fd);
}

static int add_guest(const struct guest_spec *s, struct engine_run *run, struct err *e)
{
	struct program *p = &run->program;

	int r = pair(p, "--name", s->name);
	if (r == 0)
		r = program_arg(p, "--memory=%llu", (unsigned long long)s->memory);
	if (r == 0)
		r = program_arg(p, "--cpus=%u", s->cpus);
	if (r == 0)
		r = pair(p, "--kernel", run->kernel.path);
	if (r == 0)
		r = program_fd(p, run->kernel.fd);
	if (r == 0 && s->initrd)
		r = add_initrd(s, run, e);
	if (r == 0)
		r = add_cmdline(s, p);
	if (r == 0 && s->hugepages)
		r = program_word(p, "--backing=pool");
	if (r == 0 && s->peers)
		r = program_word(p, "--peers");
	if (r == 0 && s->no_reboot)
		r = program_word(p, "--no-reboot");
	return r < 0 ? r : add_figures(s, run, e);
}

static int add_descriptor(struct program *p, const char *option, int fd)
{
	int r = program_arg(p, "--%s=%d", option, fd);

	return r < 0 ? r : program_fd(p, fd);
}

/* The keys of one device, after those that every device has. */
static int device_keys(
	const struct guest_device *g, struct engine_run *run, char *buf, size_t size, struct err *e)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned bar = 0; bar < 6; bar++)
		if (g->trace >> bar & 1)
			len += (size_t)snprintf(buf + len, size - len, ",trace=%u", bar);
	if (g->rom_off)
		(void)snprintf(buf + len, size - len, ",rom=off");
	if (!g->rom[0])
		return 0;
	int fd = give_file(run, g->rom, e);
	if (fd >= 0)
		(void)snprintf(buf + len, size - len, ",rom=%d", fd);
	return fd < 0 ? fd : 0;
}

static int add_devices(const struct guest_spec *s, struct engine_run *run, struct err *e)
{
	const struct open_devices *d = run->devices;
	struct program *p = &run->program;
	char text[PCI_ADDRESS_TEXT], keys[96];

	int r = add_descriptor(p, "container", d->ioas.fd);
	for (size_t i = 0; r == 0 && i < d->device_count; i++) {
		const struct vfio_dev *v = &d->devices[i].vfio;
		int kvm_file = vfio_ioas_kvm_file(&d->ioas, v);
		r = device_keys(&s->devices[i], run, keys, sizeof(keys), e);
		if (r == 0)
			r = program_arg(p, "--device=address=%s,device=%d,group=%d,number=%d%s",
				pci_address_format(d->devices[i].address, text), v->fd, kvm_file,
				d->devices[i].group, keys);
		if (r == 0)
			r = program_fd(p, kvm_file);
		if (r == 0)
			r = program_fd(p, v->fd);
	}
	return r;
}

static int add_all(
	const struct guest_spec *s, struct engine_run *run, const char *vmm, struct err *e)
{
	struct program *p = &run->program;

	int r = program_arg(p, "%s", vmm);
	if (r == 0)
		r = add_guest(s, run, e);
	if (r == 0)
		r = add_descriptor(p, "kvm", run->kvm_fd);
	if (r == 0)
		r = add_descriptor(p, "keeper", run->keeper_fd);
	if (r == 0 && run->devices)
		r = add_devices(s, run, e);
	return r;
}

static int ours_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	char vmm[FILE_PATH_MAX];

	int r = vmm_path(vmm, sizeof(vmm), e);
	if (r == 0)
		r = run->kvm_fd = open_kvm(e);
	if (r >= 0)
		r = kernel_open(s->kernel, &run->kernel, e);
	if (r == 0)
		r = run->keeper_fd = fd_pidfd_open(getpid());
	if (r >= 0)
		r = s->device_count ? devices_open(env, s, groups, &run->devices, e) : 0;
	if (r < 0)
		return r;
	/* Guest RAM is pinned whole for DMA; some pages of our own come on top. */
	run->program.memlock = s->memory + OVERHEAD;
	r = add_all(s, run, vmm, e);
	return r < 0 && !e->msg[0] ? err_set(e, r, "arguments of " VMM_NAME) : r;
}

static uint64_t ours_memory(const struct guest_spec *s)
{
	return s->memory;
}

const struct engine engine_ours = {
	.name = "usher",
	.overhead = OVERHEAD,
	.lays_out = true,
	.memory = ours_memory,
	.check = ours_check,
	.prepare = ours_prepare,
};
