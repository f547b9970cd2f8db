/* SPDX-License-Identifier: MIT */
/*
 * All virtio devices in one process with a driver that does what none may (test/guest/wild.h), and
 * a thread that writes to their rings meanwhile. USHER_OPS and USHER_SEED: another run; then, and
 * when it fails, it prints what happened how often.
 */
#include "virtio_rig.h"
#include "wild.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA MIB(8)
#define RAM MIB(16)
#define SIZE MIB(1) /* of a disk */
#define OPS 40000
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_MAX_KIB KIB(512) /* the sanitizer keeps what is freed */
#else
#define GROWTH_MAX_KIB KIB(2) /* three disks have 127 slots of 4 KiB, touched when first used */
#endif
#define FILES_MAX 16 /* of interrupt vectors that were not used before */
#define LINES_MAX 112 /* of the log: 8 of each device and kind of misdeed */
#define TIMEOUT (3 * 3600) /* [s] */

static struct wild wild;
static bool is_over;
static int peer; /* socket */
static int output; /* standard output, of which the guest's console has the place */

static void register_put(uint64_t at, unsigned size, uint64_t value)
{
	bus_write(&machine.vm.mmio, at, size, value);
}

static uint64_t register_get(uint64_t at, unsigned size)
{
	return bus_read(&machine.vm.mmio, at, size);
}

static void space_put(uint32_t function, unsigned off, unsigned size, uint32_t value)
{
	pci_config_write_at(machine.vm.pci, function >> 8, function & 0xff, off, size, value);
}

static uint32_t space_get(uint32_t function, unsigned off, unsigned size)
{
	return pci_config_read_at(machine.vm.pci, function >> 8, function & 0xff, off, size);
}

static void thread_relax(void)
{
	(void)sched_yield();
}

static void disk_describe(struct virtio_spec *s, bool by_ring, bool readonly)
{
	*s = (struct virtio_spec){.type = VIRTIO_TYPE_BLK,
		.disk = {.size = SIZE,
			.logical = 512,
			.physical = 4096,
			.readonly = readonly,
			.queues = 2}};
	s->fd = memfd_create("image", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(s->fd, SIZE), 0);
	if (by_ring)
		virtio_prepare(s);
}

/* The other end of a network card's line: reads all, and sends frames. */
static void *peer_thread(void *arg)
{
	static const uint8_t frame[4 + 64] = {[3] = 64, [4] = 0xff, [16] = 0x08};
	static uint8_t bytes[65536];

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
		(void)recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT);
		(void)send(peer, frame, sizeof(frame), MSG_NOSIGNAL);
		(void)usleep(100);
	}
	return NULL;
}

static void net_describe(struct virtio_spec *s)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	peer = ends[0];
	*s = (struct virtio_spec){.type = VIRTIO_TYPE_NET, .fd = ends[1]};
	s->net = (struct virtio_net_spec){
		.stream = true, .mac = {0x52, 0x54}, .mtu = 1500, .vhost = -1};
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
}

/* One port writes a file, and at the other one is nobody. */
static void ports_describe(void)
{
	spec.console = CONSOLE_VIRTIO;
	spec.port_count = 2;
	spec.ports[0] =
		(struct virtio_port_spec){.name = "nobody", .peer = {.fd = -1, .door_fd = -1}};
	spec.ports[1] = (struct virtio_port_spec){.name = "file",
		.peer = {.kind = CONSOLE_PEER_FILE, .door_fd = -1, .limit = MIB(1)}};
	spec.ports[1].peer.fd = memfd_create("port", MFD_CLOEXEC);
}

static void devices_describe(void)
{
	machine_describe("wild");
	spec.memory = RAM;
	spec.virtio_count = 6;
	disk_describe(&spec.virtio[0], true, false);
	disk_describe(&spec.virtio[1], false, false);
	disk_describe(&spec.virtio[2], true, true);
	spec.virtio[3] = (struct virtio_spec){.type = VIRTIO_TYPE_RNG, .fd = -1};
	net_describe(&spec.virtio[4]);
	spec.virtio[5] = (struct virtio_spec){.type = VIRTIO_TYPE_BALLOON, .fd = -1};
	ports_describe();
}

static void driver_start(uint64_t seed)
{
	wild = (struct wild){.put = register_put,
		.get = register_get,
		.space_put = space_put,
		.space_get = space_get,
		.relax = thread_relax,
		.memory = (volatile uint8_t *)machine.vm.memory.ram + AREA,
		.area = AREA,
		.ram_end = RAM,
		.state = seed};
	/* Memory of the guest is no growth. */
	for (uint64_t at = 0; at < RAM; at += KIB(4)) {
		volatile uint8_t *byte = (volatile uint8_t *)machine.vm.memory.ram + at;
		*byte = *byte;
	}
	for (uint32_t bus = 1; bus < 16; bus++)
		wild_find(&wild, bus << 8);
	ck_assert_uint_eq(wild.count, spec.virtio_count + 2);
}

static void *disturb_thread(void *arg)
{
	uint64_t state = 88172645463325252;

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
		wild_disturb(&wild, &state);
		(void)usleep(20);
	}
	return NULL;
}

/* The main thread of usher-vmm, which hears doorbells. */
static void *loop_thread(void *arg)
{
	(void)loop_run(&machine.vm.loop, NULL);
	return NULL;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Guest memory that is there: a balloon gives some of it back. */
static long ram_kib(void)
{
	static unsigned char there[RAM / 4096];
	long count = 0;

	ck_assert_int_eq(mincore(machine.vm.memory.ram, RAM, there), 0);
	for (size_t i = 0; i < sizeof(there); i++)
		count += there[i] & 1;
	return count * 4;
}

/* Without guest memory. */
static long resident_kib(void)
{
	long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	ck_assert_int_eq(fscanf(f, "%ld %ld", &all, &resident), 2);
	(void)fclose(f);
	return resident * 4 - ram_kib();
}

static unsigned files_open(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static unsigned lines_of(int fd)
{
	static char text[1 << 16];
	unsigned lines = 0;

	const ssize_t len = pread(fd, text, sizeof(text), 0);
	for (ssize_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

static void kind_tell(const char *name, uint64_t count)
{
	(void)dprintf(
		output, "# %-40s %" PRIu64 "%s\n", name, count, count ? "" : ": never happened");
}

static void steps_run(uint64_t ops)
{
	for (uint64_t n = 0; n < ops && !wild.fault; n++)
		wild_step(&wild);
}

START_TEST(devices_survive_a_wild_driver)
{
	const uint64_t ops = number_of("USHER_OPS", OPS), seed = number_of("USHER_SEED", 1);
	const int log = memfd_create("log", MFD_CLOEXEC), errors = dup(STDERR_FILENO);
	const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pthread_t disturber, loop, other_end;

	devices_describe();
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	machine_start();
	(void)dup2(log, STDERR_FILENO);
	output = dup(STDOUT_FILENO);
	(void)dup2(nowhere, STDOUT_FILENO); /* the guest's console */
	driver_start(seed);
	ck_assert_int_eq(pthread_create(&loop, NULL, loop_thread, NULL), 0);
	ck_assert_int_eq(pthread_create(&other_end, NULL, peer_thread, NULL), 0);
	ck_assert_int_eq(pthread_create(&disturber, NULL, disturb_thread, NULL), 0);
	/* What is made when it is first needed is there after a part of it. */
	steps_run(ops / 4);
	const long before = resident_kib();
	const unsigned files = files_open();
	steps_run(ops - ops / 4);
	const long grown = resident_kib() - before;
	__atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
	(void)shutdown(peer, SHUT_RDWR);
	(void)pthread_join(other_end, NULL);
	(void)pthread_join(disturber, NULL);
	if (!wild.fault)
		wild_prove(&wild);
	loop_stop(&machine.vm.loop);
	(void)pthread_join(loop, NULL);
	(void)dup2(errors, STDERR_FILENO);
	const unsigned missing = wild_missing(&wild, kind_tell);
	(void)dprintf(output,
		"# seed %" PRIu64 ", %" PRIu64 " operations: grown by %ld KiB, %u lines of log\n",
		seed, ops, grown, lines_of(log));
	ck_assert_msg(!wild.fault, "seed %" PRIu64 ": %s", seed, wild.fault);
	ck_assert_msg(!missing, "%u kinds or registers are missing", missing);
	ck_assert_int_le(grown, (long)GROWTH_MAX_KIB);
	ck_assert_uint_le(files_open(), files + FILES_MAX);
	ck_assert_uint_le(lines_of(log), LINES_MAX);
	machine_finish();
	(void)dup2(output, STDOUT_FILENO);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {devices_survive_a_wild_driver};
	TCase *c = suite_case("virtio_wild", tests, COUNT(tests));

	if (getenv("USHER_OPS"))
		tcase_set_timeout(c, TIMEOUT);
	return suite_run_case("virtio_wild", c);
}
