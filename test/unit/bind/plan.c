/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "bind/gate.h"
#include "hold/hold.h"
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bind_env env = {.state = BIND_STATE_DIR};
static struct bind_plan plan;
static struct bind_target target;
static struct bind_request request = {
	.targets = &target, .target_count = 1, .access = BIND_ACCESS_NONE};

/* Makes `plan` for one device; the next call replaces it. */
static void make(const char *address)
{
	struct err e = {0};

	if (!env.host)
		env.host = replay_fixture("plan");
	bind_plan_fini(&plan);
	ck_assert_int_eq(pci_address_parse(address, &target.address), 0);
	int r = bind_plan(&env, &request, &plan, &e);
	ck_assert_msg(r == 0, "%s: %s", address, e.msg);
}

static void make_clean(const char *address)
{
	make(address);
	ck_assert_uint_eq(plan.problem_count, 0);
}

static void done(void)
{
	bind_plan_fini(&plan);
	host_close(env.host);
}

/* The plan's only problem is @check, and says @text. */
static void only_problem(const char *check, bool refuses, const char *text)
{
	ck_assert_msg(plan.problem_count == 1, "%zu problems, the first: %s", plan.problem_count,
		plan.problem_count ? plan.problems[0].text : "-");
	ck_assert_str_eq(plan.problems[0].check, check);
	ck_assert_int_eq(plan.problems[0].refuses, refuses);
	ck_assert_uint_eq(plan.refusals, refuses);
	ck_assert_msg(strstr(plan.problems[0].text, text), "%s", plan.problems[0].text);
}

static void gives_problem(const char *address, const char *check, bool refuses, const char *text)
{
	make(address);
	only_problem(check, refuses, text);
}

static void member(size_t i, enum bind_act act, const char *driver)
{
	ck_assert_uint_lt(i, plan.groups[0].count);
	ck_assert_int_eq(plan.groups[0].members[i].act, act);
	ck_assert_str_eq(plan.groups[0].members[i].driver, driver);
}

START_TEST(takes_the_whole_group)
{
	make_clean("20:00.0");
	ck_assert_uint_eq(plan.group_count, 1);
	ck_assert_int_eq(plan.groups[0].number, 20);
	ck_assert_uint_eq(plan.groups[0].count, 2);
	member(0, BIND_ACT_TAKE, "vfio-pci");
	member(1, BIND_ACT_TAKE, "vfio-pci");
	ck_assert(plan.groups[0].members[0].is_target && !plan.groups[0].members[1].is_target);
	done();
}
END_TEST

START_TEST(leaves_bridges_and_what_is_bound)
{
	make("21:01.0");
	ck_assert_uint_eq(plan.refusals, 0);
	member(0, BIND_ACT_STAYS, "");
	member(1, BIND_ACT_TAKE, "vfio-pci");
	member(2, BIND_ACT_ALREADY, "vfio-pci");
	gives_problem("21:00.0", "bridge", true, "is a PCI bridge");
	done();
}
END_TEST

/* 20:00.0 has another id than --id says, which is no matter for a domain that starts one day. */
START_TEST(what_a_device_is_lasts)
{
	make("21:00.0");
	bind_plan_keep_lasting(&plan);
	only_problem("bridge", true, "is a PCI bridge");
	target = (struct bind_target){.has_id = true, .vendor = 0x8086, .device = 0x10d3};
	gives_problem("20:00.0", "id", true, "expected 8086:10d3");
	bind_plan_keep_lasting(&plan);
	ck_assert_uint_eq(plan.problem_count, 0);
	ck_assert_uint_eq(plan.refusals, 0);
	done();
}
END_TEST

START_TEST(lists_its_steps)
{
	static const char *const expected[] = {
		"journal /run/usher/journal/21 taking",
		"rule /run/udev/rules.d/72-usher-21.rules 1000:1001 0660",
		"write /sys/bus/pci/devices/0000:21:01.0/driver_override vfio-pci",
		"write /sys/bus/pci/drivers/beta/unbind 0000:21:01.0",
		"write /sys/bus/pci/drivers/vfio-pci/bind 0000:21:01.0",
		"verify /sys/bus/pci/devices/0000:21:01.0/driver vfio-pci",
		"wait /dev/vfio/21 ",
		"chown /dev/vfio/21 1000:1001 0660",
		"chown /sys/bus/pci/devices/0000:21:01.0/vfio-dev 1000:1001 0660",
		"chown /sys/bus/pci/devices/0000:21:02.0/vfio-dev 1000:1001 0660",
		"journal /run/usher/journal/21 taken",
	};
	struct bind_step *steps = NULL;
	size_t count = 0;
	char text[256];

	request.access = (struct bind_access){1000, 1001, 0660};
	make("21:01.0");
	request.access = BIND_ACCESS_NONE;
	ck_assert_int_eq(bind_plan_steps(&env, &request, &plan, &steps, &count), 0);
	ck_assert_uint_eq(count, COUNT(expected));
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(text, sizeof(text), "%s %s %s", bind_op_name(steps[i].op),
			steps[i].path, steps[i].text);
		ck_assert_str_eq(text, expected[i]);
	}
	free(steps);
	done();
}
END_TEST

START_TEST(holds_to_the_id)
{
	target = (struct bind_target){.has_id = true, .vendor = 0x8086, .device = 0x10d3};
	gives_problem("20:00.0", "id", true, "expected 8086:10d3, found 1b36:0010");
	target = (struct bind_target){.has_id = true, .vendor = 0x1b36, .device = 0x0010};
	make_clean("20:00.0");
	done();
}
END_TEST

/* It is an error, as for every verb: a refusal would say that something is in use. */
START_TEST(an_absent_device_is_no_refusal)
{
	struct err e = {0};

	make_clean("20:00.0");
	target.address.fn = 7;
	ck_assert_int_eq(bind_plan(&env, &request, &plan, &e), -ENODEV);
	ck_assert_str_eq(e.msg, "0000:20:00.7: there is no such PCI device");
	done();
}
END_TEST

START_TEST(spares_the_platform)
{
	static const char *const allow[] = {"platform"};

	request.allow = allow;
	request.allow_count = 1;
	make("22:1f.2"); /* nothing lifts this */
	ck_assert_uint_eq(plan.refusals, 2);
	ck_assert_ptr_nonnull(strstr(plan.problems[0].text, "the ISA bridge"));
	ck_assert_ptr_nonnull(strstr(plan.problems[1].text, "SMBus"));
	gives_problem("23:00.1", "platform", false, "host bridge");
	member(0, BIND_ACT_STAYS, "");
	member(1, BIND_ACT_TAKE, "vfio-pci");
	request.allow_count = 0;
	gives_problem("23:00.1", "platform", true, "host bridge");
	done();
}
END_TEST

/* Plans for a device that is alone in its group; @path: its folder below /sys/devices. */
static void make_alone(const char *path, const char *attributes)
{
	const char *address = file_base(path);
	cleanup_free char *text = NULL;

	ck_assert_int_gt(asprintf(&text,
				 "link /sys/bus/pci/devices/%s ../../../devices/%s\n"
				 "link /sys/kernel/iommu_groups/9/devices/%s ../../x\n"
				 "at /sys/devices/%s\n"
				 "file vendor 0x10ee\nfile device 0x9038\n"
				 "link iommu_group ../../kernel/iommu_groups/9\n%s",
				 address, path, address, path, attributes),
		0);
	host_close(env.host);
	env.host = replay_lines(text);
	make(address);
}

/* Only what is on a root bus can be a part of the chipset. */
START_TEST(takes_endpoints_of_any_class)
{
	static const char root[] = "pci0000:00/0000:00:03.0";
	static const char port[] = "pci0000:00/0000:00:01.0/0000:01:00.0";
	static const char *const either[] = {"050000", "058000", "050210", "060000", "060100",
		"080000", "080100", "080300", "0c0500"};
	static const char *const never[] = {"080600", "080010", "080020"};
	char class[64];

	for (size_t i = 0; i < COUNT(either); i++) {
		(void)snprintf(
			class, sizeof(class), "file class 0x%s\nfile reset_method pm\n", either[i]);
		make_alone(root, class);
		ck_assert_msg(plan.refusals == 1, "%s", either[i]);
		ck_assert_str_eq(plan.problems[0].check, "platform");
		make_alone(port, class);
		ck_assert_msg(plan.refusals == 0, "%s: %s", either[i], plan.problems[0].text);
		member(0, BIND_ACT_TAKE, "vfio-pci");
	}
	for (size_t i = 0; i < COUNT(never); i++) {
		(void)snprintf(class, sizeof(class), "file class 0x%s\n", never[i]);
		make_alone(port, class);
		ck_assert_str_eq(plan.problems[0].check, "platform");
	}
	/* The kernel offers a bus reset only below a bridge, though none is in this path. */
	make_alone("pci0000:03/0000:03:00.0", "file class 0x058000\nfile reset_method flr bus\n");
	ck_assert_uint_eq(plan.problem_count, 0);
	/* Registers of the processor: nothing resets them. An engine of the same class has FLR. */
	make_alone("pci0000:7f/0000:7f:0f.0", "file class 0x088000\n");
	only_problem("platform", true, "register block");
	make_alone("pci0000:7f/0000:7f:0f.0", "file class 0x088000\nfile reset_method flr\n");
	ck_assert_uint_eq(plan.problem_count, 0);
	done();
}
END_TEST

START_TEST(refuses_a_device_that_does_not_answer)
{
	static const char path[] = "pci0000:00/0000:00:01.0/0000:01:00.0";

	make_alone(path, "file class 0x030000\nfile reset_method bus\nbytes config 64 "
			 "0:ffffffffffffffffffffffff\n");
	only_problem("dead", true, "does not answer");
	ck_assert(!plan.problems[0].liftable);
	make_alone(path, "file class 0x030000\nfile reset_method bus\nfail config ETIMEDOUT\n");
	only_problem("dead", true, "does not return");
	/* The kernel knows already; it is not asked again. */
	make_alone(path, "file class 0x030000\nfile reset_method bus\nfile revision 0xff\n"
			 "file power_state D3cold\n");
	only_problem("dead", true, "does not answer");
	make_alone(path, "file class 0x030000\nfile reset_method bus\n"
			 "link driver ../x/nouveau\nfile power_state D3cold\n"
			 "file power/runtime_status active\n");
	only_problem("dead", true, "does not answer");
	/* Asleep; a virtual function, whose ids read ffff. */
	make_alone(path, "file class 0x030000\nfile reset_method bus\n"
			 "link driver ../x/nouveau\nfile power_state D3cold\n"
			 "file power/runtime_status suspended\nbytes config 64 0:ee103890\n");
	ck_assert_uint_eq(plan.problem_count, 0);
	make_alone(path, "file class 0x020000\nfile reset_method flr\n"
			 "link physfn ../0000:01:00.1\nbytes config 64 0:ffffffff06001000\n");
	ck_assert_uint_eq(plan.problem_count, 0);
	done();
}
END_TEST

START_TEST(refuses_what_the_kernel_would)
{
	static const char *const allow[] = {"denylist"};

	request.allow = allow; /* has no effect: vfio-pci itself refuses this device */
	request.allow_count = 1;
	gives_problem("24:00.0", "denylist", true, "8086:37c8");
	ck_assert(!plan.problems[0].liftable);
	request.allow_count = 0;
	gives_problem("24:00.0", "denylist", true, "8086:37c8");
	gives_problem("25:00.0", "sriov", true, "3 virtual functions");
	gives_problem("26:00.0", "reserved", true, "0x00000000000effff");
	/* Without functions nobody reads their number, which takes a lock and a process. */
	make_alone("pci0000:00/0000:00:01.0/0000:01:00.0",
		"file class 0xff0000\nfile reset_method flr\nfile sriov_numvfs 3\n");
	ck_assert_uint_eq(plan.problem_count, 0);
	done();
}
END_TEST

START_TEST(finds_the_best_driver)
{
	make_clean("27:00.0");
	member(0, BIND_ACT_TAKE, "mlx5-vfio-pci");
	ck_assert_str_eq(plan.groups[0].members[0].module, "mlx5_vfio_pci");
	request.driver = "vfio-pci";
	make("27:00.0");
	member(0, BIND_ACT_TAKE, "vfio-pci");
	struct err e = {0};
	struct bind_plan none;
	request.driver = "e1000e";
	ck_assert_int_eq(bind_plan(&env, &request, &none, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "not a VFIO driver"));
	request.driver = "../evil";
	ck_assert_int_eq(bind_plan(&env, &request, &none, &e), -EINVAL);
	done();
}
END_TEST

START_TEST(respects_leases)
{
	gives_problem("28:00.0", "lease", true, "lent to VM 'web' (process 500)");
	request.owner = (struct bind_owner){500, 4242, "web"};
	make_clean("28:00.0"); /* its own */
	request.owner = (struct bind_owner){0};
	/* A zombie owns nothing. */
	gives_problem("29:00.0", "lease", false, "was lent to VM 'web' (process 501), gone");
	make_clean("30:00.0"); /* of another boot */
	gives_problem("31:00.0", "lease", false, "it was interrupted");
	make_clean("32:00.0"); /* bound by hand */
	gives_problem("33:00.0", "journal", true, "expected 'usher-journal 1'");
	done();
}
END_TEST

START_TEST(tells_why_there_is_no_iommu)
{
	gives_problem("35:00.0", "iommu", true, "behind no IOMMU");
	done();
	env.host = replay_fixture("off");
	gives_problem("01:00.0", "iommu", true, "the kernel does not use the IOMMU");
	done();
	env.host = replay_fixture("laptop");
	gives_problem("04:00.0", "iommu", true, "neither a DMAR nor an IVRS");
	done();
}
END_TEST

START_TEST(warns_about_resets)
{
	gives_problem("34:00.0", "no-reset", false, "no working reset");
	done();
}
END_TEST

START_TEST(takes_only_what_is_named)
{
	request.only = true;
	gives_problem("20:00.1", "member", true, "shares the group and is on alpha");
	ck_assert_str_eq(
		plan.problems[0].fix, "leave out --only to take it along, or unbind it first");
	ck_assert(!plan.groups[0].viable);
	make_clean("20:00.0"); /* its sibling is on no driver */
	ck_assert(plan.groups[0].viable);
	member(0, BIND_ACT_TAKE, "vfio-pci");
	member(1, BIND_ACT_STAYS, "");
	done();
}
END_TEST

/* As vfio_dev_viable() of the kernel; a member that is taken will not be on that driver. */
START_TEST(knows_what_leaves_a_group_viable)
{
	static const struct {
		const char *driver;
		enum bind_act act;
		bool is_bridge, viable;
	} members[] = {{"", BIND_ACT_STAYS, false, true}, {"alpha", BIND_ACT_STAYS, false, false},
		{"pci-stub", BIND_ACT_STAYS, false, true},
		{"vfio-pci", BIND_ACT_STAYS, false, true},
		{"vfio-pcj", BIND_ACT_STAYS, false, false},
		{"pcieport", BIND_ACT_STAYS, true, true}, {"alpha", BIND_ACT_TAKE, false, true}};
	struct host *h = replay_lines("");

	for (size_t i = 0; i < COUNT(members); i++) {
		struct bind_member pair[2] = {{.device = {.driver = "vfio-pci"}}};
		const struct bind_group g = {.members = pair, .count = 2};

		pair[1].act = members[i].act;
		pair[1].device.is_bridge = members[i].is_bridge;
		(void)strcpy(pair[1].device.driver, members[i].driver);
		ck_assert_msg(bind_gate_viable(h, &g) == members[i].viable, "row %zu", i);
	}
	host_close(h);
}
END_TEST

START_TEST(tells_all_problems_at_once)
{
	struct bind_target two[3] = {
		{{0, 0x25, 0, 0}, true, 0x8086, 0x10d3}, {{0, 0x28, 0, 0}}, {{0, 0x28, 0, 0}}};
	struct bind_request q = request;
	struct err e = {0};

	env.host = replay_fixture("plan");
	q.targets = two;
	q.target_count = 3;
	ck_assert_int_eq(bind_plan(&env, &q, &plan, &e), 0);
	ck_assert_uint_eq(plan.group_count, 2); /* the third is the second's again */
	ck_assert_uint_eq(plan.refusals, 3);
	ck_assert_str_eq(plan.problems[0].check, "id");
	ck_assert_str_eq(plan.problems[1].check, "sriov");
	ck_assert_str_eq(plan.problems[2].check, "lease");
	done();
}
END_TEST

/* A user who can open a group gets all of its devices. */
START_TEST(gives_a_user_only_what_is_named)
{
	static const char *const user[] = {"user"};
	struct bind_target both[] = {{.address = {0, 0x20, 0, 0}}, {.address = {0, 0x20, 0, 1}}};
	struct bind_request q = request;
	struct err e = {0};

	request.access.uid = q.access.uid = 1000;
	gives_problem("20:00.0", "user", true, "gain access to it, unrequested");
	request.allow = user;
	request.allow_count = 1;
	make("20:00.0");
	ck_assert_uint_eq(plan.refusals, 0);
	request.allow_count = 0;
	request.access = BIND_ACCESS_NONE;
	bind_plan_fini(&plan);
	q.targets = both;
	q.target_count = 2;
	ck_assert_int_eq(bind_plan(&env, &q, &plan, &e), 0);
	ck_assert_uint_eq(plan.problem_count, 0);
	done();
}
END_TEST

/* Every combination of --allow. */
static void never_goes(const char *host, const char *address)
{
	static const char *const others[] = {"platform", "reserved", "no-reset", "user"};
	const char *checks[16], *allow[16];
	size_t count = 0;

	/* hold_add() accepts no other names for a use. */
	for (size_t i = 0; hold_checks[i]; i++) {
		ck_assert_uint_lt(count, COUNT(checks) - COUNT(others));
		checks[count++] = hold_checks[i];
	}
	for (size_t i = 0; i < COUNT(others); i++)
		checks[count++] = others[i];
	env.host = replay_fixture(host);
	for (unsigned set = 0; set < 1u << count; set++) {
		size_t n = 0;
		for (size_t i = 0; i < count; i++)
			if (set >> i & 1)
				allow[n++] = checks[i];
		request.allow = allow;
		request.allow_count = n;
		make(address);
		ck_assert_msg(plan.refusals > 0, "%s: goes with set %#x", host, set);
		ck_assert_msg(!plan.problems[0].liftable, "%s", plan.problems[0].text);
	}
	request.allow = NULL;
	request.allow_count = 0;
	done();
	env.host = NULL;
}

START_TEST(never_lets_the_root_disk_go)
{
	never_goes("desktop", "02:00.0"); /* a partition */
	never_goes("raid", "81:00.0"); /* half of an array */
	never_goes("raid", "82:00.0"); /* the other half */
}
END_TEST

SUITE("plan", takes_the_whole_group, leaves_bridges_and_what_is_bound, what_a_device_is_lasts,
	lists_its_steps, holds_to_the_id, an_absent_device_is_no_refusal, spares_the_platform,
	takes_endpoints_of_any_class, refuses_a_device_that_does_not_answer,
	refuses_what_the_kernel_would, finds_the_best_driver, respects_leases,
	tells_why_there_is_no_iommu, warns_about_resets, takes_only_what_is_named,
	knows_what_leaves_a_group_viable, tells_all_problems_at_once, never_lets_the_root_disk_go,
	gives_a_user_only_what_is_named)
