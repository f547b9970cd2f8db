/* SPDX-License-Identifier: MIT */
#include "bind/kernel_ops.h"

#include "bind/access.h"
#include "bind/bind.h"
#include "bind/exclusive.h"
#include "bind/module.h"
#include "bind/node.h"
#include "bind/vf_settings.h"
#include "bind/writer.h"
#include "host/host.h"

#define PATIENCE_MS 30000 /* a busy NVMe controller takes some ten seconds to shut down */

static const struct bind_kernel_ops live = {
	.writer_start = bind_writer_start,
	.writer_pid = bind_writer_pid,
	.ask = bind_writer_ask,
	.ask_register = bind_writer_ask_register,
	.wait = bind_writer_wait,
	.answer = bind_writer_answer,
	.writer_stop = bind_writer_stop,
	.disk_claim = bind_exclusive_claim,
	.disk_release = bind_exclusive_release,
	.load = bind_module_load,
	.wait_node = bind_node_wait,
	.rule = bind_access_write,
	.set_vf = bind_vf_settings_change,
	.chown_node = bind_node_chown,
	.group_held = bind_node_is_held,
	.group_unopened = bind_node_is_unopened,
};

struct bind_env bind_env_live(void)
{
	return (struct bind_env){
		.host = host_live(),
		.kernel = &live,
		.state = BIND_STATE_DIR,
		.timeout_ms = PATIENCE_MS,
	};
}
