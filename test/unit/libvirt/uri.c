/* SPDX-License-Identifier: MIT */
#include "libvirt/uri.h"

#include "suite.h"

START_TEST(knows_whose_devices_they_are)
{
	static const struct {
		const char *uri;
		bool local, system;
	} rows[] = {
		{"qemu:///system", true, true},
		{"qemu:/system", true, true},
		{"qemu+unix:///system", true, true},
		{"qemu+unix:///system?socket=/run/libvirt/virtqemud-sock", true, true},
		{"qemu:///system?mode=direct#x", true, true},
		{"QEMU+UNIX://LocalHost/system", true, true},
		{"qemu+ssh:///system", true, true},
		{"qemu+ssh://root@localhost/system", true, true},
		{"qemu+tcp://127.0.0.1/system", true, true},
		{"qemu+tls://[::1]/system", true, true},
		{"qemu:///session", true, false},
		{"qemu:///embed?root=/tmp/x", true, false},
		{"test:///default", true, false},
		{"test:///tmp/a:b@c/system", true, false},
		{"xen:///system", true, true},
		{"xen:///", true, false},
		{"qemu+ssh://host/system", false, true},
		{"qemu+ssh://localhost@host/system", false, true},
		{"qemu+ssh://root@host:22/system", false, true},
		{"qemu+ssh://localhost:2222/system", false, true},
		{"qemu+tcp://[::1]:16509/system", false, true},
		{"qemu+ssh://localhost.evil/system", false, true},
		{"qemu+ext:///system?command=/bin/x", false, true},
		{"esx://host/", false, false},
		{"vpx://host/a/b", false, false},
		{"server", false, false},
		{"", false, false},
		{"/", false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(libvirt_uri_is_local(rows[i].uri) == rows[i].local, "%s is local",
			rows[i].uri);
		ck_assert_msg(libvirt_uri_is_system(rows[i].uri) == rows[i].system, "%s is system",
			rows[i].uri);
	}
}
END_TEST

START_TEST(knows_names_that_libvirt_replaces)
{
	ck_assert(libvirt_uri_is_alias("server"));
	ck_assert(!libvirt_uri_is_alias("qemu:///system"));
}
END_TEST

SUITE("uri", knows_whose_devices_they_are, knows_names_that_libvirt_replaces)
