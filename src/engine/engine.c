/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "base/fd.h"
#include "base/num.h"
#include "engine/devices.h"
#include "engine/discard.h"
#include "engine/qemu/console.h"
#include "engine/qemu/translator.h"

#include <string.h>

const struct engine *engine_at(size_t i)
{
	static const struct engine *const engines[] = {&engine_ours, &engine_qemu, &engine_libvirt};

	return i < COUNT(engines) ? engines[i] : NULL;
}

const struct engine *engine_find(const char *name)
{
	size_t i = 0;

	while (engine_at(i) && strcmp(engine_at(i)->name, name) != 0)
		i++;
	return engine_at(i);
}

static void close_devices(struct engine_run *run)
{
	devices_close(run->devices);
	run->devices = NULL;
}

void engine_finish(struct engine_run *run)
{
	if (run->devices)
		devices_rest(run->devices);
	kernel_close(&run->kernel);
	/* Nobody may have received what a back end sent. */
	while (run->given_count)
		discard_socket(&run->given[--run->given_count]);
	fd_close(&run->kvm_fd);
	fd_close(&run->keeper_fd);
	fd_close(&run->calls_fd);
	fd_close(&run->obeys_fd);
	fd_close(&run->confine.alive_fd);
}

void engine_drain(struct engine_run *run)
{
	console_stop(&run->console);
}

void engine_ended(struct engine_run *run)
{
	engine_drain(run);
	translator_stop(&run->translator);
	if (run->domain)
		libvirt_end_await(run->domain, run->domain_uuid);
	while (run->port_count)
		port_close(&run->ports[--run->port_count]);
	fd_close(&run->lifeline_fd);
	fd_close(&run->refused_fd);
	discard_socket(&run->line_fd);
	discard_socket(&run->orders_fd);
	discard_socket(&run->plug_fd);
	calls_close(&run->calls);
	passt_stop(&run->passt);
	tpm_stop(&run->tpm);
	while (run->backends.count)
		backend_stop(&run->backends.list[--run->backends.count]);
	display_close(&run->display);
	usb_return_probe(USB_BUS, &run->usb);
	cgroup_remove(&run->cgroup);
	uid_release(&run->uid);
}

void engine_close(struct engine_run *run)
{
	close_devices(run);
}
