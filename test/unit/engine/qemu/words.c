/* SPDX-License-Identifier: MIT */
#include "engine/qemu/words.h"

#include "base/num.h"
#include "engine/qemu/board.h"
#include "engine/qemu/parts.h"
#include "program/process.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct guest_spec spec;
static struct qemu_parts parts;
static struct program program;

static void guest_setup(void)
{
	spec = (struct guest_spec){.name = "box", .memory = MIB(512), .cpus = 1};
	qemu_parts_init(&parts);
}

/* The words in one line, without the program's name. */
static const char *line(void)
{
	static char text[32768];
	size_t used = 0;

	program = (struct program){0};
	qemu_words_add(&spec, &parts, &program);
	ck_assert_int_eq(program.error, 0);
	for (size_t i = 1; i < program.argc; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 1 ? " " : "",
			program.argv[i]);
	return text;
}

static void expect(const char *words)
{
	const char *all = line();

	ck_assert_msg(strstr(all, words) != NULL, "no '%s' in '%s'", words, all);
}

static void expect_not(const char *words)
{
	const char *all = line();

	ck_assert_msg(!strstr(all, words), "'%s' in '%s'", words, all);
}

/* An empty root port. */
#define SPARE(number, chassis)                                                           \
	"-device pcie-root-port,id=usher-spare" number ",bus=pcie.0,addr=0x1e.0x" number \
	",chassis=" chassis ",mem-reserve=32M,pref64-reserve=256M "
#define SPARES                            \
	SPARE("0", "32,multifunction=on") \
	SPARE("1", "33")                  \
	SPARE("2", "34")                  \
	SPARE("3", "35")

START_TEST(a_machine_of_ours_has_what_was_asked_for)
{
	guest_setup();
	spec.kernel = "/boot/vmlinuz";
	(void)snprintf(parts.cmdline, sizeof(parts.cmdline), "console=ttyS0");
	ck_assert_str_eq(line(),
		"-name box -no-user-config -nodefaults -machine q35,accel=kvm,smm=off -cpu host "
		"-display none -kernel /boot/vmlinuz -append console=ttyS0 -m 512M " SPARES
		"-chardev stdio,id=usher-console,signal=off -serial chardev:usher-console");
}
END_TEST

START_TEST(a_machine_of_the_callers_stays_so)
{
	char *const words[] = {(char[]){"-M"}, (char[]){"q35"}, NULL};

	guest_setup();
	spec.engine_args = words;
	ck_assert_str_eq(line(), "-M q35 -name box");
	spec.has_memory = spec.has_cpus = spec.has_console = true;
	spec.cpus = 3;
	spec.device_count = 1;
	ck_assert_str_eq(line(),
		"-M q35 -name box -m 512M -smp 3 -device vfio-pci,host=0000:00:00.0,id=usher0 "
		"-chardev stdio,id=usher-console,signal=off -serial chardev:usher-console");
}
END_TEST

START_TEST(words_of_the_caller_replace_single_ones_of_ours)
{
	char *const words[] = {(char[]){"--cpu"}, (char[]){"max"}, (char[]){"-m"}, (char[]){"2G"},
		(char[]){"-sandbox"}, (char[]){"off"}, NULL};

	guest_setup();
	spec.engine_args = words;
	parts.sandbox = true;
	expect("--cpu max -m 2G -sandbox off -name box -no-user-config");
	expect_not("-cpu host");
	expect_not("-m 512M");
	expect_not("deny");
	ck_assert_uint_eq(qemu_board_memory(&spec), GIB(2));
	spec.hugepages = true;
	expect("memory-backend-memfd,id=usher-ram,size=2048M,hugetlb=on,prealloc=on");
}
END_TEST

START_TEST(files_come_by_descriptor_or_by_path)
{
	guest_setup();
	spec.kernel = "/k";
	spec.initrd = "/i";
	expect("-kernel /k -initrd /i");
	parts.kernel = 7;
	parts.initrd = 8;
	expect("-kernel /proc/self/fd/7 -initrd /proc/self/fd/8");
	/* Of a disk: the description names no kernel. */
	spec.kernel = spec.initrd = NULL;
	expect("-kernel /proc/self/fd/7 -initrd /proc/self/fd/8");
}
END_TEST

START_TEST(functions_of_a_card_share_a_port)
{
	guest_setup();
	spec.kernel = "/k";
	spec.device_count = 3;
	spec.devices[0] = (struct guest_device){.address = {.bus = 1, .fn = 1}, .rom_off = true};
	spec.devices[1] = (struct guest_device){.address = {.bus = 2, .fn = 4}, .rom = "/r"};
	spec.devices[2] = (struct guest_device){.address = {.bus = 1}};
	expect("-device pcie-root-port,id=usher-slot0,bus=pcie.0,chassis=1 "
	       "-device vfio-pci,host=0000:01:00.1,id=usher0,rombar=0,bus=usher-slot0,addr=0x0.0x1 "
	       "-device pcie-root-port,id=usher-slot1,bus=pcie.0,chassis=2 "
	       "-device vfio-pci,host=0000:02:00.4,id=usher1,romfile=/r,bus=usher-slot1,"
	       "addr=0x0.0x0 "
	       "-device vfio-pci,host=0000:01:00.0,id=usher2,bus=usher-slot0,addr=0x0.0x0,"
	       "multifunction=on");
	parts.roms[1] = 9;
	expect("romfile=/proc/self/fd/9");
}
END_TEST

START_TEST(devices_come_by_descriptor_or_by_address)
{
	guest_setup();
	spec.kernel = "/k";
	spec.device_count = 1;
	spec.devices[0].address = (struct pci_address){.bus = 1};
	expect("-device vfio-pci,host=0000:01:00.0,id=usher0");
	expect_not("iommufd");
	parts.iommu = 20;
	parts.devices[0] = 21;
	expect("-object iommufd,id=usher-iommu,fd=20 ");
	expect("-device vfio-pci,fd=21,iommufd=usher-iommu,id=usher0,bus=usher-slot0");
	expect_not("host=0000");
}
END_TEST

START_TEST(words_about_the_machine_need_no_network)
{
	char *const machine[] = {(char[]){"-cpu"}, (char[]){"host,kvm=off"}, (char[]){"--drive"},
		(char[]){"file=/srv/a.iso,media=cdrom"}, NULL};
	char *const server[] = {(char[]){"-drive"}, (char[]){"file=nbd:host:10809"}, NULL};
	char *const net[] = {
		(char[]){"-rtc"}, (char[]){"base=utc"}, (char[]){"-nic"}, (char[]){"user"}, NULL};

	guest_setup();
	ck_assert(!qemu_board_has_network(&spec));
	spec.engine_args = machine;
	ck_assert(!qemu_board_has_network(&spec));
	spec.engine_args = server;
	ck_assert(qemu_board_has_network(&spec));
	spec.engine_args = net;
	ck_assert(qemu_board_has_network(&spec));
}
END_TEST

/* Without function 0, the guest would look at none of them. */
START_TEST(functions_without_the_first_get_other_numbers)
{
	guest_setup();
	spec.kernel = "/k";
	spec.device_count = 2;
	spec.devices[0] = (struct guest_device){.address = {.bus = 1, .fn = 3}};
	spec.devices[1] = (struct guest_device){.address = {.bus = 1, .fn = 2}};
	expect("host=0000:01:00.3,id=usher0,bus=usher-slot0,addr=0x0.0x1");
	expect("host=0000:01:00.2,id=usher1,bus=usher-slot0,addr=0x0.0x0,multifunction=on");
}
END_TEST

START_TEST(empty_ports_are_left_out)
{
	guest_setup();
	spec.no_defaults = true;
	expect_not("usher-spare");
	spec.no_defaults = false;
	expect("usher-spare3");
	spec.device_count = 25;
	for (uint8_t i = 0; i < 25; i++)
		spec.devices[i] = (struct guest_device){.address = {.bus = i}};
	expect_not("usher-spare");
}
END_TEST

START_TEST(a_disk_is_a_descriptor_of_a_set)
{
	guest_setup();
	spec.kernel = "/k";
	spec.virtio_count = 1;
	spec.virtio[0] = (struct guest_virtio){.type = GUEST_VIRTIO_BLK,
		.disk = {.path = "/d", .serial = "s1", .queues = 4, .readonly = true}};
	expect("-blockdev driver=raw,node-name=usher-disk0,read-only=on,discard=unmap,"
	       "cache.direct=off,file.driver=file,file.filename=/d "
	       "-device virtio-blk-pci,id=usher-virtio0,drive=usher-disk0,num-queues=4,serial=s1");
	parts.disks[0] = (struct qemu_disk){.fd = 12, .is_block = true, .direct = true};
	expect("-add-fd fd=12,set=12 -blockdev driver=raw,node-name=usher-disk0,read-only=on,"
	       "discard=unmap,cache.direct=on,file.driver=host_device,"
	       "file.filename=/dev/fdset/12,file.aio=native");
}
END_TEST

/* The header names nothing: each file is a descriptor, and the last one has no backing file. */
START_TEST(an_image_is_a_chain_of_descriptors)
{
	guest_setup();
	spec.virtio_count = 1;
	spec.virtio[0] = (struct guest_virtio){
		.type = GUEST_VIRTIO_BLK, .disk = {.path = "/d", .format = "qcow2", .queues = 1}};
	expect("-blockdev driver=qcow2,node-name=usher-disk0,read-only=off,discard=unmap,"
	       "file.driver=file,file.filename=/d -device virtio-blk-pci");
	parts.disks[0] = (struct qemu_disk){.fd = -1,
		.file_count = 2,
		.files = {{.fd = 5, .direct = true, .has_backing = true, .format = "qcow2"},
			{.fd = 6, .is_block = true, .format = "raw"}}};
	expect("-add-fd fd=6,set=6 -blockdev driver=host_device,node-name=usher-file0-1,"
	       "read-only=on,discard=unmap,cache.direct=off,filename=/dev/fdset/6 "
	       "-blockdev {\"driver\":\"raw\",\"node-name\":\"usher-disk0-1\","
	       "\"file\":\"usher-file0-1\",\"read-only\":true,\"discard\":\"unmap\"} "
	       "-add-fd fd=5,set=5 -blockdev driver=file,node-name=usher-file0-0,read-only=off,"
	       "discard=unmap,cache.direct=on,filename=/dev/fdset/5,aio=native "
	       "-blockdev {\"driver\":\"qcow2\",\"node-name\":\"usher-disk0\","
	       "\"file\":\"usher-file0-0\",\"read-only\":false,\"discard\":\"unmap\","
	       "\"backing\":\"usher-disk0-1\"} -device virtio-blk-pci,id=usher-virtio0,"
	       "drive=usher-disk0");
	parts.disks[0].file_count = 1;
	expect("\"discard\":\"unmap\",\"backing\":null} -device");
}
END_TEST

START_TEST(a_tap_is_one_descriptor_for_each_pair)
{
	guest_setup();
	spec.virtio_count = 1;
	spec.virtio[0] = (struct guest_virtio){.type = GUEST_VIRTIO_NET,
		.net = {.tap = "tap0", .queues = 2, .mtu = 9000, .mac = {2, 0, 0, 0, 0, 1}}};
	parts.nets[0] = (struct qemu_net){.count = 2, .fds = {3, 4}, .vhosts = {5, 6}};
	expect("-netdev tap,id=usher-net0,fds=3:4,vhost=on,vhostfds=5:6 -device virtio-net-pci,"
	       "id=usher-virtio0,netdev=usher-net0,mac=02:00:00:00:00:01,host_mtu=9000,mq=on");
	spec.virtio[0].net.queues = 1;
	parts.nets[0] = (struct qemu_net){.count = 1, .fds = {3}, .vhosts = {-1}};
	expect("-netdev tap,id=usher-net0,fd=3,vhost=off -device");
	spec.virtio[0].net.tap[0] = '\0';
	parts.nets[0] = (struct qemu_net){.passt = 9};
	expect("-netdev stream,id=usher-net0,server=off,addr.type=fd,addr.str=9");
}
END_TEST

/* Folders have a server, which maps the guest's memory. The kernel's sockets have split rings. */
START_TEST(other_virtio_devices_have_words)
{
	guest_setup();
	spec.rings = GUEST_RINGS_PACKED;
	spec.virtio_count = 4;
	spec.virtio[0] = (struct guest_virtio){.type = GUEST_VIRTIO_VSOCK, .cid = 7};
	spec.virtio[1] = (struct guest_virtio){.type = GUEST_VIRTIO_BALLOON};
	spec.virtio[2] = (struct guest_virtio){.type = GUEST_VIRTIO_RNG};
	spec.virtio[3] = (struct guest_virtio){.type = GUEST_VIRTIO_BLK, .disk = {.path = "/d"}};
	expect("-device vhost-vsock-pci,id=usher-vsock,guest-cid=7 "
	       "-device virtio-balloon-pci,id=usher-balloon,free-page-reporting=on,packed=on "
	       "-device virtio-rng-pci,id=usher-virtio2,packed=on");
	expect("virtio-blk-pci,id=usher-virtio3,drive=usher-disk3,packed=on");
	expect_not("memory-backend-memfd");
	parts.vsock = 8;
	expect("guest-cid=7,vhostfd=8 -device");
	spec.virtio[3] = (struct guest_virtio){.type = GUEST_VIRTIO_FS, .share = {.tag = "home"}};
	parts.shares[3] = 9;
	expect("-chardev socket,id=usher-share3,fd=9 "
	       "-device vhost-user-fs-pci,id=usher-virtio3,chardev=usher-share3,tag=home");
	expect("memory-backend-memfd,id=usher-ram,size=");
	expect(",share=on -machine memory-backend=usher-ram");
}
END_TEST

START_TEST(ports_have_their_ends)
{
	guest_setup();
	spec.console = GUEST_CONSOLE_VIRTIO;
	spec.port_count = 2;
	spec.ports[0] = (struct guest_port){.name = "a", .kind = GUEST_PORT_SOCKET};
	spec.ports[1] = (struct guest_port){.name = "b", .kind = GUEST_PORT_FILE, .path = "/b"};
	expect("-device virtio-serial-pci,id=usher-ports,max_ports=31 "
	       "-chardev stdio,id=usher-console,signal=off "
	       "-device virtconsole,bus=usher-ports.0,chardev=usher-console "
	       "-chardev socket,id=usher-port0,server=on,wait=off,path=/run/usher/vm/box/port-a "
	       "-device virtserialport,bus=usher-ports.0,nr=1,chardev=usher-port0,name=a "
	       "-chardev file,id=usher-port1,path=/b");
	parts.ports[0] = 4;
	parts.ports[1] = 5;
	expect("socket,id=usher-port0,server=on,wait=off,fd=4");
	expect("-add-fd fd=5,set=5 -chardev file,id=usher-port1,path=/dev/fdset/5");
}
END_TEST

START_TEST(firmware_has_its_variables_by_descriptor)
{
	guest_setup();
	spec.firmware = GUEST_FIRMWARE_UEFI;
	parts.firmware = "/code";
	parts.variables = 5;
	expect("-blockdev driver=raw,node-name=usher-code,read-only=on,file.driver=file,"
	       "file.filename=/code -add-fd fd=5,set=5 -blockdev driver=raw,"
	       "node-name=usher-variables,file.driver=file,file.filename=/dev/fdset/5 "
	       "-machine pflash0=usher-code,pflash1=usher-variables");
	expect_not("smm=on");
	spec.firmware = GUEST_FIRMWARE_UEFI_SECURE;
	expect("-machine smm=on -global driver=cfi.pflash01,property=secure,value=on");
}
END_TEST

START_TEST(firmware_boots_disks_before_devices)
{
	guest_setup();
	spec.virtio_count = spec.device_count = 1;
	spec.virtio[0] = (struct guest_virtio){.type = GUEST_VIRTIO_BLK, .disk = {.path = "/d"}};
	expect("drive=usher-disk0,bootindex=0");
	expect("addr=0x0.0x0,bootindex=1");
	spec.kernel = "/k";
	expect_not("bootindex");
}
END_TEST

START_TEST(extras_are_there_on_request)
{
	guest_setup();
	expect_not("tpm");
	expect_not("usb");
	parts.tpm = 6;
	expect("-chardev socket,id=usher-tpm,fd=6 -tpmdev emulator,id=usher-tpm0,chardev=usher-tpm "
	       "-device tpm-crb,tpmdev=usher-tpm0");
	spec.usb_count = 1;
	parts.usb[0] = 7;
	expect("-device qemu-xhci,id=usher-usb -add-fd fd=7,set=7 "
	       "-device usb-host,bus=usher-usb.0,id=usher-usb0,hostdevice=/dev/fdset/7");
	expect("-display none");
	spec.display.kind = GUEST_DISPLAY_VNC;
	parts.display = 8;
	expect_not("-display none");
	expect("-vnc unix:/proc/self/fd/8/vnc -device usb-tablet");
	spec.display.kind = GUEST_DISPLAY_SPICE;
	expect("-spice unix=on,disable-ticketing=on,addr=/proc/self/fd/8/spice");
}
END_TEST

SUITE("qemu_words", a_machine_of_ours_has_what_was_asked_for, a_machine_of_the_callers_stays_so,
	words_of_the_caller_replace_single_ones_of_ours, files_come_by_descriptor_or_by_path,
	functions_of_a_card_share_a_port, devices_come_by_descriptor_or_by_address,
	words_about_the_machine_need_no_network, functions_without_the_first_get_other_numbers,
	empty_ports_are_left_out, a_disk_is_a_descriptor_of_a_set,
	an_image_is_a_chain_of_descriptors, a_tap_is_one_descriptor_for_each_pair,
	other_virtio_devices_have_words, ports_have_their_ends,
	firmware_has_its_variables_by_descriptor, firmware_boots_disks_before_devices,
	extras_are_there_on_request)
