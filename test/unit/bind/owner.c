/* SPDX-License-Identifier: MIT */
/* Who owns a lease, also across PID namespaces. */
#include "bind/owner.h"

#include "base/num.h"
#include "bind/bind.h"
#include "bind/journal.h"
#include "bind/lease.h"
#include "host/host.h"
#include "replay.h"
#include "suite.h"

#include <string.h>
#include <unistd.h>

#define OUTER "4026531836"
#define INNER 4026532201u
#define HERE(space) "link /proc/self/ns/pid pid:[" space "]\n"
/* Process @pid of this namespace, started at tick @start, with its ids from here to its own. */
#define PROCESS(pid, start, ids)                                                                \
	"file /proc/" pid "/stat " pid                                                          \
	" (usher run) S 1 1 1 0 -1 4 0 0 0 0 1 2 3 4 20 0 1 0 " start " 1 2 3\nfile /proc/" pid \
	"/status Name:\tusher\\nNSpid:\t" ids "\\nThreads:\t1\n"

static const struct {
	const char *host;
	struct bind_owner owner;
	enum bind_owner_life life;
} owners[] = {
	/* As on nearly all hosts: one namespace. */
	{HERE(OUTER) PROCESS("812", "4242", "812"), {812, 4242, "web"}, BIND_OWNER_ALIVE},
	{HERE(OUTER) PROCESS("812", "4243", "812"), {812, 4242, "web"}, BIND_OWNER_GONE},
	{HERE(OUTER), {812, 4242, "web"}, BIND_OWNER_GONE},
	{"", {812, 4242, "web"}, BIND_OWNER_GONE}, /* a kernel without namespaces */
	/* In a container, seen from the host, which sees all processes. */
	{HERE(OUTER) PROCESS("9000", "4242", "9000\t5"), {5, 4242, "web", .space = INNER},
		BIND_OWNER_ELSEWHERE},
	{HERE(OUTER) PROCESS("9000", "4242", "9000\t7\t5"), {5, 4242, "web", .space = INNER},
		BIND_OWNER_ELSEWHERE},
	{HERE(OUTER) PROCESS("9000", "4242", "9000\t5\t7"), {5, 4242, "web", .space = INNER},
		BIND_OWNER_GONE},
	{HERE(OUTER) PROCESS("9000", "4243", "9000\t5"), {5, 4242, "web", .space = INNER},
		BIND_OWNER_GONE},
	{HERE(OUTER) PROCESS("5", "17", "5"), {5, 4242, "web", .space = INNER}, BIND_OWNER_GONE},
	/* Seen from a container, which sees its own processes only. */
	{HERE("4026532201"), {5, 4242, "web", .space = INNER}, BIND_OWNER_GONE},
	{HERE("4026532201") PROCESS("5", "4242", "5"), {5, 4242, "web", .space = INNER},
		BIND_OWNER_ALIVE},
	{HERE("4026532201"), {812, 4242, "web"}, BIND_OWNER_ELSEWHERE},
	{HERE("4026532307"), {5, 4242, "web", .space = INNER}, BIND_OWNER_ELSEWHERE},
};

START_TEST(finds_an_owner_in_any_namespace)
{
	for (size_t i = 0; i < COUNT(owners); i++) {
		struct host *h = replay_lines(owners[i].host);

		ck_assert_msg(bind_owner_look(h, &owners[i].owner) == owners[i].life, "row %zu", i);
		host_close(h);
	}
}
END_TEST

START_TEST(one_id_in_two_namespaces_is_two_owners)
{
	const struct bind_owner a = {5, 4242, "web", .space = INNER};
	struct bind_owner b = a;

	ck_assert(bind_owner_equal(&a, &b));
	b.space = 0;
	ck_assert(!bind_owner_equal(&a, &b));
	b = a;
	b.start++;
	ck_assert(!bind_owner_equal(&a, &b));
	b = (struct bind_owner){0};
	ck_assert(!bind_owner_equal(&b, &b));
}
END_TEST

START_TEST(says_where_an_owner_is)
{
	const struct bind_entry n = {
		.boot = "1", .state = BIND_STATE_TAKEN, .owner = {5, 4242, "web", .space = INNER}};
	struct host *h = replay_lines(HERE(OUTER) PROCESS("9000", "4242", "9000\t5"));
	struct bind_env env = bind_env_live();
	char text[160];

	env.host = h;
	ck_assert_int_eq(bind_lease_judge(&env, &n, "1", text, sizeof(text)), BIND_LEASE_LIVE);
	ck_assert_str_eq(text, "lent to VM 'web' (process 5), in another PID namespace");
	host_close(h);
}
END_TEST

START_TEST(a_process_is_of_whoever_may_signal_it)
{
	/* Real, effective, saved and file-system user: a set-user-id program of root, another. */
	struct host *h = replay_lines(
		"file /proc/812/status Name:\tsudo\\nUid:\t4001\t0\t0\t0\\nGid:\t4001\n"
		"file /proc/813/status Name:\tidle\\nUid:\t4001\t4002\t4003\t4002\\nGid:\t4001\n");

	ck_assert(bind_owner_is_of(h, 812, 4001));
	ck_assert(bind_owner_is_of(h, 812, 0));
	ck_assert(!bind_owner_is_of(h, 812, 4002));
	ck_assert(bind_owner_is_of(h, 813, 4001));
	ck_assert(!bind_owner_is_of(h, 813, 4002));
	ck_assert(bind_owner_is_of(h, 813, 4003));
	ck_assert(!bind_owner_is_of(h, 814, 4001));
	host_close(h);
}
END_TEST

SUITE("owner", finds_an_owner_in_any_namespace, one_id_in_two_namespaces_is_two_owners,
	says_where_an_owner_is, a_process_is_of_whoever_may_signal_it)
