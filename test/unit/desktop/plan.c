/* SPDX-License-Identifier: MIT */
#include "desktop/plan.h"

#include "base/num.h"
#include "bind/problem.h"
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#define CARD CARD_OF("1")
#define CARD_OF(boot_vga)                                                                      \
	"link /sys/bus/pci/devices/0000:01:00.0 ../../../devices/pci0000:00/0000:01:00.0\n"    \
	"at /sys/devices/pci0000:00/0000:01:00.0\n"                                            \
	"file vendor 0x10de\nfile device 0x2204\nfile class 0x030000\nfile boot_vga " boot_vga \
	"\n"                                                                                   \
	"link driver ../../../bus/pci/drivers/nvidia\n"                                        \
	"link /sys/bus/pci/drivers/nvidia/0000:01:00.0 "                                       \
	"../../../../devices/pci0000:00/0000:01:00.0\n"                                        \
	"link /sys/dev/char/226:1 ../../devices/pci0000:00/0000:01:00.0/drm/card1\n"           \
	"file /sys/devices/pci0000:00/0000:01:00.0/drm/card1/uevent DEVNAME=dri/card1\n"       \
	"file /sys/module/nvidia_drm/refcnt 0\nfile /sys/module/nvidia_uvm/refcnt 0\n"

#define CONSOLES                                                          \
	"file /sys/class/vtconsole/vtcon0/name (S) dummy device\n"        \
	"file /sys/class/vtconsole/vtcon0/bind 0\n"                       \
	"file /sys/class/vtconsole/vtcon1/name (M) frame buffer device\n" \
	"file /sys/class/vtconsole/vtcon1/bind 1\n"                       \
	"file /sys/class/tty/tty0/active tty2\n"                          \
	"link /sys/class/graphics/fb0 ../../devices/pci0000:00/0000:01:00.0/graphics/fb0\n"

#define SYSTEMD                                                                              \
	"number f8:1 /run/systemd/system\n"                                                  \
	"link /etc/systemd/system/display-manager.service /lib/systemd/system/gdm.service\n" \
	"number f8:1 /sys/fs/cgroup/system.slice/gdm.service\n"

#define SESSION(id, user, uid, seat, type)                                                \
	"file /run/systemd/sessions/" id " UID=" uid "\\nUSER=" user "\\nSTATE=active\\n" \
	"TYPE=" type "\\nCLASS=user\\nSEAT=" seat "\\nVTNR=2\n"

#define USER_1000 "0::/user.slice/user-1000.slice/"
#define USER_1002 "0::/user.slice/user-1002.slice/"
#define CAROL SESSION("4", "carol", "1002", "seat0", "tty")
#define ALICE SESSION("2", "alice", "1000", "seat0", "wayland")

static void plan_check(const char *lines, const struct desktop_request *q, const char *const *allow,
	struct desktop_plan *ret, struct bind_plan *p)
{
	struct bind_member *member = calloc(1, sizeof(*member));
	struct host *h = replay_lines(lines);
	struct bind_request request = {.allow = allow, .allow_count = allow ? 1 : 0};
	struct err e = {0};

	*p = BIND_PLAN_NONE;
	p->groups = calloc(1, sizeof(*p->groups));
	ck_assert_ptr_nonnull(p->groups);
	ck_assert_ptr_nonnull(member);
	p->group_count = 1;
	p->groups[0] = (struct bind_group){.count = 1, .members = member};
	ck_assert_int_eq(
		pci_device_read(h, (struct pci_address){.bus = 1}, &member->device, &e), 0);
	ck_assert_msg(desktop_plan_read(h, q, p, ret, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(desktop_plan_judge(ret, &request, p), 0);
	host_close(h);
}

static const struct desktop_request any = {.alive_s = DESKTOP_ALIVE_S};

/* The display manager, the console, and modules above the driver; the card is what they are on. */
START_TEST(finds_the_desktop)
{
	struct desktop_plan d;
	struct bind_plan p;

	plan_check(CARD CONSOLES SYSTEMD, &any, NULL, &d, &p);
	ck_assert(d.is_needed);
	ck_assert_uint_eq(d.address.bus, 1);
	ck_assert_uint_eq(d.unit_count, 1);
	ck_assert_str_eq(d.units[0], "gdm.service");
	ck_assert_uint_eq(d.console_count, 1);
	ck_assert_uint_eq(d.consoles[0].number, 1);
	ck_assert_uint_eq(d.vt, 2);
	ck_assert_uint_eq(d.module_count, 2);
	ck_assert_str_eq(d.modules[0], "nvidia_drm");
	ck_assert_uint_eq(p.refusals, 0);
	bind_plan_fini(&p);
}
END_TEST

/* A person at the screen is asked; one who is logged in by SSH is left alone. */
START_TEST(asks_whoever_sits_there)
{
	static const char *const allow[] = {"session"};
	struct desktop_plan d;
	struct bind_plan p;

	plan_check(CARD CONSOLES SYSTEMD ALICE SESSION("3", "bob", "1001", "", "tty")
			   SESSION("4", "carol", "1002", "seat0", "tty"),
		&any, NULL, &d, &p);
	ck_assert_uint_eq(d.session_count, 2);
	ck_assert_uint_eq(p.refusals, 1);
	ck_assert_str_eq(p.problems[0].check, "session");
	ck_assert_str_eq(p.problems[0].object, "session 2");
	ck_assert_ptr_nonnull(strstr(p.problems[0].text, "alice"));
	bind_plan_fini(&p);
	plan_check(CARD CONSOLES SYSTEMD ALICE, &any, allow, &d, &p);
	ck_assert_uint_eq(p.refusals, 0);
	bind_plan_fini(&p);
}
END_TEST

/* Nobody's session is forgotten: the one beyond the last that usher can end refuses. */
START_TEST(refuses_more_people_than_it_can_end)
{
	static const char *const allow[] = {"session"};
	static char lines[DESKTOP_SESSIONS_MAX * 160 + 4096];
	struct desktop_plan d;
	struct bind_plan p;

	for (unsigned more = 0; more < 2; more++) {
		size_t len = (size_t)snprintf(lines, sizeof(lines), "%s", CARD CONSOLES SYSTEMD);
		for (unsigned i = 1; i <= DESKTOP_SESSIONS_MAX + more; i++)
			len += (size_t)snprintf(lines + len, sizeof(lines) - len,
				"file /run/systemd/sessions/%u UID=1000\\nUSER=alice\\n"
				"STATE=active\\nTYPE=wayland\\nCLASS=user\\nSEAT=seat0\n",
				i);
		plan_check(lines, &any, allow, &d, &p);
		ck_assert_uint_eq(d.session_count, DESKTOP_SESSIONS_MAX);
		ck_assert_uint_eq(p.refusals, more);
		bind_plan_fini(&p);
	}
}
END_TEST

/* What its cgroup says of each process; a user's services stay with another session of the user. */
START_TEST(tells_who_ends_with_it)
{
	static const struct {
		const char *cgroup;
		bool goes;
	} rows[] = {
		{"0::/system.slice/gdm.service", true},
		{"0::/user.slice/user-1000.slice/session-2.scope", true},
		{"0::/user.slice/user-1000.slice/user@1000.service/session.slice/x.service", true},
		{"12:pids:/\\n1:name=systemd:/user.slice/user-1000.slice/session-2.scope", true},
		{"0::/system.slice/systemd-logind.service", true},
		{"0::/user.slice/user-1001.slice/session-3.scope", false},
		{"0::/user.slice/user-1001.slice/user@1001.service/app.slice/y.service", false},
		{"0::/user.slice/user-1000.slice/session-22.scope", false},
		{"0::/system.slice/ollama.service", false},
		{"0::/system.slice/notgdm.service", false},
		{"0::/", false},
	};
	static const char *const allow[] = {"session"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct desktop_plan d;
		struct bind_plan p;
		char lines[8192];
		(void)snprintf(lines, sizeof(lines),
			"%sholder 300 1000 226:1 x\nfile /proc/300/cgroup %s\n",
			CARD CONSOLES SYSTEMD ALICE SESSION("3", "bob", "1001", "", "tty"),
			rows[i].cgroup);
		plan_check(lines, &any, allow, &d, &p);
		ck_assert_uint_eq(d.holder_count, 1);
		ck_assert_msg(d.holders[0].goes == rows[i].goes, "%s", rows[i].cgroup);
		ck_assert_uint_eq(p.refusals, !rows[i].goes);
		bind_plan_fini(&p);
	}
}
END_TEST

/* A desktop of many programs hides none that stays: usher would stop the desktop in vain. */
START_TEST(finds_who_stays_among_many)
{
	char lines[16384];
	struct desktop_plan d;
	struct bind_plan p;

	size_t len = (size_t)snprintf(lines, sizeof(lines), "%s", CARD CONSOLES SYSTEMD);
	for (int pid = 300; pid < 340; pid++)
		len += (size_t)snprintf(lines + len, sizeof(lines) - len,
			"holder %d 1000 226:1 x\nfile /proc/%d/cgroup 0::/system.slice/%s\n", pid,
			pid, pid == 339 ? "ollama.service" : "gdm.service");
	plan_check(lines, &any, NULL, &d, &p);
	ck_assert_uint_eq(d.holder_count, DESKTOP_HOLDERS_MAX);
	ck_assert(d.holders[0].goes);
	ck_assert_uint_eq(p.refusals, 1);
	bind_plan_fini(&p);
}
END_TEST

/* Services of a user outlive the session at the screen if the user has another one. */
START_TEST(tells_who_stays)
{
	struct desktop_plan d;
	struct bind_plan p;

	plan_check(CARD CONSOLES SYSTEMD ALICE SESSION(
			   "5", "alice", "1000", "", "tty") "holder 300 1000 226:1 pipewire\n"
							    "file /proc/300/cgroup " USER_1000
							    "user@1000.service/p.service\n",
		&any, NULL, &d, &p);
	ck_assert(!d.holders[0].goes);
	bind_plan_fini(&p);
}
END_TEST

/* A compositor that was started from a text console makes its session one of the desktop. */
START_TEST(finds_compositors_of_consoles)
{
	struct desktop_plan d;
	struct bind_plan p;

	plan_check(CARD CONSOLES CAROL "number f8:1 /run/systemd/system\n"
				       "holder 300 1002 226:1 sway\n"
				       "file /proc/300/cgroup " USER_1002 "session-4.scope\n",
		&any, NULL, &d, &p);
	ck_assert_uint_eq(d.unit_count, 0);
	ck_assert(d.sessions[0].ends);
	ck_assert_uint_eq(p.refusals, 1);
	bind_plan_fini(&p);
}
END_TEST

/* Units that a person names, behind the display manager; one that does not run is a warning. */
START_TEST(takes_units_by_name)
{
	const struct desktop_request q = {
		.units = {"kiosk.service", "idle.service", "gdm.service"}, .unit_count = 3};
	struct desktop_plan d;
	struct bind_plan p;

	plan_check(CARD CONSOLES SYSTEMD "number f8:1 /sys/fs/cgroup/system.slice/kiosk.service\n",
		&q, NULL, &d, &p);
	ck_assert_uint_eq(d.unit_count, 2);
	ck_assert_str_eq(d.units[0], "gdm.service");
	ck_assert_str_eq(d.units[1], "kiosk.service");
	ck_assert_uint_eq(p.refusals, 0);
	ck_assert_uint_eq(p.problem_count, 1);
	ck_assert_str_eq(p.problems[0].object, "idle.service");
	bind_plan_fini(&p);
}
END_TEST

/* The console is on another card, or there is none. */
START_TEST(refuses_what_is_not_needed)
{
	static const char *const hosts[] = {
		CARD SYSTEMD,
		CARD_OF("0") SYSTEMD
		"file /sys/class/vtconsole/vtcon1/name (M) frame buffer device\n"
		"file /sys/class/vtconsole/vtcon1/bind 1\n"
		"link /sys/class/graphics/fb0 ../../devices/pci0000:00/0000:02:00.0/graphics/fb0\n",
	};

	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct desktop_plan d;
		struct bind_plan p;
		plan_check(hosts[i], &any, NULL, &d, &p);
		ck_assert(!d.is_needed);
		ck_assert_uint_eq(p.refusals, 1);
		ck_assert_str_eq(p.problems[0].check, "display");
		bind_plan_fini(&p);
	}
}
END_TEST

/* A card that nothing resets would stay on VFIO, and nobody sees the warning on a dark screen. */
START_TEST(refuses_what_would_stay_dark)
{
	static const char *const allow[] = {"no-reset"};
	static const struct problem_kind kind = {"no-reset", PROBLEM_WARNS, NULL};

	for (size_t i = 0; i < 2; i++) {
		const struct bind_request q = {.allow = allow, .allow_count = i};
		struct desktop_plan d = {.is_needed = true};
		struct bind_plan p = BIND_PLAN_NONE;
		ck_assert_int_eq(bind_problem_add(&p, &q, &kind, "0000:01:00.0", "warns"), 0);
		ck_assert_int_eq(desktop_plan_judge(&d, &q, &p), 0);
		ck_assert_uint_eq(p.refusals, 1 - i);
		bind_plan_fini(&p);
	}
}
END_TEST

/* Before a driver of the card is there, the firmware's framebuffer is all that says so. */
START_TEST(finds_the_firmwares_screen)
{
	struct bind_member m = {.framebuffer = "simple-framebuffer/simple-framebuffer.0"};
	struct bind_group g = {.count = 1, .members = &m};
	const struct bind_plan p = {.group_count = 1, .groups = &g};
	struct host *h =
		replay_lines(CONSOLES "link /sys/bus/pci/devices/0000:01:00.0 ../../../devices/x\n"
				      "at /sys/devices/x\nfile vendor 0x10de\n"
				      "file device 0x2204\nfile class 0x030000\n");
	struct desktop_plan d;
	struct err e = {0};

	ck_assert_int_eq(pci_device_read(h, (struct pci_address){.bus = 1}, &m.device, &e), 0);
	ck_assert_msg(desktop_plan_read(h, &any, &p, &d, &e) == 0, "%s", e.msg);
	ck_assert(d.is_needed);
	m.framebuffer[0] = '\0';
	ck_assert_msg(desktop_plan_read(h, &any, &p, &d, &e) == 0, "%s", e.msg);
	ck_assert(!d.is_needed);
	host_close(h);
}
END_TEST

/* The script of a host without systemd: Debian's file names it. */
START_TEST(finds_scripts)
{
	struct desktop_plan d;
	struct bind_plan p;

	plan_check(CARD CONSOLES "file /etc/X11/default-display-manager /usr/sbin/lightdm\n"
				 "number f8:1 /etc/init.d/lightdm\n"
				 "holder 300 0 226:1 Xorg\nholder 301 0 226:1 python3\n",
		&any, NULL, &d, &p);
	ck_assert_str_eq(d.units[0], "lightdm");
	ck_assert(d.holders[0].goes);
	ck_assert(!d.holders[1].goes);
	bind_plan_fini(&p);
}
END_TEST

SUITE("desktop plan", finds_the_desktop, asks_whoever_sits_there,
	refuses_more_people_than_it_can_end, tells_who_ends_with_it, finds_who_stays_among_many,
	tells_who_stays, finds_compositors_of_consoles, takes_units_by_name,
	refuses_what_is_not_needed, finds_scripts, refuses_what_would_stay_dark,
	finds_the_firmwares_screen)
