/* SPDX-License-Identifier: MIT */
#include "engine/ability.h"

#include "base/err.h"
#include "base/num.h"
#include "engine/engine.h"
#include "suite.h"

#include <errno.h>
#include <string.h>

static char word[] = "-S", *words[] = {word, NULL};

/* Each ability, as a description asks for it. */
static void ask(enum ability a, struct guest_spec *s)
{
	*s = (struct guest_spec){.name = "x",
		.virtio_count = 2,
		.port_count = 1,
		.device_count = 1,
		.virtio = {{.type = GUEST_VIRTIO_BLK}},
		.ports = {{.kind = GUEST_PORT_PTY}}};
	s->kernel_from = a == ABILITY_KERNEL_FROM ? "/x" : NULL;
	s->firmware = a == ABILITY_FIRMWARE ? GUEST_FIRMWARE_UEFI : GUEST_FIRMWARE_NONE;
	s->display.kind = a == ABILITY_DISPLAY ? GUEST_DISPLAY_VNC : GUEST_DISPLAY_NONE;
	s->tpm = a == ABILITY_TPM;
	s->usb_count = a == ABILITY_USB;
	s->virtio[0].disk.poll = a == ABILITY_POLL;
	(void)snprintf(s->virtio[0].disk.format, sizeof(s->virtio[0].disk.format), "%s",
		a == ABILITY_FORMAT ? "qcow2" : "raw");
	s->virtio[1].type = a == ABILITY_SHARE ? GUEST_VIRTIO_FS : GUEST_VIRTIO_NET;
	s->virtio[1].net.backend[0] = a == ABILITY_NET_BACKEND ? '/' : '\0';
	s->vsock = a == ABILITY_VSOCK;
	s->vsock_listens = a == ABILITY_VSOCK_SOCKET;
	s->balloon = a == ABILITY_BALLOON;
	s->rings = a == ABILITY_RINGS ? GUEST_RINGS_PACKED : GUEST_RINGS_SPLIT;
	s->ports[0].kind = a == ABILITY_PORT_VIEW ? GUEST_PORT_NONE : GUEST_PORT_PTY;
	s->ports[0].limit = a == ABILITY_PORT_LIMIT;
	s->ports[0].path[0] = a == ABILITY_PORT_LINK ? '/' : '\0';
	s->hugepages = a == ABILITY_HUGEPAGES;
	s->peers = a == ABILITY_PEERS;
	s->devices[0].handed = a == ABILITY_HANDED;
	s->stats = a == ABILITY_STATS;
	s->timing = a == ABILITY_TIMING;
	s->devices[0].trace = a == ABILITY_TRACE;
	s->env_count = a == ABILITY_ENV;
	s->engine_args = a == ABILITY_WORDS ? words : NULL;
}

static bool is_of_a_running_guest(enum ability a)
{
	return a == ABILITY_CONTROL || a == ABILITY_CONSOLE;
}

/* What an engine says of itself is what it does. */
START_TEST(an_engine_refuses_what_it_says_that_it_cannot)
{
	struct guest_spec s;

	for (size_t i = 0; engine_at(i); i++)
		for (enum ability a = 0; a < ABILITY_COUNT; a++) {
			const struct ability_note n = ability_of(engine_at(i), a);
			struct err e = {0};
			ask(a, &s);
			int r = ability_check(engine_at(i), &s, &e);
			ck_assert_ptr_nonnull(ability_name(a));
			if (n.depth != ABILITY_NO || is_of_a_running_guest(a)) {
				ck_assert_msg(r == 0, "%s refuses %s: %s", engine_at(i)->name,
					ability_name(a), e.msg);
				continue;
			}
			ck_assert_msg(
				r == -EINVAL, "%s takes %s", engine_at(i)->name, ability_name(a));
			ck_assert_ptr_nonnull(n.reason);
			ck_assert_ptr_nonnull(strstr(e.msg, n.reason));
		}
}
END_TEST

START_TEST(a_refusal_names_an_engine_that_can)
{
	struct guest_spec s;
	struct err e = {0};

	ask(ABILITY_ENV, &s);
	ck_assert_int_eq(ability_check(&engine_ours, &s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--env is not for engine 'usher': usher-vmm reads no variables");
	ck_assert_str_eq(e.hint, "leave it out, or run the guest with --engine=qemu");
	ask(ABILITY_TIMING, &s);
	ck_assert_int_eq(ability_check(&engine_qemu, &s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--timing is not for engine 'qemu': usher-vmm measures them");
	ck_assert_ptr_nonnull(strstr(e.hint, "--engine=usher"));
	ask(ABILITY_WORDS, &s);
	ck_assert_int_eq(ability_check(&engine_ours, &s, &e), -EINVAL);
	ck_assert_str_eq(
		e.msg, "words after '--' are not for engine 'usher': usher-vmm takes none");
}
END_TEST

SUITE("ability", an_engine_refuses_what_it_says_that_it_cannot, a_refusal_names_an_engine_that_can)
