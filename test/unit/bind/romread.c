/* SPDX-License-Identifier: MIT */
/* The ROM of a device as the kernel shows it: what usher switches on for it, and off again. */
#include "bind/romread.h"

#include "base/endian.h"
#include "base/num.h"
#include "bind/kernel_ops.h"
#include "pci/rom_image.h"
#include "replay.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <unistd.h>

#define AT "/sys/bus/pci/devices/0000:01:00.0/"
#define DEVICE                                                                            \
	"file " AT "vendor 0x10de\nfile " AT "device 0x2484\nfile " AT "class 0x030000\n" \
	"file " AT "rom \n"
#define BAR(flags)                                                                                \
	"file " AT "resource 0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0" \
	"\\n0x0 0x0 0x0\\n0xf0000000 0xf0000fff " flags "\n"
#define PLAIN DEVICE BAR("0x46200")
#define SHADOWED DEVICE BAR("0x212")
#define ON(driver) "link " AT "driver ../../../../bus/pci/drivers/" driver "\n"
#define TABLE "file /sys/firmware/acpi/tables/VFCT \n"
#define VFIO ON("vfio-pci") "dir " AT "vfio-dev/vfio0\n"

/* drivers/pci/pci-sysfs.c, as far as a ROM is concerned. */
static struct {
	struct host host;
	struct host *inner;
	char control[8];
	bool awake, wakes; /* it wakes when it may not sleep */
	unsigned enable;
	bool decodes;
	bool open; /* `rom` can be read */
	bool gone;
	bool has_rom;
	int read_error; /* of `rom` */
	const char *power, *runtime; /* what these attributes show; NULL: as it is */
	unsigned writes, fail_at;
	int result;
} kernel;

static ssize_t text_copy(const char *text, void *buf, size_t size)
{
	size_t len = min_u64(strlen(text), size);

	memcpy(buf, text, len);
	return (ssize_t)len;
}

static ssize_t rom_copy(void *buf, size_t size)
{
	uint8_t data[4096];

	if (!kernel.open)
		return -EINVAL;
	if (kernel.read_error)
		return kernel.read_error;
	/* All-ones have no signature. */
	if (!kernel.has_rom || !kernel.awake || !kernel.decodes || kernel.gone)
		return -EIO;
	size_t len = rom_image_card(data, 0x10de2484);
	memcpy(buf, data, min_u64(len, size));
	return (ssize_t)min_u64(len, size);
}

static ssize_t config_copy(void *buf, size_t size)
{
	uint8_t data[256] = {0};

	le16_put(data + PCI_VENDOR_ID, kernel.gone ? 0xffff : 0x10de);
	le16_put(data + PCI_DEVICE_ID, kernel.gone ? 0xffff : 0x2484);
	le16_put(data + PCI_COMMAND, kernel.decodes ? PCI_COMMAND_MEMORY : 0);
	memcpy(buf, data, min_u64(sizeof(data), size));
	return (ssize_t)min_u64(sizeof(data), size);
}

static ssize_t kernel_read(struct host *h, const char *path, void *buf, size_t size)
{
	if (strcmp(path, AT "rom") == 0)
		return rom_copy(buf, size);
	if (strcmp(path, AT "config") == 0)
		return config_copy(buf, size);
	if (strcmp(path, AT "power/control") == 0)
		return text_copy(kernel.control, buf, size);
	if (strcmp(path, AT "power_state") == 0 && kernel.power)
		return text_copy(kernel.power, buf, size);
	if (strcmp(path, AT "power/runtime_status") == 0 && kernel.runtime)
		return text_copy(kernel.runtime, buf, size);
	if (strcmp(path, AT "power_state") == 0)
		return text_copy(kernel.awake ? "D0" : "D3hot", buf, size);
	if (strcmp(path, AT "power/runtime_status") == 0)
		return text_copy(kernel.awake ? "active" : "suspended", buf, size);
	if (strcmp(path, AT "enable") == 0)
		return text_copy(kernel.enable ? "1" : "0", buf, size);
	return kernel.inner->ops->read(kernel.inner, path, buf, size);
}

static ssize_t kernel_link(struct host *h, const char *path, char *buf, size_t size)
{
	return kernel.inner->ops->link(kernel.inner, path, buf, size);
}

static int kernel_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	return kernel.inner->ops->list(kernel.inner, path, each, arg);
}

static int kernel_holders(struct host *h, enum host_look look,
	int (*each)(void *arg, const struct host_holder *o), void *arg)
{
	return kernel.inner->ops->holders(kernel.inner, look, each, arg);
}

static int attribute_store(const char *path, const char *text)
{
	if (++kernel.writes == kernel.fail_at)
		return -EIO;
	if (strcmp(path, AT "rom") == 0) {
		/* pci_write_rom(): two bytes, and the first one is 0. */
		kernel.open = !(text[0] == '0' && strlen(text) == 2);
	} else if (strcmp(path, AT "power/control") == 0) {
		ck_assert(strcmp(text, "on") == 0 || strcmp(text, "auto") == 0);
		(void)snprintf(kernel.control, sizeof(kernel.control), "%s", text);
		kernel.awake = kernel.awake || (strcmp(text, "on") == 0 && kernel.wakes);
	} else if (strcmp(path, AT "enable") == 0) {
		ck_assert(strcmp(text, "1") == 0 || strcmp(text, "0") == 0);
		kernel.enable = strcmp(text, "1") == 0;
		kernel.decodes = kernel.awake = true;
	} else {
		ck_abort_msg("%s is written", path);
	}
	return 0;
}

static int writer_start(struct bind_writer **ret)
{
	*ret = malloc(1);
	return 0;
}

static pid_t writer_pid(const struct bind_writer *w)
{
	return 0;
}

static int writer_ask(struct bind_writer *w, const char *path, const char *text, struct err *e)
{
	kernel.result = attribute_store(path, text);
	return 0;
}

static int writer_answer(struct bind_writer *w, int timeout_ms, struct err *e)
{
	return kernel.result < 0 ? err_set(e, kernel.result, "write") : 0;
}

static void writer_stop(struct bind_writer *w)
{
	free(w);
}

static const struct bind_kernel_ops ops = {.writer_start = writer_start,
	.writer_pid = writer_pid,
	.ask = writer_ask,
	.answer = writer_answer,
	.writer_stop = writer_stop};

static struct bind_rom rom;
static struct err why;
static const char *state = "/nowhere"; /* without a group there is no lock */

/* A host of these lines, with a device that is awake and has a driver or is enabled. */
static void kernel_set(const char *lines)
{
	static const struct host_ops host = {.read = kernel_read,
		.link = kernel_link,
		.list = kernel_list,
		.holders = kernel_holders};

	host_close(kernel.inner);
	memset(&kernel, 0, sizeof(kernel));
	kernel.host.ops = &host;
	kernel.inner = replay_lines(lines);
	(void)snprintf(kernel.control, sizeof(kernel.control), "on");
	kernel.awake = kernel.wakes = kernel.decodes = kernel.has_rom = true;
	kernel.enable = 1;
}

static int rom_read(const char *allow)
{
	static const struct bind_target target = {.address = {0, 1, 0, 0}};
	const struct bind_env env = {
		.host = &kernel.host, .kernel = &ops, .state = state, .timeout_ms = 1000};
	const struct bind_request q = {.targets = &target,
		.target_count = 1,
		.allow = &allow,
		.allow_count = allow ? 1 : 0};

	bind_rom_fini(&rom);
	why = (struct err){0};
	return bind_rom_read(&env, &q, &rom, &why);
}

static void expect_read(const char *allow)
{
	ck_assert_msg(rom_read(allow) == 0, "%s", why.msg);
	ck_assert_uint_eq(rom.size, 3584);
	ck_assert_uint_eq(le16_get(rom.data), 0xaa55);
	ck_assert(!kernel.open);
}

START_TEST(reads_and_switches_off)
{
	kernel_set(PLAIN VFIO);
	expect_read(NULL);
	ck_assert(!rom.was_asleep);
	ck_assert_uint_eq(kernel.writes, 2);
}
END_TEST

START_TEST(wakes_a_sleeping_device)
{
	kernel_set(PLAIN VFIO);
	kernel.awake = false;
	(void)snprintf(kernel.control, sizeof(kernel.control), "auto");
	expect_read(NULL);
	ck_assert(rom.was_asleep);
	ck_assert_str_eq(kernel.control, "auto");
	kernel.awake = kernel.wakes = false;
	ck_assert_int_eq(rom_read(NULL), -ENODEV);
	ck_assert_str_eq(why.msg, "0000:01:00.0: sleeps (D3hot) and does not wake");
	ck_assert_str_eq(why.hint, "usher check 0000:01:00.0");
	ck_assert_str_eq(kernel.control, "auto");
}
END_TEST

/* Either attribute tells it: of a driverless device only the first does. */
START_TEST(tells_whether_a_device_slept)
{
	kernel_set(PLAIN);
	kernel.power = "D3cold";
	kernel.runtime = "unsupported";
	expect_read(NULL);
	ck_assert(rom.was_asleep);
	kernel.power = "unknown";
	kernel.runtime = "suspended";
	expect_read(NULL);
	ck_assert(rom.was_asleep);
	kernel.runtime = "active";
	expect_read(NULL);
	ck_assert(!rom.was_asleep);
}
END_TEST

START_TEST(enables_a_device_without_a_driver)
{
	kernel_set(PLAIN);
	kernel.enable = 0;
	kernel.awake = kernel.decodes = false;
	expect_read(NULL);
	ck_assert_uint_eq(kernel.enable, 0);
	/* The kernel accepts that write without a driver only. */
	kernel_set(PLAIN VFIO);
	kernel.enable = 0;
	kernel.decodes = false;
	ck_assert_int_eq(rom_read(NULL), -ENODEV);
	ck_assert_str_eq(
		why.msg, "0000:01:00.0: does not decode memory, so its ROM cannot be read");
	ck_assert_str_eq(why.hint, "unbind it from vfio-pci, and read it without a driver");
	kernel_set(PLAIN);
	kernel.decodes = false; /* although it is enabled */
	ck_assert_int_eq(rom_read(NULL), -ENODEV);
	ck_assert_str_eq(why.hint, "");
}
END_TEST

START_TEST(refuses_a_device_in_use)
{
	kernel_set(PLAIN ON("nouveau"));
	ck_assert_int_eq(rom_read(NULL), -EPERM);
	ck_assert_uint_eq(rom.says.refusals, 1);
	ck_assert_str_eq(rom.says.problems[0].check, "driver");
	ck_assert_str_eq(rom.says.problems[0].text,
		"nouveau uses it, and its accesses may fail while the ROM is read");
	ck_assert_str_eq(rom.says.problems[0].fix,
		"usher bind 0000:01:00.0; then read it; then: usher release 0000:01:00.0; or: "
		"--allow=driver");
	ck_assert_uint_eq(kernel.writes, 0);
	expect_read("driver");
	kernel_set(PLAIN VFIO "mapped 9 0 0000:01:00.0/resource0 spdk\n");
	ck_assert_int_eq(rom_read(NULL), -EPERM);
	ck_assert_msg(strstr(rom.says.problems[0].text, "resource0: mapped by spdk"), "%s",
		rom.says.problems[0].text);
	kernel_set(PLAIN VFIO "link " AT "iommu_group ../../../../kernel/iommu_groups/7\n"
			      "file /sys/class/vfio/7/dev 240:7\n"
			      "holder 100 0 240:7 qemu\n");
	char folder[] = "/dev/shm/usher-rom-XXXXXX", path[64];
	state = mkdtemp(folder);
	ck_assert_ptr_nonnull(state);
	ck_assert_int_eq(rom_read("driver"), -EPERM);
	ck_assert_uint_eq(rom.says.refusals, 1);
	ck_assert_str_eq(rom.says.problems[0].check, "vfio");
	ck_assert_str_eq(
		rom.says.problems[0].text, "vfio/7: its group is open in qemu (pid 100, uid 0)");
	ck_assert_str_eq(rom.says.problems[0].fix, "end that program first");
	ck_assert_uint_eq(kernel.writes, 0);
	(void)snprintf(path, sizeof(path), "%s/lock/7", folder);
	ck_assert_int_eq(unlink(path), 0);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* The copy is in memory: no decoder is switched, and no driver is in the way. */
START_TEST(reads_a_shadow_beside_a_driver)
{
	kernel_set(SHADOWED ON("nouveau"));
	kernel.decodes = true;
	(void)snprintf(kernel.control, sizeof(kernel.control), "auto");
	expect_read(NULL);
	ck_assert_uint_eq(kernel.writes, 2);
}
END_TEST

START_TEST(says_what_is_wrong)
{
	kernel_set(PLAIN TABLE);
	kernel.has_rom = false;
	ck_assert_int_eq(rom_read(NULL), -EIO);
	ck_assert_str_eq(why.hint, "see why: dmesg | grep -i 'PCI ROM'; or try --from acpi");
	kernel_set(PLAIN);
	kernel.has_rom = false;
	ck_assert_int_eq(rom_read(NULL), -EIO);
	ck_assert_str_eq(why.msg, "0000:01:00.0: the kernel finds no ROM at its ROM BAR");
	ck_assert_str_eq(why.hint, "see why: dmesg | grep -i 'PCI ROM'");
	ck_assert(!kernel.open);
	kernel.gone = true;
	ck_assert_int_lt(rom_read(NULL), 0);
	ck_assert(!kernel.open && *why.msg);
	kernel_set("file " AT "vendor 0x10de\nfile " AT "device 0x2484\nfile " AT
		   "class 0x030000\n" TABLE);
	ck_assert_int_eq(rom_read(NULL), -ENOENT);
	ck_assert_str_eq(why.msg, "0000:01:00.0: has no ROM: sysfs shows none");
	ck_assert_str_eq(why.hint, "usher rom 0000:01:00.0 --from acpi");
	kernel_set(
		"file " AT "vendor 0x10de\nfile " AT "device 0x2484\nfile " AT "class 0x030000\n");
	ck_assert_int_eq(rom_read(NULL), -ENOENT);
	ck_assert_str_eq(why.hint, "usher rom 0000:01:00.0 --from FILE");
}
END_TEST

START_TEST(says_what_the_kernel_answers)
{
	kernel_set(PLAIN);
	kernel.read_error = -EACCES;
	ck_assert_int_eq(rom_read(NULL), -EACCES);
	ck_assert_str_eq(why.msg, "0000:01:00.0: read its ROM: Permission denied");
	ck_assert_str_eq(why.hint, "run as root");
	kernel.read_error = -ENXIO;
	ck_assert_int_eq(rom_read(NULL), -ENXIO);
	ck_assert_str_eq(why.msg, "0000:01:00.0: read its ROM: No such device or address");
	ck_assert_str_eq(why.hint, "");
	ck_assert(!kernel.open);
}
END_TEST

/* Wherever a write fails, what was switched on before is off again. */
START_TEST(undoes_what_fails)
{
	for (unsigned at = 1; at <= 3; at++) {
		kernel_set(PLAIN);
		kernel.enable = 0;
		kernel.awake = kernel.decodes = false;
		(void)snprintf(kernel.control, sizeof(kernel.control), "auto");
		kernel.fail_at = at;
		ck_assert_int_eq(rom_read(NULL), -EIO);
		ck_assert(!kernel.open && !kernel.enable);
		ck_assert_str_eq(kernel.control, "auto");
	}
}
END_TEST

SUITE("romread", reads_and_switches_off, wakes_a_sleeping_device, enables_a_device_without_a_driver,
	refuses_a_device_in_use, reads_a_shadow_beside_a_driver, says_what_is_wrong,
	says_what_the_kernel_answers, tells_whether_a_device_slept, undoes_what_fails)
