/* SPDX-License-Identifier: MIT */
#include "vmm/attach.h"

#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/description.h"
#include "vmm/pass/pass.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <stdio.h>

/* An answer that finds the socket full or closed is lost: then the keeper has ended or hangs. */
static void answer_keeper(const struct attach *a, uint32_t id, int result, const struct err *e)
{
	struct wire_attached answer = {
		.header = {.kind = WIRE_ATTACHED, .id = id}, .result = result};

	if (result < 0) {
		log_warn(a->vm->name, "%s", e->msg);
		(void)snprintf(answer.reason, sizeof(answer.reason), "%s", e->msg);
		(void)snprintf(answer.hint, sizeof(answer.hint), "%s", e->hint);
	}
	(void)wire_send(a->fd, &answer, sizeof(answer), NULL);
}

static int attach_devices(struct attach *a, struct err *e)
{
	const struct wire_machine *m = &a->message;
	struct pass_spec specs[WIRE_DEVICES_MAX];

	for (uint32_t i = 0; i < m->device_count; i++)
		specs[i] = description_passed(m, &m->devices[i], &a->fds);
	a->fds.count = 0; /* pass_attach() takes them all over */
	int r = pass_attach(a->vm, specs, m->device_count, e);
	return r < 0 ? err_in(e, r, "attach") : 0;
}

/* Context: the worker. */
static void attach_run(struct worker_job *j)
{
	struct attach *a = container_of(j, struct attach, job);
	uint32_t id = a->message.header.id;
	struct err e = {0};

	int r = attach_devices(a, &e);
	/* Before the answer: the keeper may send the next message at once. */
	__atomic_store_n(&a->busy, false, __ATOMIC_RELEASE);
	answer_keeper(a, id, r, &e);
}

static int check_message(const struct attach *a, const struct wire_machine *m,
	const struct wire_fds *fds, struct err *e)
{
	if (__atomic_load_n(&a->busy, __ATOMIC_ACQUIRE))
		return err_say(e, -EBUSY, "attach: another device is being attached");
	if (m->header.kind != WIRE_ATTACH)
		return err_say(e, -EPROTO, "attach: the keeper's message is of another kind");
	if (a->vm->balloons.balloon)
		return err_say(e, -EBUSY,
			"attach: the guest has a balloon, and what it gives back cannot be pinned");
	return wire_machine_check(m, fds->count, e);
}

WALL_CALL(main, recvmsg);
WALL_CALL(main, sendmsg);
WALL_CALL(main, close);

int attach_receive(struct attach *a)
{
	struct wire_machine m;
	struct wire_fds fds = {0};
	struct err e = {0};

	int r = wire_receive(a->fd, &m, sizeof(m), &fds);
	if (r == -EPROTO) {
		(void)err_say(
			&e, r, "attach: the keeper's message is not of this version of usher");
		answer_keeper(a, 0, r, &e);
		return 0;
	}
	if (r < 0)
		return r;
	r = check_message(a, &m, &fds, &e);
	if (r < 0) {
		wire_close(&fds);
		answer_keeper(a, m.header.id, r, &e);
		return 0;
	}
	a->message = m;
	a->fds = fds;
	__atomic_store_n(&a->busy, true, __ATOMIC_RELEASE);
	worker_add(&a->worker, &a->job);
	return 0;
}

void attach_init(struct attach *a, struct vm *vm, int fd)
{
	a->vm = vm;
	a->fd = fd;
	a->job.run = attach_run;
	worker_init(&a->worker, "attach");
}

int attach_wait(struct attach *a, unsigned ms)
{
	return !a->vm || worker_wait(&a->worker, ms) ? 0 : -ETIMEDOUT;
}

void attach_fini(struct attach *a)
{
	if (!a->vm)
		return;
	worker_fini(&a->worker);
	a->vm = NULL;
}
