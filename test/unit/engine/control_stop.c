/* SPDX-License-Identifier: MIT */
/* How the keeper stops a guest that a client wants stopped. */
#include "control_rig.h"

/* The button, and when the client's patience is over what a signal does. */
START_TEST(stops_by_the_button_first)
{
	start();
	int fd = client();
	say(fd, "{\"id\":1,\"command\":\"stop\",\"timeout\":7}\n");
	struct wire_order o = order_hear(WIRE_ORDER_BUTTON, NULL);
	order_answer(&o, 0, "");
	ck_assert_str_eq(hear(fd), "{\"id\":1,\"ok\":true}");
	ck_assert_int_gt(control_patience(keeper), 3000);
	ck_assert_int_le(control_patience(keeper), 5000);
	keeper->force_ms -= 7000;
	ck_assert_int_eq(settle(), SIGTERM);
	ck_assert_int_eq(control_patience(keeper), -1);
	say(fd, "{\"command\":\"stop\",\"timeout\":0}\n");
	o = order_hear(WIRE_ORDER_BUTTON, NULL);
	order_answer(&o, -EAGAIN, "");
	expect(fd, "is paused, and does not see its power button");
	say(fd, "{\"command\":\"stop\",\"timeout\":0}\n");
	o = order_hear(WIRE_ORDER_BUTTON, NULL);
	order_answer(&o, 0, "");
	expect(fd, "\"ok\":true");
	ck_assert_int_gt(control_patience(keeper), 3000);
	say(fd, "{\"command\":\"stop\",\"force\":true}\n");
	ck_assert_int_eq(settle(), SIGTERM);
	expect(fd, "\"ok\":true");
	(void)close(fd);
	stop();
}
END_TEST

/* As if @ms were over. */
static void time_pass(int64_t ms)
{
	int64_t *const times[] = {&keeper->force_ms, &keeper->asked_ms, &keeper->press_ms};

	for (size_t i = 0; i < COUNT(times); i++)
		*times[i] -= *times[i] ? ms : 0;
	for (size_t i = 0; i < keeper->count; i++)
		keeper->list[i].order_ms -= ms;
}

/* The keeper's loop tells of the stop when it has sent the signal. */
static void expect_force(void)
{
	ck_assert_int_eq(settle(), SIGTERM);
	control_tell(keeper, &(struct keeper_news){.event = KEEPER_STOPPING, .status = SIGTERM});
	ck_assert_int_eq(control_patience(keeper), -1);
}

/* usher-vmm does not answer: the guest is stopped as soon as the client's patience is over. */
START_TEST(stops_a_guest_whose_usher_vmm_hangs)
{
	start();
	int fd = client();
	say(fd, "{\"command\":\"events\"}\n");
	expect(fd, "{\"ok\":true}");
	say(fd, "{\"id\":1,\"command\":\"stop\",\"timeout\":2}\n");
	(void)order_hear(WIRE_ORDER_BUTTON, NULL);
	ck_assert_int_gt(control_patience(keeper), 1000);
	ck_assert_int_le(control_patience(keeper), 2000);
	time_pass(2000);
	expect_force();
	ck_assert_str_eq(hear(fd), "{\"id\":1,\"ok\":true}");
	expect(fd, "\"stopping\"");
	/* A longer patience than the keeper's, whose client is answered before. */
	keeper->phase = CONTROL_RUNNING;
	say(fd, "{\"id\":2,\"command\":\"stop\",\"timeout\":60}\n");
	(void)order_hear(WIRE_ORDER_BUTTON, NULL);
	time_pass(6000);
	ck_assert_str_eq(hear(fd), "{\"id\":2,\"ok\":true}");
	(void)close(fd);
	time_pass(53000);
	ck_assert_int_eq(settle(), 0);
	(void)order_hear(WIRE_ORDER_BUTTON, NULL);
	time_pass(1000);
	expect_force();
	/* A client that leaves before that, and a usher-vmm that has left. */
	keeper->phase = CONTROL_RUNNING;
	fd = client();
	say(fd, "{\"command\":\"stop\",\"timeout\":7}\n");
	(void)order_hear(WIRE_ORDER_BUTTON, NULL);
	(void)close(fd);
	ck_assert_int_eq((int)send(vmm, "nonsense", 8, 0), 8);
	ck_assert_int_eq(settle(), 0);
	ck_assert_uint_eq(keeper->count, 0);
	time_pass(7000);
	expect_force();
	stop();
}
END_TEST

/* Nothing is forced if nobody has asked for it, or the request was refused. */
START_TEST(forces_no_guest_unasked)
{
	struct wire_order o;

	start();
	int fd = client(), other = client();
	say(fd, "{\"command\":\"stop\",\"timeout\":0}\n");
	(void)order_hear(WIRE_ORDER_BUTTON, NULL);
	time_pass(6000);
	expect(fd, "\"usher-vmm does not answer\",\"hint\":\"stop it by force\"");
	ck_assert_int_eq(control_patience(keeper), -1);
	say(fd, "{\"command\":\"stop\",\"timeout\":2}\n");
	o = order_hear(WIRE_ORDER_BUTTON, NULL);
	order_answer(&o, -EAGAIN, "");
	expect(fd, "is paused, and does not see its power button");
	ck_assert_int_eq(control_patience(keeper), -1);
	/* The guest ends by itself: who waits for the button hears that it has stopped. */
	say(fd, "{\"command\":\"stop\",\"timeout\":60}\n");
	(void)order_hear(WIRE_ORDER_BUTTON, NULL);
	say(other, "{\"command\":\"pause\"}\n");
	(void)order_hear(WIRE_ORDER_PAUSE, NULL);
	control_tell(keeper, &(struct keeper_news){.event = KEEPER_ENDED});
	ck_assert_str_eq(hear(fd), "{\"ok\":true}");
	ck_assert_str_eq(hear(other), "");
	time_pass(60000);
	ck_assert_int_eq(settle(), 0);
	expect(other, "usher-vmm does not answer");
	(void)close(fd);
	(void)close(other);
	stop();
}
END_TEST

/* Nobody takes the orders out of its queue, which is full. */
START_TEST(stops_a_guest_that_takes_no_orders)
{
	static const struct wire_done filler = {.header = {.kind = WIRE_DONE}};

	start();
	int fd = client();
	while (send(keeper->orders_fd, &filler, 64, MSG_DONTWAIT) == 64)
		;
	ck_assert_int_eq(errno, EAGAIN);
	say(fd, "{\"command\":\"pause\"}\n");
	expect(fd, "usher-vmm takes no orders");
	say(fd, "{\"command\":\"stop\",\"timeout\":3}\n");
	ck_assert_str_eq(hear(fd), "");
	time_pass(3000);
	expect_force();
	ck_assert_str_eq(hear(fd), "{\"ok\":true}");
	(void)close(fd);
	stop();
}
END_TEST

/* A system that still boots has not seen it. */
START_TEST(presses_the_button_again)
{
	start();
	int fd = client(), other = client();
	say(other, "{\"command\":\"events\"}\n");
	expect(other, "{\"ok\":true}");
	say(fd, "{\"id\":1,\"command\":\"stop\",\"timeout\":0}\n");
	struct wire_order o = order_hear(WIRE_ORDER_BUTTON, NULL);
	order_answer(&o, 0, "");
	expect(fd, "{\"id\":1,\"ok\":true}");
	expect(other, "{\"event\":\"button\"}");
	for (unsigned i = 0; i < 3; i++) {
		keeper->press_ms -= 5000;
		o = order_hear(WIRE_ORDER_BUTTON, NULL);
		order_answer(&o, i ? 0 : -EAGAIN, "");
	}
	ck_assert_str_eq(hear(fd), "");
	ck_assert_str_eq(hear(other), "");
	control_tell(keeper, &(struct keeper_news){.event = KEEPER_ENDED});
	ck_assert_int_eq(control_patience(keeper), -1);
	(void)close(fd);
	(void)close(other);
	stop();
}
END_TEST

SUITE("engine_control_stop", stops_by_the_button_first, presses_the_button_again,
	stops_a_guest_whose_usher_vmm_hangs, forces_no_guest_unasked,
	stops_a_guest_that_takes_no_orders)
