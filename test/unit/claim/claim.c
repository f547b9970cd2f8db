/* SPDX-License-Identifier: MIT */
#include "claim/claim.h"

#include "base/err.h"
#include "base/file.h"
#include "claim/rule.h"
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLAIMS "/etc/usher/claims.d"

#define GOOD                           \
	"# by hand\n"                  \
	"\n"                           \
	"  id 1b36:0010  \n"           \
	"subsystem\t1af4:1100\r\n"     \
	"path 0000:00/01.0/00.0\n"     \
	"usher-claim 1\n"              \
	"serial 525400fffe000001\n"    \
	"driver vfio-pci\n"            \
	"user alice\nuser-group kvm\n" \
	"address 0000:01:00.0"

static struct host *host;
static struct claim *claims;
static struct claim_judgement *stands;
static size_t count;

static void judge(void)
{
	struct err e = {0};

	host = replay_fixture("claims");
	ck_assert_msg(claim_list(host, CLAIMS, &claims, &count, &e) == 0, "%s", e.msg);
	ck_assert_msg(claim_judge(host, claims, count, &stands, &e) == 0, "%s", e.msg);
}

static void done(void)
{
	free(claims);
	free(stands);
	host_close(host);
}

static void stands_as(const char *name, enum claim_standing standing, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(claims[i].name, name) != 0)
			continue;
		ck_assert_str_eq(stands[i].text, text);
		ck_assert_int_eq(stands[i].standing, standing);
		return;
	}
	ck_abort_msg("no claim '%s'", name);
}

static int parse(const char *text, struct claim *c, struct err *e)
{
	char *copy = suite_copy(text);

	*c = (struct claim){0};
	int r = claim_parse(copy, c, e);
	free(copy);
	return r;
}

START_TEST(reads_what_a_hand_wrote)
{
	struct claim c;
	struct err e = {0};

	ck_assert_msg(parse(GOOD, &c, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(c.identity.path, "0000:00/01.0/00.0");
	ck_assert_uint_eq(c.identity.vendor, 0x1b36);
	ck_assert_uint_eq(c.identity.device, 0x0010);
	ck_assert_uint_eq(c.identity.subvendor, 0x1af4);
	ck_assert_uint_eq(c.identity.subdevice, 0x1100);
	ck_assert(c.identity.has_serial);
	ck_assert(c.identity.serial == 0x525400fffe000001);
	ck_assert_str_eq(c.driver, "vfio-pci");
	ck_assert_str_eq(c.user, "alice");
	ck_assert_str_eq(c.user_group, "kvm");
	ck_assert_uint_eq(c.address.bus, 1);
}
END_TEST

START_TEST(reads_what_it_wrote)
{
	struct claim c, back;
	struct err e = {0};
	char *text = NULL;

	ck_assert_int_eq(parse(GOOD, &c, &e), 0);
	ck_assert_int_gt(claim_format(&c, &text), 0);
	ck_assert_msg(parse(text, &back, &e) == 0, "%s", e.msg);
	ck_assert_mem_eq(&c, &back, sizeof(c));
	free(text);
}
END_TEST

#define HEAD                                                                          \
	"usher-claim 1\naddress 0000:01:00.0\npath 0000:00/01.0/00.0\nid 8086:10c9\n" \
	"subsystem 8086:0000\n"

START_TEST(has_virtual_functions)
{
	struct claim c[2], back;
	struct err e = {0};
	char *text = NULL;

	ck_assert_msg(parse(HEAD "vfs 4\n", &c[0], &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(c[0].vfs, 4);
	ck_assert_int_gt(claim_format(&c[0], &text), 0);
	ck_assert_msg(parse(text, &back, &e) == 0, "%s", e.msg);
	ck_assert_mem_eq(&c[0], &back, sizeof(back));
	free(text);
	/* udev's rule would give the device to VFIO, and its driver makes the functions. */
	text = NULL;
	ck_assert_int_eq(claim_rule_format(c, 1, &text), 0);
	ck_assert_ptr_null(text);
	ck_assert_int_eq(parse(GOOD, &c[1], &e), 0);
	ck_assert_int_gt(claim_rule_format(c, 2, &text), 0);
	ck_assert_ptr_nonnull(strstr(text, "0x1b36"));
	ck_assert_ptr_null(strstr(text, "0x8086"));
	free(text);
}
END_TEST

/* A device is for VFIO, or keeps its driver; the number of its functions may change. */
START_TEST(keeps_one_kind_of_claim_for_a_place)
{
	struct host *h = replay_lines("at " CLAIMS "\n"
				      "file plain.claim usher-claim 1\\naddress 0000:01:00.0\\n"
				      "path 0000:00/01.0/00.0\\nid 8086:10c9\\nsubsystem "
				      "8086:0000\n"
				      "file many.claim usher-claim 1\\naddress 0000:02:00.0\\n"
				      "path 0000:00/02.0/00.0\\nid 8086:10c9\\nsubsystem "
				      "8086:0000\\nvfs 2\n");
	struct claim c;
	struct err e = {0};

	ck_assert_int_eq(parse(HEAD, &c, &e), 0);
	ck_assert_int_eq(claim_check_place(h, CLAIMS, &c, &e), 0);
	c.vfs = 4;
	ck_assert_int_eq(claim_check_place(h, CLAIMS, &c, &e), -EPERM);
	ck_assert_msg(strstr(e.msg, "is claimed for VFIO already"), "%s", e.msg);
	ck_assert_str_eq(e.hint, "usher unclaim plain");
	(void)snprintf(c.identity.path, sizeof(c.identity.path), "0000:00/02.0/00.0");
	ck_assert_int_eq(claim_check_place(h, CLAIMS, &c, &e), 0);
	c.vfs = 0;
	ck_assert_int_eq(claim_check_place(h, CLAIMS, &c, &e), -EPERM);
	ck_assert_msg(strstr(e.msg, "is claimed with 2 virtual functions already"), "%s", e.msg);
	host_close(h);
}
END_TEST

static const struct {
	const char *text, *says;
} hostile[] = {
	{"", "'usher-claim' is missing"},
	{"usher-claim 2\n", "line 1: '2' is no usher-claim"},
	{"usher-claim 1\nusher-claim 1\n", "line 2: a second 'usher-claim'"},
	{"colour red\n", "there is no key 'colour'"},
	{"\033[2Jid 1\n", "there is no key '\\x1b[2Jid'"},
	{"id 1b36:001\n", "is no id"},
	{"id 1b36:00100\n", "is no id"},
	{"id -b36:0010\n", "is no id"},
	{"id\n", "'' is no id"},
	{"serial 12\n", "is no serial"},
	{"serial 525400fffe00000g\n", "is no serial"},
	{"driver vfio pci\n", "is no driver"},
	{"driver e1000e\n", "is no driver"},
	{"user alice bob\n", "is no user"},
	{"vfs 0\n", "is no vfs"},
	{"vfs -1\n", "is no vfs"},
	{"vfs 65536\n", "is no vfs"},
	{GOOD "\nvfs 2\n", "'vfs' excludes driver, user and user-group"},
	{"user-group ../x\n", "is no user-group"},
	{"driver x\",RUN+=\"sh\n", "is no driver"},
	{"driver ../x\n", "is no driver"},
	{"address 1:0\n", "is no address"},
	{"path 0000:00\n", "is no path"},
	{"path /0000:00/01.0\n", "is no path"},
	{"path 0000:00/01.0/\n", "is no path"},
	{"path 0000:00/20.0\n", "is no path"},
	{"path 0000:00/01.8\n", "is no path"},
	{"path 0000:00/1.0\n", "is no path"},
	{"path 0000:00/01.0//00.0\n", "is no path"},
	{"path 0000:00/../00.0\n", "is no path"},
	{"path 0000:00/+1.0\n", "is no path"},
	{"path 0000:00/*.0\n", "is no path"},
	{"path 0000:00/0000:01/00.0\n", "is no path"},
	{"path 01.0/00.0\n", "is no path"},
	{"path 0000:00/01.0\", RUN+=\"/bin/sh\n", "is no path"},
};

START_TEST(refuses_every_hostile_text)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct claim c;
		struct err e = {0};
		int r = parse(hostile[i].text, &c, &e);
		ck_assert_msg(r == -EBADMSG, "'%s' was taken", hostile[i].text);
		ck_assert_msg(
			strstr(e.msg, hostile[i].says), "'%s' says: %s", hostile[i].text, e.msg);
		ck_assert_str_eq(c.identity.path, "");
	}
}
END_TEST

START_TEST(needs_each_line)
{
	static const char *const lines[] = {"usher-claim", "address", "path", "id", "subsystem"};
	struct claim c;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[] = GOOD, word[32];
		struct err e = {0};
		(void)snprintf(word, sizeof(word), "%s%s", "\n", lines[i]);
		char *at = strstr(text, word);
		at = at ? at + 1 : strstr(text, lines[i]);
		ck_assert_ptr_nonnull(at);
		*at = '#';
		ck_assert_int_eq(parse(text, &c, &e), -EBADMSG);
		(void)snprintf(word, sizeof(word), "'%s' is missing", lines[i]);
		ck_assert_msg(strstr(e.msg, word), "%s", e.msg);
	}
}
END_TEST

START_TEST(a_place_is_a_pattern_without_bus_numbers)
{
	char text[512];

	ck_assert_int_eq(claim_path_pattern("0000:00/01.0/00.0", text, sizeof(text)), 0);
	ck_assert_str_eq(text, "*/pci0000:00/0000:00:01.0/0000:\?\?:00.0");
	ck_assert_int_eq(
		claim_path_pattern("0000:00/0e.0/10000:e0/02.0/00.0", text, sizeof(text)), 0);
	ck_assert_str_eq(
		text, "*/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:02.0/10000:\?\?:00.0");
	ck_assert_int_eq(claim_path_pattern("0000:00/01.0/00.0", text, 12), -ENAMETOOLONG);
}
END_TEST

START_TEST(tells_where_devices_are)
{
	judge();
	stands_as("still", CLAIM_STANDING_AT, "at 0000:01:00.0");
	stands_as("renumbered", CLAIM_STANDING_AT,
		"at 0000:03:00.0 (was 0000:02:00.0: buses have new numbers)");
	stands_as("moved", CLAIM_STANDING_MOVED, "moved: it is now at 0000:05:00.0");
	stands_as("gone", CLAIM_STANDING_MISSING, "missing");
	stands_as("other", CLAIM_STANDING_OTHER, "other device there: 0000:06:00.0 is 8086:10d3");
	stands_as("twin", CLAIM_STANDING_OTHER,
		"other device there: 0000:07:00.0 is 8086:10d3 with another serial number or "
		"subsystem");
	/*
	 * The udev rule knows no serial number, so it also keeps drivers from a twin of the device.
	 */
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(stands[i].has_stray, strcmp(claims[i].name, "twin") == 0);
	stands_as("virtual", CLAIM_STANDING_MISSING, "missing");
	stands_as("void", CLAIM_STANDING_VOID, "line 2: there is no key 'nonsense'");
	stands_as("still-again", CLAIM_STANDING_VOID, "claims the place of 'still'");
	stands_as("unreadable", CLAIM_STANDING_VOID, "read: Permission denied");
	stands_as("long", CLAIM_STANDING_VOID, "too long, or not a text");
	stands_as("odd\\x1b", CLAIM_STANDING_VOID, "the line 'usher-claim' is missing");
	ck_assert_uint_eq(count, 13);
	done();
}
END_TEST

static const char rule[] =
	"# Made by usher from /etc/usher/claims.d; 'usher apply' makes it anew.\n"
	"# The kernel argument usher=off switches it off.\n"
	"ACTION!=\"add\", GOTO=\"usher_end\"\n"
	"SUBSYSTEM!=\"pci\", GOTO=\"usher_end\"\n"
	"IMPORT{cmdline}=\"usher\"\n"
	"ENV{usher}==\"off\", GOTO=\"usher_end\"\n"
	"\n"
	"# 0000:01:00.0\n"
	"DEVPATH==\"*/pci0000:00/0000:00:01.0/0000:\?\?:00.0\", ATTR{vendor}==\"0x1b36\", "
	"ATTR{device}==\"0x0010\", \\\n"
	"  ATTR{subsystem_vendor}==\"0x1af4\", ATTR{subsystem_device}==\"0x1100\", \\\n"
	"  TEST!=\"physfn\", ATTR{driver_override}=\"vfio-pci\"\n"
	"\n"
	"LABEL=\"usher_end\"\n";

START_TEST(makes_a_rule_of_good_claims_only)
{
	struct claim c[2] = {0};
	char *text = NULL;
	struct err e = {0};

	ck_assert_int_eq(parse(GOOD, &c[0], &e), 0);
	(void)snprintf(c[1].bad, sizeof(c[1].bad), "void");
	ck_assert_int_eq(claim_rule_format(&c[1], 1, &text), 0);
	ck_assert_ptr_null(text);
	ck_assert_int_gt(claim_rule_format(c, 2, &text), 0);
	ck_assert_str_eq(text, rule);
	free(text);
}
END_TEST

START_TEST(writes_and_removes)
{
	char folder[] = "/tmp/usher-claim-XXXXXX", path[FILE_PATH_MAX], rules[FILE_PATH_MAX];
	struct claim c;
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/claims.d", folder), 0);
	ck_assert_int_eq(file_path(rules, sizeof(rules), "%s/rules.d/07.rules", folder), 0);
	ck_assert_int_eq(parse(GOOD, &c, &e), 0);
	ck_assert_msg(claim_write(path, &c, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(c.name, "0000:00-01.0-00.0");
	ck_assert_msg(claim_rule_write(host_live(), path, rules, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(access(rules, R_OK), 0);
	ck_assert_int_eq(claim_list(host_live(), path, &claims, &count, &e), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_mem_eq(&claims[0], &c, sizeof(c));
	free(claims);
	ck_assert_int_eq(claim_remove(path, &c, &e), 0);
	ck_assert_int_eq(claim_remove(path, &c, &e), -ENOENT);
	ck_assert_int_eq(claim_rule_write(host_live(), path, rules, &e), 0);
	ck_assert_int_lt(access(rules, F_OK), 0);
	ck_assert_int_eq(rmdir(path), 0);
	*strrchr(rules, '/') = '\0';
	ck_assert_int_eq(rmdir(rules), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(makes_claims_of_ordinary_devices_only)
{
	struct claim c;
	struct err e = {0};

	host = replay_fixture("claims");
	ck_assert_int_eq(claim_make(host, (struct pci_address){0, 1, 0, 0}, &c, &e), 0);
	ck_assert_str_eq(c.identity.path, "0000:00/01.0/00.0");
	ck_assert(!c.identity.has_serial);
	ck_assert_int_eq(claim_make(host, (struct pci_address){0, 7, 0, 0}, &c, &e), 0);
	ck_assert(c.identity.has_serial);
	ck_assert(c.identity.serial == 0x1122334455667788);
	ck_assert_int_eq(claim_make(host, (struct pci_address){0, 0, 1, 0}, &c, &e), -EPERM);
	ck_assert_msg(strstr(e.msg, "PCI bridge"), "%s", e.msg);
	ck_assert_int_eq(claim_make(host, (struct pci_address){0, 8, 0, 1}, &c, &e), -EPERM);
	ck_assert_msg(strstr(e.msg, "virtual function"), "%s", e.msg);
	ck_assert_int_eq(claim_make(host, (struct pci_address){0, 9, 0, 0}, &c, &e), -ENODEV);
	host_close(host);
}
END_TEST

SUITE("claim", reads_what_a_hand_wrote, reads_what_it_wrote, has_virtual_functions,
	keeps_one_kind_of_claim_for_a_place, refuses_every_hostile_text, needs_each_line,
	a_place_is_a_pattern_without_bus_numbers, tells_where_devices_are,
	makes_a_rule_of_good_claims_only, writes_and_removes, makes_claims_of_ordinary_devices_only)
