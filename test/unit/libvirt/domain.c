/* SPDX-License-Identifier: MIT */
#include "libvirt/domain.h"

#include "base/err.h"
#include "libvirt/hostdev.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>

static int parse(const char *text, struct libvirt_domain *ret, struct err *e)
{
	*e = (struct err){0};
	return libvirt_domain_parse(text, strlen(text), ret, e);
}

/* A domain around these elements is parsed, and has that many devices. */
static struct libvirt_domain parse_devices(const char *elements, size_t count)
{
	struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;
	struct err e;
	char text[2048];

	(void)snprintf(text, sizeof(text),
		"<domain type='kvm'><name>web</name><devices>%s</devices></domain>", elements);
	ck_assert(libvirt_hostdev_may_be(text, strlen(text)));
	ck_assert_msg(parse(text, &d, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(d.count, count);
	return d;
}

static void address_is(const struct libvirt_domain *d, size_t i, const char *expected)
{
	char text[PCI_ADDRESS_TEXT];

	ck_assert_uint_lt(i, d->count);
	ck_assert_str_eq(pci_address_format(d->devices[i].address, text), expected);
}

START_TEST(finds_each_kind_of_device)
{
	struct libvirt_domain d = parse_devices(
		"<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio'/><source>"
		"<address domain='0x0000' bus='0x65' slot='0x1f' function='0x7'/></source>"
		"<address type='pci' domain='0' bus='5' slot='0' function='0'/></hostdev>"
		"<interface type='hostdev' managed='yes'><source>"
		"<address type='pci' domain='0x10000' bus='0x0a' slot='0x00' function='0x1'/>"
		"</source><mac address='52:54:00:00:00:01'/></interface>"
		"<disk type='nvme' device='disk'><source type='pci' managed='no' namespace='1'>"
		"<address domain='0' bus='12' slot='3'/></source></disk>"
		"<hostdev mode='subsystem' type='pci'><driver name='vfio' model='mlx5_vfio_pci'/>"
		"<source><address bus='2'/></source></hostdev>",
		4);

	ck_assert_str_eq(d.name, "web");
	address_is(&d, 0, "0000:65:1f.7");
	address_is(&d, 1, "10000:0a:00.1");
	address_is(&d, 2, "0000:0c:03.0");
	address_is(&d, 3, "0000:02:00.0");
	ck_assert(d.devices[0].managed && d.devices[1].managed);
	ck_assert(!d.devices[2].managed && !d.devices[3].managed);
	ck_assert_str_eq(d.devices[0].driver, "");
	ck_assert_str_eq(d.devices[3].driver, "mlx5_vfio_pci");
	libvirt_domain_fini(&d);
}
END_TEST

/* libvirt_hostdev_format() */
START_TEST(reads_what_usher_writes)
{
	static const struct pci_address rows[] = {{0, 0, 0, 0}, {0xffff, 0xff, 0x1f, 7},
		{0x10000, 0xe1, 3, 1}, {UINT32_MAX, 9, 10, 2}};
	char element[LIBVIRT_HOSTDEV_TEXT];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		libvirt_hostdev_format(rows[i], i % 2, element);
		struct libvirt_domain d = parse_devices(element, 1);
		ck_assert(pci_address_equal(d.devices[0].address, rows[i]));
		ck_assert_int_eq(d.devices[0].managed, i % 2);
		libvirt_domain_fini(&d);
	}
}
END_TEST

START_TEST(leaves_other_devices_alone)
{
	struct libvirt_domain d = parse_devices(
		"<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/></source>"
		"</hostdev>"
		"<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
		"<address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>"
		"<interface type='network'><source network='default'/></interface>"
		"<disk type='file'><source file='/nvme'/></disk>"
		"<q:hostdev xmlns:q='http://other' type='pci'/>",
		0);

	libvirt_domain_fini(&d);
}
END_TEST

START_TEST(looks_only_where_libvirt_looks)
{
	struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;
	struct err e;

	ck_assert_msg(
		parse("<domain><metadata><devices><hostdev type='pci'><source><address bus='1'/>"
		      "</source></hostdev></devices></metadata><name>a<!-- b --></name>"
		      "<!--<devices><hostdev type='pci'/></devices>--></domain>",
			&d, &e) == 0,
		"%s", e.msg);
	ck_assert_uint_eq(d.count, 0);
	libvirt_domain_fini(&d);
}
END_TEST

START_TEST(counts_a_device_once)
{
	struct libvirt_domain d = parse_devices(
		"<hostdev type='pci'><source><address bus='1'/></source></hostdev>"
		"<hostdev type='pci'><source><address bus='0x01'/></source></hostdev>",
		1);

	libvirt_domain_fini(&d);
}
END_TEST

START_TEST(reads_values_that_are_written_in_another_way)
{
	struct libvirt_domain d =
		parse_devices("<hostdev type='&#112;ci' managed='&#x79;es'><source>"
			      "<address bus='&#49;'/></source></hostdev>",
			1);

	address_is(&d, 0, "0000:01:00.0");
	ck_assert(d.devices[0].managed);
	libvirt_domain_fini(&d);
}
END_TEST

/* Each is refused, with these words. */
START_TEST(refuses_what_libvirt_does_not_write)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "is not XML"},
		{"hostdev", "is not XML: line 1"},
		{"<domain><devices><hostdev type='pci'>", "is not XML: line 1"},
		{"<network/>", "is not a <domain>"},
		{"<!DOCTYPE domain [<!ENTITY a 'pci'>]><domain><name>&a;</name></domain>",
			"document type"},
		{"<!DOCTYPE domain SYSTEM '/etc/passwd'><domain/>", "document type"},
		{"<domain><devices><hostdev type='pci'/></devices></domain>",
			"line 1: a PCI device without an address"},
		{"<domain><devices><hostdev type='pci'><source/></hostdev></devices></domain>",
			"without an address"},
		{"<domain><devices>\n<hostdev type='pci'><source><address bus='0x100'/></source>"
		 "</hostdev></devices></domain>",
			"line 2: 'bus' of a PCI address is '0x100'"},
		{"<domain><devices><hostdev type='pci'><source><address slot='32'/></source>"
		 "</hostdev></devices></domain>",
			"'slot' of a PCI address"},
		{"<domain><devices><hostdev type='pci'><source><address bus='1 '/></source>"
		 "</hostdev></devices></domain>",
			"'bus' of a PCI address"},
		{"<domain><devices><hostdev type='pci'><source><address function='-1'/></source>"
		 "</hostdev></devices></domain>",
			"'function' of a PCI address"},
	};
	struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(parse(bad[i].text, &d, &e), -EBADMSG);
		ck_assert_msg(strstr(e.msg, bad[i].why), "%zu: %s", i, e.msg);
	}
}
END_TEST

/* @count times the text: closes nothing. */
static char *repeat(const char *text, size_t count)
{
	size_t len = strlen(text);
	char *all = malloc(count * len + 1);

	ck_assert_ptr_nonnull(all);
	for (size_t i = 0; i < count; i++)
		memcpy(all + i * len, text, len + 1);
	return all;
}

START_TEST(bounds_what_it_reads)
{
	struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;
	struct err e = {0};

	char *deep = repeat("<domain>", 100000);
	ck_assert_int_eq(parse(deep, &d, &e), -EBADMSG);
	free(deep);
	char *big = repeat(" ", LIBVIRT_XML_MAX + 1);
	ck_assert_int_eq(parse(big, &d, &e), -EFBIG);
	free(big);

	char *text = malloc(1 << 20);
	ck_assert_ptr_nonnull(text);
	size_t n = (size_t)sprintf(text, "<domain><devices>");
	for (unsigned i = 0; i <= LIBVIRT_DEVICES_MAX; i++)
		n += (size_t)sprintf(text + n,
			"<hostdev type='pci'><source><address domain='%u'/></source></hostdev>", i);
	(void)sprintf(text + n, "</devices></domain>");
	ck_assert_int_eq(parse(text, &d, &e), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(e.msg, "more than 1024 PCI devices"));
	free(text);
}
END_TEST

START_TEST(knows_domains_without_devices)
{
	static const char plain[] = "<domain><devices><disk type='file'/></devices></domain>";
	static const char written[] =
		"<domain><devices><disk type='&#110;vme'/></devices></domain>";

	ck_assert(!libvirt_hostdev_may_be(plain, sizeof(plain) - 1));
	ck_assert(libvirt_hostdev_may_be(written, sizeof(written) - 1));
	ck_assert(libvirt_hostdev_may_be(plain, sizeof(plain)));
}
END_TEST

START_TEST(reads_the_state_of_a_running_domain)
{
	struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;
	struct err e = {0};

	ck_assert_int_eq(
		parse("<domstatus state='running'><monitor/><domain><name>web</name><devices>"
		      "<hostdev type='pci'><source><address bus='1'/></source></hostdev>"
		      "</devices></domain></domstatus>",
			&d, &e),
		0);
	ck_assert_str_eq(d.name, "web");
	ck_assert_uint_eq(d.count, 1);
	libvirt_domain_fini(&d);
	ck_assert_int_eq(parse("<domstatus/>", &d, &e), -EBADMSG);
}
END_TEST

/* Of a network that is a pool of virtual functions. */
START_TEST(finds_what_libvirt_has_chosen)
{
	struct libvirt_domain d = parse_devices(
		"<interface type='network'><source network='vfs'/><actual type='hostdev' "
		"managed='yes'><driver name='vfio' model='mlx5_vfio_pci'/><source>"
		"<address type='pci' domain='0' bus='3' slot='0x10' function='2'/></source>"
		"</actual></interface>"
		"<interface type='network'><source network='vfs'/></interface>"
		"<interface type='network'><actual type='bridge'><source bridge='hostdev0'/>"
		"</actual></interface>",
		1);

	address_is(&d, 0, "0000:03:10.2");
	ck_assert(d.devices[0].managed);
	ck_assert_str_eq(d.devices[0].driver, "mlx5_vfio_pci");
	libvirt_domain_fini(&d);
}
END_TEST

/* A process, of usher's own element alone. */
START_TEST(finds_the_keeper_of_a_guest)
{
	static const struct {
		const char *metadata;
		pid_t keeper;
	} rows[] = {
		{"<metadata><u:guest xmlns:u='urn:usher' keeper='812'/></metadata>", 812},
		{"<metadata><o:x xmlns:o='urn:o'/><guest xmlns='urn:usher' keeper='1'/></metadata>",
			1},
		{"<metadata><u:guest xmlns:u='urn:other' keeper='812'/></metadata>", 0},
		{"<metadata><guest keeper='812'/></metadata>", 0},
		{"<metadata><u:guest xmlns:u='urn:usher' keeper='-1'/></metadata>", 0},
		{"<metadata><u:guest xmlns:u='urn:usher' keeper='4294967297'/></metadata>", 0},
		{"<metadata><u:guest xmlns:u='urn:usher'/></metadata>", 0},
		{"<u:guest xmlns:u='urn:usher' keeper='812'/>", 0},
	};
	char text[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;
		struct err e = {0};
		(void)snprintf(text, sizeof(text), "<domain>%s</domain>", rows[i].metadata);
		ck_assert_msg(parse(text, &d, &e) == 0, "%s", e.msg);
		ck_assert_int_eq(d.keeper, rows[i].keeper);
		libvirt_domain_fini(&d);
	}
}
END_TEST

SUITE("domain", finds_what_libvirt_has_chosen, reads_the_state_of_a_running_domain,
	finds_the_keeper_of_a_guest, finds_each_kind_of_device, reads_what_usher_writes,
	leaves_other_devices_alone, looks_only_where_libvirt_looks, counts_a_device_once,
	reads_values_that_are_written_in_another_way, refuses_what_libvirt_does_not_write,
	bounds_what_it_reads, knows_domains_without_devices)
