/* SPDX-License-Identifier: MIT */
#include "revive/bench.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/kernel_ops.h"
#include "host/host.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CARD "0000:01:00.0"
#define CARD_PATH "/sys/bus/pci/devices/" CARD
#define PORT_PATH "/sys/bus/pci/devices/0000:00:01.0"
#define EXPRESS 0x40 /* the port's capability */
#define LINK_CONTROL (EXPRESS + 0x10)

struct bench *bench;
static char state[] = "/dev/shm/usher-revive-XXXXXX";

static bool starts_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* usher reads attributes below the bus, or where the link of the device leads. */
static const char *path_below_bus(const char *path, char buf[FILE_PATH_MAX])
{
	static const char port[] = "/sys/devices/pci0000:00/0000:00:01.0";
	static const char card[] = "/sys/devices/pci0000:00/0000:00:01.0/" CARD;
	bool is_card = starts_with(path, card);

	if (!starts_with(path, port))
		return path;
	(void)snprintf(buf, FILE_PATH_MAX, "%s%s", is_card ? CARD_PATH : PORT_PATH,
		path + (is_card ? sizeof(card) : sizeof(port)) - 1);
	return buf;
}

static ssize_t config_read(bool is_card, void *buf, size_t size)
{
	uint8_t bytes[256] = {0x86, 0x80, 0x01, 0x19, [6] = 0x10, [0x34] = EXPRESS};
	const uint8_t express[] = {0x10, 0, 0x42, 0x01};

	memcpy(bytes + EXPRESS, express, sizeof(express));
	memcpy(bytes + LINK_CONTROL, &bench->link_control, 2);
	if (is_card && !bench->heals)
		memset(bytes, 0xff, sizeof(bytes));
	size_t n = size < sizeof(bytes) ? size : sizeof(bytes);
	memcpy(buf, bytes, n);
	return (ssize_t)n;
}

static const char *card_attribute(const char *name)
{
	const struct {
		const char *name, *text;
	} list[] = {
		{"vendor", "0x8086"},
		{"device", "0x1901"},
		{"class", "0x030000"},
		{"revision", "0x00"},
		{"driver_override", bench->override[0] ? bench->override : "(null)"},
		{"power/control", bench->control},
		{"d3cold_allowed", bench->cold},
		{"reset_method", bench->method},
		{"power_state", "D0"},
		{"power/runtime_status", "active"},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].text;
	return NULL;
}

static const char *port_attribute(const char *name)
{
	if (strcmp(name, "power/control") == 0)
		return bench->port_control;
	if (strcmp(name, "d3cold_allowed") == 0)
		return bench->port_cold;
	if (strcmp(name, "class") == 0)
		return "0x060400";
	if (strcmp(name, "secondary_bus_number") == 0 ||
		strcmp(name, "subordinate_bus_number") == 0)
		return "1";
	return strcmp(name, "reset_method") == 0 ? NULL : card_attribute(name);
}

static const char *attribute_of(const char *path)
{
	if (starts_with(path, CARD_PATH "/"))
		return bench->there ? card_attribute(path + strlen(CARD_PATH "/")) : NULL;
	if (starts_with(path, PORT_PATH "/"))
		return port_attribute(path + strlen(PORT_PATH "/"));
	if (strcmp(path, "/sys/bus/pci/slots/1/address") == 0)
		return "0000:01:00";
	if (strcmp(path, "/sys/bus/pci/slots/1/power") == 0)
		return bench->slot_on ? "1" : "0";
	if (starts_with(path, "/proc/sys/kernel/random/boot_id"))
		return "11111111-2222-3333-4444-555555555555";
	return NULL;
}

static ssize_t bench_read(struct host *h, const char *path, void *buf, size_t size)
{
	char text[64], below[FILE_PATH_MAX];

	path = path_below_bus(path, below);
	if (strcmp(path, CARD_PATH "/config") == 0)
		return bench->there ? config_read(true, buf, size) : -ENOENT;
	if (strcmp(path, PORT_PATH "/config") == 0)
		return config_read(false, buf, size);
	if (starts_with(path, state))
		return host_live()->ops->read(host_live(), path, buf, size);
	const char *value = attribute_of(path);
	if (!value)
		return -ENOENT;
	int n = snprintf(text, sizeof(text), "%s\n", value);
	size_t len = (size_t)n < size ? (size_t)n : size;
	memcpy(buf, text, len);
	return (ssize_t)len;
}

static ssize_t bench_link(struct host *h, const char *path, char *buf, size_t size)
{
	char below[FILE_PATH_MAX];

	path = path_below_bus(path, below);
	if (strcmp(path, PORT_PATH) == 0)
		return snprintf(buf, size, "../../../devices/pci0000:00/0000:00:01.0");
	if (starts_with(path, CARD_PATH) && !bench->there)
		return -ENOENT;
	if (strcmp(path, CARD_PATH) == 0)
		return snprintf(buf, size, "../../../devices/pci0000:00/0000:00:01.0/" CARD);
	if (strcmp(path, CARD_PATH "/driver") == 0 && bench->driver[0])
		return snprintf(buf, size, "../../bus/pci/drivers/%s", bench->driver);
	if (strcmp(path, "/sys/class/pci_bus/0000:01") == 0)
		return snprintf(buf, size, "../../devices/x");
	if (strcmp(path, PORT_PATH "/pci_bus") == 0 || attribute_of(path) ||
		strcmp(file_base(path), "remove") == 0 || strcmp(file_base(path), "reset") == 0 ||
		strcmp(file_base(path), "rescan") == 0 || strcmp(file_base(path), "unbind") == 0)
		return -EINVAL;
	return -ENOENT;
}

static int bench_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	if (starts_with(path, state))
		return host_live()->ops->list(host_live(), path, each, arg);
	if (strcmp(path, "/sys/bus/pci/slots") == 0)
		return each(arg, "1");
	if (strcmp(path, "/sys/bus/pci/devices") != 0)
		return -ENOENT;
	int r = each(arg, "0000:00:01.0");
	return r || !bench->there ? r : each(arg, CARD);
}

static int64_t bench_changed(struct host *h, const char *path)
{
	return 0;
}

static int bench_busy(struct host *h, const char *disk)
{
	return -ENOENT;
}

static int bench_number(struct host *h, const char *path, struct host_number *ret)
{
	return -ENOENT;
}

static int bench_holders(struct host *h, enum host_look look,
	int (*each)(void *arg, const struct host_holder *o), void *arg)
{
	return 0;
}

static int bench_addresses(
	struct host *h, int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	return 0;
}

static const struct host_ops bench_host_ops = {
	.read = bench_read,
	.link = bench_link,
	.list = bench_list,
	.changed = bench_changed,
	.block_busy = bench_busy,
	.number = bench_number,
	.loop = bench_number,
	.holders = bench_holders,
	.addresses = bench_addresses,
};
static struct host bench_host = {&bench_host_ops};

static void cure_by(enum revive_kind kind)
{
	bench->heals = bench->heals || bench->cure == kind;
}

/* A new folder in sysfs: without an override, on the driver whose table has it. */
static void card_appear(void)
{
	if (bench->there || !bench->heals || !bench->slot_on)
		return;
	bench->there = true;
	(void)strcpy(bench->driver, "native");
	(void)strcpy(bench->override, "");
	(void)strcpy(bench->control, "on");
	(void)strcpy(bench->cold, "1");
	(void)strcpy(bench->method, "flr bus");
}

static int slot_write(bool on)
{
	if (on == bench->slot_on)
		return -EINVAL;
	bench->slot_on = on;
	bench->there = false;
	if (on)
		cure_by(REVIVE_SLOT);
	card_appear();
	return 0;
}

static void probe_write(void)
{
	if (bench->there && !bench->driver[0])
		(void)strcpy(bench->driver, bench->override[0] ? bench->override : "native");
}

static void card_write(const char *name, const char *text)
{
	if (strcmp(name, "remove") == 0) {
		bench->there = false;
		cure_by(REVIVE_REMOVE);
	} else if (strcmp(name, "reset") == 0) {
		cure_by(REVIVE_RESET);
	} else if (strcmp(name, "driver_override") == 0) {
		(void)snprintf(bench->override, sizeof(bench->override), "%s", text);
	} else if (strcmp(name, "power/control") == 0) {
		(void)snprintf(bench->control, sizeof(bench->control), "%s", text);
		if (strcmp(text, "on") == 0)
			cure_by(REVIVE_WAKE);
	} else if (strcmp(name, "d3cold_allowed") == 0) {
		(void)snprintf(bench->cold, sizeof(bench->cold), "%s", text);
	} else if (strcmp(name, "reset_method") == 0) {
		(void)snprintf(bench->method, sizeof(bench->method), "%s", text);
	} else {
		ck_abort_msg("%s <- %s", name, text);
	}
}

static int bench_store(const char *path, const char *text)
{
	if (strcmp(path, "/sys/bus/pci/slots/1/power") == 0)
		return slot_write(*text == '1');
	if (strcmp(path, "/sys/class/pci_bus/0000:01/rescan") == 0) {
		cure_by(bench->there ? REVIVE_KINDS : REVIVE_SCAN);
		card_appear();
	} else if (strcmp(path, "/sys/bus/pci/drivers_probe") == 0) {
		probe_write();
	} else if (strcmp(file_base(path), "unbind") == 0) {
		bench->driver[0] = '\0';
	} else if (strcmp(path, PORT_PATH "/power/control") == 0) {
		(void)snprintf(bench->port_control, sizeof(bench->port_control), "%s", text);
	} else if (strcmp(path, PORT_PATH "/d3cold_allowed") == 0) {
		(void)snprintf(bench->port_cold, sizeof(bench->port_cold), "%s", text);
	} else {
		ck_assert_msg(bench->there && starts_with(path, CARD_PATH "/"), "%s", path);
		card_write(path + strlen(CARD_PATH "/"), text);
	}
	return 0;
}

struct bind_writer {
	int result;
	int takes_ms;
};

static int bench_writer_start(struct bind_writer **ret)
{
	*ret = calloc(1, sizeof(**ret));
	ck_assert_ptr_nonnull(*ret);
	return 0;
}

static pid_t bench_writer_pid(const struct bind_writer *w)
{
	return 0;
}

static int bench_ask(struct bind_writer *w, const char *path, const char *text, struct err *e)
{
	w->result = ++bench->writes == bench->fail_at ? -EIO : bench_store(path, text);
	w->takes_ms = strcmp(file_base(path), "reset") == 0 ? bench->reset_ms : 0;
	return 0;
}

static int bench_ask_register(
	struct bind_writer *w, const char *path, uint16_t offset, uint16_t value, struct err *e)
{
	ck_assert_str_eq(path, PORT_PATH "/config");
	ck_assert_uint_eq(offset, LINK_CONTROL);
	bench->writes++;
	bench->link_control = value & (uint16_t)~0x20; /* Retrain Link reads as 0 */
	if (value & 0x20)
		cure_by(REVIVE_RETRAIN);
	w->result = 0;
	return 0;
}

static int bench_answer(struct bind_writer *w, int timeout_ms, struct err *e)
{
	if (w->takes_ms > timeout_ms)
		return err_set(e, -ETIMEDOUT, "write");
	return w->result < 0 ? err_set(e, w->result, "write") : 0;
}

static void bench_writer_stop(struct bind_writer *w)
{
	free(w);
}

static const struct bind_kernel_ops bench_kernel = {
	.writer_start = bench_writer_start,
	.writer_pid = bench_writer_pid,
	.ask = bench_ask,
	.ask_register = bench_ask_register,
	.answer = bench_answer,
	.writer_stop = bench_writer_stop,
};

static int file_strike(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static void state_strike(void)
{
	(void)nftw(state, file_strike, 8, FTW_DEPTH | FTW_PHYS);
}

struct bind_env bench_set(enum revive_kind cure)
{
	if (!bench) {
		bench = mmap(NULL, sizeof(*bench), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(bench, MAP_FAILED);
		ck_assert_ptr_nonnull(mkdtemp(state));
		ck_assert_int_eq(atexit(state_strike), 0);
	}
	*bench = (struct bench){
		.cure = cure,
		.there = true,
		.driver = "vfio-pci",
		.override = "vfio-pci",
		.control = "auto",
		.cold = "1",
		.method = "flr bus",
		.port_control = "auto",
		.port_cold = "1",
		.slot_on = true,
		.link_control = 0x10,
	};
	/* One look at the device after each step. */
	return (struct bind_env){&bench_host, &bench_kernel, state, 20};
}
