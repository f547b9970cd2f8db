/* SPDX-License-Identifier: MIT */
#include "revive/apply.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/kernel_ops.h"
#include "host/host.h"
#include "revive/entry.h"
#include "suite.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A port with a slot, and a card that one kind of step heals. It is in memory that a forked child
 * shares, so that a test can kill a revival anywhere.
 */
#define CARD "0000:01:00.0"
#define CARD_PATH "/sys/bus/pci/devices/" CARD
#define PORT_PATH "/sys/bus/pci/devices/0000:00:01.0"
#define EXPRESS 0x40 /* the port's capability */
#define LINK_CONTROL (EXPRESS + 0x10)

struct bench {
	enum revive_kind cure; /* the step that heals; REVIVE_KINDS: none */
	bool heals; /* the card answers */
	bool there; /* in sysfs */
	char driver[32], override[32], control[8], cold[4], method[16];
	char port_control[8], port_cold[4];
	bool slot_on;
	uint16_t link_control;
	int writes;
	int fail_at; /* this write fails with -EIO */
};

static struct bench *bench;
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

/* A dead card on vfio-pci by its override; its link is disabled. */
static struct bind_env bench_set(enum revive_kind cure)
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
	return (struct bind_env){&bench_host, &bench_kernel, state, 100};
}

static const struct revive_request request = {.function.address = {0, 1, 0, 0}};

static int card_revive(const struct bind_env *env, struct revive_report *t, struct err *e)
{
	struct revive_plan p;

	int r = revive_device(env, &request, NULL, &p, t, e);
	revive_plan_fini(&p);
	return r;
}

static bool entry_is_there(const struct bind_env *env)
{
	struct revive_entry n;

	return revive_entry_read(env, request.function.address, &n, NULL) != -ENOENT;
}

/* All that a revival changes is as it was; a card that was found again starts awake. */
static void as_before(const struct bind_env *env)
{
	ck_assert(!entry_is_there(env));
	ck_assert_str_eq(bench->port_control, "auto");
	ck_assert_str_eq(bench->port_cold, "1");
	ck_assert(bench->slot_on);
	if (!bench->there)
		return;
	ck_assert_str_eq(bench->override, "vfio-pci");
	ck_assert_str_eq(bench->driver, "vfio-pci");
	ck_assert_str_eq(bench->control, "auto");
	ck_assert_str_eq(bench->cold, "1");
	ck_assert_str_eq(bench->method, "flr bus");
}

START_TEST(each_step_may_be_the_cure)
{
	static const enum revive_kind cures[] = {
		REVIVE_RESET, REVIVE_REMOVE, REVIVE_SLOT, REVIVE_RETRAIN};

	for (size_t i = 0; i < sizeof(cures) / sizeof(*cures); i++) {
		struct bind_env env = bench_set(cures[i]);
		struct revive_report t;
		struct err e = {0};
		ck_assert_msg(card_revive(&env, &t, &e) == 0, "%u: %s", cures[i], e.msg);
		ck_assert_int_eq(t.state, REVIVE_ANSWERS);
		ck_assert(!t.by_wake && !t.late.code);
		/* The kernel put the registers of the dead card back after the reset. */
		enum revive_kind last = cures[i] == REVIVE_RESET ? REVIVE_REMOVE : cures[i];
		ck_assert_int_eq(t.outcomes[t.count - 1].kind, last);
		ck_assert(bench->there);
		as_before(&env);
	}
}
END_TEST

START_TEST(the_settings_that_woke_it_stay)
{
	struct bind_env env = bench_set(REVIVE_WAKE);
	struct revive_report t;
	struct err e = {0};

	ck_assert_msg(card_revive(&env, &t, &e) == 0, "%s", e.msg);
	ck_assert(t.by_wake);
	ck_assert_uint_eq(t.count, 1);
	ck_assert_str_eq(bench->control, "on");
	ck_assert_str_eq(bench->cold, "0");
	ck_assert_str_eq(bench->driver, "vfio-pci");
	ck_assert(!entry_is_there(&env));
}
END_TEST

START_TEST(a_card_that_nothing_heals_leaves_all_as_it_was)
{
	struct bind_env env = bench_set(REVIVE_KINDS);
	struct revive_report t;
	struct err e = {0};

	ck_assert_int_eq(card_revive(&env, &t, &e), 1);
	ck_assert_int_eq(t.state, REVIVE_GONE);
	ck_assert_uint_eq(t.count, 5);
	ck_assert(!t.late.code);
	ck_assert_uint_eq(bench->link_control, 0x10);
	as_before(&env);

	/* And one whose slot was off. */
	env = bench_set(REVIVE_KINDS);
	bench->slot_on = false;
	bench->there = false;
	ck_assert_int_eq(card_revive(&env, &t, &e), 1);
	ck_assert(!bench->slot_on && !entry_is_there(&env));
	bench->cure = REVIVE_SLOT;
	ck_assert_int_eq(card_revive(&env, &t, &e), 0);
	ck_assert(bench->slot_on && bench->there);
}
END_TEST

START_TEST(a_write_that_fails_ends_only_its_step)
{
	for (int k = 1; k < 12; k++) {
		struct bind_env env = bench_set(REVIVE_RETRAIN);
		struct revive_report t;
		struct err e = {0};
		bench->fail_at = k;
		int r = card_revive(&env, &t, &e);
		ck_assert_msg(r == 0 || r == 1, "write %d: %d: %s", k, r, e.msg);
		ck_assert(!entry_is_there(&env));
	}
}
END_TEST

/* Dies right after change @n. Return: whether it did. */
static bool revive_dies_at(const struct bind_env *env, unsigned n)
{
	char text[12];
	int status;

	(void)snprintf(text, sizeof(text), "%u", n);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct revive_report t;
		ck_assert_int_eq(setenv("USHER_BIND_DIE", text, 1), 0);
		(void)card_revive(env, &t, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status);
}

/* A revival dies after each change, and is completed. Return: how many changes it has. */
static unsigned deaths_of(enum revive_kind cure, bool again)
{
	for (unsigned n = 1;; n++) {
		struct bind_env env = bench_set(cure);
		struct revive_report t;
		struct err e = {0};
		/* The last change removes the entry. */
		if (!revive_dies_at(&env, n) || !entry_is_there(&env))
			return n - 1;
		bench->heals = true; /* the power came back */
		int r = again ? card_revive(&env, &t, &e)
			      : revive_restore(&env, request.function.address, &e);
		ck_assert_msg(r == 0, "death %u: %s", n, e.msg);
		ck_assert_msg(bench->there, "death %u", n);
		as_before(&env);
	}
}

START_TEST(restore_completes_what_a_death_broke_off)
{
	ck_assert_uint_ge(deaths_of(REVIVE_KINDS, false), 14);
	ck_assert_uint_ge(deaths_of(REVIVE_SLOT, false), 10);
	ck_assert_uint_ge(deaths_of(REVIVE_RESET, false), 10);
}
END_TEST

/* Of a driver of the host, without an override: it is bound again. */
START_TEST(restore_binds_the_driver_again)
{
	for (unsigned n = 1;; n++) {
		struct bind_env env = bench_set(REVIVE_KINDS);
		struct err e = {0};
		(void)strcpy(bench->driver, "native");
		(void)strcpy(bench->override, "");
		if (!revive_dies_at(&env, n) || !entry_is_there(&env))
			break;
		bench->heals = true;
		ck_assert_int_eq(revive_restore(&env, request.function.address, &e), 0);
		ck_assert_msg(strcmp(bench->driver, "native") == 0, "death %u", n);
		ck_assert_str_eq(bench->override, "");
	}
}
END_TEST

START_TEST(the_next_revival_completes_it_as_well)
{
	ck_assert_uint_ge(deaths_of(REVIVE_KINDS, true), 14);
}
END_TEST

START_TEST(an_entry_that_usher_did_not_write_is_removed)
{
	struct bind_env env = bench_set(REVIVE_KINDS);
	char path[FILE_PATH_MAX];
	struct err e = {0};

	ck_assert(revive_dies_at(&env, 1));
	ck_assert_int_eq(revive_entry_path(&env, request.function.address, path, sizeof(path)), 0);
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	struct revive_entry n;
	for (off_t len = st.st_size - 1; len >= 0; len--) {
		ck_assert_int_eq(truncate(path, len), 0);
		ck_assert_int_eq(
			revive_entry_read(&env, request.function.address, &n, NULL), -EBADMSG);
	}
	ck_assert_int_eq(revive_restore(&env, request.function.address, &e), 0);
	ck_assert(!entry_is_there(&env));
}
END_TEST

SUITE("revive apply", each_step_may_be_the_cure, the_settings_that_woke_it_stay,
	a_card_that_nothing_heals_leaves_all_as_it_was, a_write_that_fails_ends_only_its_step,
	restore_completes_what_a_death_broke_off, restore_binds_the_driver_again,
	the_next_revival_completes_it_as_well, an_entry_that_usher_did_not_write_is_removed)
