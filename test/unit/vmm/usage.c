/* SPDX-License-Identifier: MIT */
/* What usher-vmm says when it is called wrongly: needs no KVM. */
#include "suite.h"
#include "vmm/vmm_run.h"

#define GOOD "--memory", "64M", "--kernel", "/nonexistent"

START_TEST(help_and_version)
{
	expect_run(0, "usage: usher-vmm", "--help");
	expect_run(0, "usher-vmm ", "--version");
}
END_TEST

START_TEST(what_is_missing)
{
	expect_run(2, "--kernel is missing", "--memory", "64M");
	expect_run(2, "--memory is missing", "--kernel", "x");
	expect_run(2, "--container is missing", GOOD, "--device",
		"address=0000:01:00.0,device=9,group=8,number=7");
}
END_TEST

START_TEST(what_is_wrong)
{
	expect_run(2, "'12x' is no size", "--memory", "12x");
	expect_run(2, "'0' is no number from 1", GOOD, "--cpus", "0");
	expect_run(2, "'1000' is no number from 1", GOOD, "--cpus", "1000");
	expect_run(2, "'-1' is no descriptor", GOOD, "--kvm", "-1");
	expect_run(2, "'x' is no descriptor", GOOD, "--keeper", "x");
	expect_run(2, "is none of private", GOOD, "--backing", "gold");
	expect_run(2, "no argument is expected", GOOD, "more");
	expect_run(2, "unrecognized option", GOOD, "--frobnicate");
}
END_TEST

START_TEST(devices)
{
	expect_run(2, "'colour=red' is no key", GOOD, "--device", "address=a,colour=red");
	expect_run(2, "wants address=", GOOD, "--device", "address=a,device=3");
	expect_run(2, "wants address=", GOOD, "--device", "");
	expect_run(2, "wants address=", GOOD, "--device", "address=a,device=3,group=4");
	expect_run(2, "'x' is no number of a group", GOOD, "--device", "address=a,number=x");
	expect_run(2, "'' is no descriptor", GOOD, "--device", "address=a,device,group=3");
}
END_TEST

START_TEST(a_descriptor_that_is_not_kvm)
{
	expect_run(125, "ask KVM for its version", GOOD, "--kvm", "0");
	expect_run(125, "ask KVM for its version: Bad file descriptor", GOOD, "--kvm", "77");
}
END_TEST

SUITE("usage", help_and_version, what_is_missing, what_is_wrong, devices,
	a_descriptor_that_is_not_kvm)
