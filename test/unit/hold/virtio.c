/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "suite.h"

#include <string.h>

#define VIRTIO(NAME, DRIVER)                                                              \
	"link /sys/bus/virtio/devices/" NAME " ../../../devices/pci0000:00/0000:00:06.0/" \
	"0000:02:00.0/" NAME "\n"                                                         \
	"link /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/" NAME                    \
	"/driver ../../../../../bus/virtio/drivers/" DRIVER "\n"
#define ELSEWHERE(NAME, DRIVER)                                                                \
	"link /sys/bus/virtio/devices/" NAME " ../../../devices/pci0000:00/0000:00:07.0/" NAME \
	"\n"                                                                                   \
	"link /sys/devices/pci0000:00/0000:00:07.0/" NAME                                      \
	"/driver ../../../../bus/virtio/drivers/" DRIVER "\n"
#define RANDOM "file /sys/class/misc/hw_random/rng_current virtio_rng.0\n"
#define HVC                                                         \
	"file /sys/class/tty/console/active tty0 hvc0\n"            \
	"link /sys/class/tty/hvc0 ../../devices/virtual/tty/hvc0\n" \
	"link /sys/class/tty/tty0 ../../devices/virtual/tty/tty0\n"

#define LOGIN                                                       \
	VIRTIO("virtio0", "virtio_console")                         \
	"link /sys/dev/char/229:0 ../../devices/virtual/tty/hvc0\n" \
	"holder 9 0 229:0 agetty\n"
#define MEMORY                                              \
	VIRTIO("virtio0", "virtio_mem")                     \
	"file /proc/iomem 100000000-13fffffff : virtio0\\n" \
	"  100000000-107ffffff : System RAM (virtio_mem)\n"

static struct pci_device virtio_device(void)
{
	return (struct pci_device){
		.address = {.bus = 2}, .class = 0x00ff00, .group = 7, .driver = "virtio-pci"};
}

START_TEST(finds_the_source_of_random_numbers)
{
	struct pci_device d = virtio_device();
	struct hold o = hold_only(VIRTIO("virtio0", "virtio_rng") RANDOM, &d);

	hold_is(&o, "fd", "hwrng", "the kernel takes random numbers from it (virtio_rng.0)");
	ck_assert(!o.absolute);
	o = hold_only(
		VIRTIO("virtio0", "virtio_rng") ELSEWHERE("virtio1", "virtio_rng") RANDOM, &d);
	ck_assert_ptr_nonnull(strstr(o.text, "may take"));
	hold_none(VIRTIO("virtio0", "virtio_balloon") RANDOM, &d);
	hold_none(VIRTIO("virtio0",
			  "virtio_rng") "file /sys/class/misc/hw_random/rng_current tpm-rng-0\n",
		&d);
}
END_TEST

START_TEST(finds_the_console_of_a_hypervisor)
{
	struct pci_device d = virtio_device();
	struct hold o = hold_only(VIRTIO("virtio0", "virtio_console") HVC, &d);

	hold_is(&o, "input", "hvc0", "console of this host's kernel");
	hold_none(VIRTIO("virtio0", "virtio_balloon") HVC, &d);
	/* A login there, without messages of the kernel. */
	o = hold_only(LOGIN, &d);
	ck_assert_str_eq(o.object, "hvc0");
	ck_assert_str_eq(o.text, "open in agetty (pid 9, uid 0)");
}
END_TEST

START_TEST(keeps_memory_that_the_host_runs_on)
{
	struct pci_device d = virtio_device();
	struct hold o = hold_only(MEMORY, &d);

	ck_assert(o.absolute);
	hold_none(VIRTIO("virtio0", "virtio_mem") "file /proc/iomem 0-9fff : System RAM\n", &d);
	o = hold_only(VIRTIO("virtio0", "virtio_mem") "fail /proc/iomem EACCES\n", &d);
	ck_assert(o.unsure);
}
END_TEST

SUITE("virtio", finds_the_source_of_random_numbers, finds_the_console_of_a_hypervisor,
	keeps_memory_that_the_host_runs_on)
