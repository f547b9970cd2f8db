/* SPDX-License-Identifier: MIT */
#include "engine/attach.h"

#include "base/err.h"
#include "engine/engine.h"
#include "wire/machine.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static int send_card(struct engine_run *run, int ioas, const struct attach_function *functions,
	size_t count, struct err *e)
{
	struct wire_fds fds = {.count = 1, .fds = {ioas}};
	struct wire_machine m;

	if (!count || count > WIRE_DEVICES_MAX)
		return err_set(e, -EINVAL, "attach %zu functions", count);
	wire_machine_init(&m, WIRE_ATTACH);
	m.header.id = ++run->attach_id;
	for (size_t i = 0; i < count; i++)
		m.devices[m.device_count++] = (struct wire_device){
			.kind = WIRE_DEVICE_VFIO,
			.address = wire_address_of(functions[i].address),
			.device = (uint32_t)wire_add(&fds, functions[i].device),
			.group = functions[i].group,
			.rom = WIRE_ROM_OWN,
			.rom_file = WIRE_FD_NONE,
		};
	int r = wire_send(run->line_fd, &m, sizeof(m), &fds);
	return r < 0 ? err_set(e, r, "send a device to usher-vmm") : 0;
}

/* Return: 1 @ret is the answer, 0 it is that of an earlier message, -errno. */
static int receive_answer(const struct engine_run *run, struct wire_attached *ret, struct err *e)
{
	int r = wire_receive(run->line_fd, ret, sizeof(*ret), NULL);

	if (r == 0)
		r = wire_attached_check(ret);
	if (r < 0)
		return err_set(e, r, "read the answer of usher-vmm");
	return ret->header.id == run->attach_id;
}

/* usher-vmm may call before it answers: old kernels want a group. */
static int await_answer(
	struct engine_run *run, int timeout_ms, struct wire_attached *ret, struct err *e)
{
	const int64_t end = now_ms() + timeout_ms;
	int r = 0;

	while (r == 0) {
		struct pollfd fds[] = {{.fd = run->line_fd, .events = POLLIN},
			{.fd = run->calls.fd, .events = POLLIN}};
		int64_t left = end - now_ms();
		if (left <= 0)
			return err_set(e, -ETIMEDOUT, "wait for usher-vmm to attach a device");
		if (poll(fds, 2, (int)left) <= 0)
			continue;
		if (fds[1].revents)
			calls_serve(&run->calls, run->devices);
		if (fds[0].revents)
			r = receive_answer(run, ret, e);
	}
	return r;
}

int engine_attach(struct engine_run *run, int ioas, const struct attach_function *functions,
	size_t count, int timeout_ms, struct err *e)
{
	struct wire_attached answer = {0};

	int r = send_card(run, ioas, functions, count, e);
	if (r < 0)
		return r;
	r = await_answer(run, timeout_ms, &answer, e);
	if (r < 0)
		return r;
	if (answer.result == 0)
		return 0;
	(void)err_say(e, answer.result, "%s", answer.reason);
	if (answer.hint[0])
		err_hint(e, "%s", answer.hint);
	return answer.result;
}
