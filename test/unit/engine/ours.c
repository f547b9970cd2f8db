/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "engine/engine.h"
#include "suite.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Overwrites the stack, as any call after the preparation may. */
__attribute__((noinline)) static void stack_spoil(void)
{
	volatile char room[32768];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 'x';
}

/* The keeper starts the program later, so no word of its command line may be on the stack. */
START_TEST(words_outlive_the_preparation)
{
	struct guest_spec s = {
		.name = "words", .kernel = "/proc/self/exe", .memory = 1 << 26, .cpus = 1};
	const struct bind_env env = bind_env_live();
	struct engine_run run = ENGINE_RUN_NONE;
	struct err e = {0};

	/* Without /dev/kvm the engine prepares nothing, and there is nothing to check. */
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return;
	ck_assert_int_eq(setenv("USHER_VMM", "/bin/true", 1), 0);
	ck_assert_msg(engine_ours.prepare(&env, &s, NULL, &run, &e) == 0, "%s", e.msg);
	stack_spoil();
	ck_assert_str_eq(run.program.argv[0], "/bin/true");
	ck_assert_str_eq(run.program.argv[1], "--keeper");
	ck_assert_int_eq(atoi(run.program.argv[2]), run.keeper_fd);
	engine_finish(&run);
	engine_ended(&run);
	engine_close(&run);
}
END_TEST

SUITE("ours", words_outlive_the_preparation)
