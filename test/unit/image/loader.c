/* SPDX-License-Identifier: MIT */
#include "image/loader.h"

#include "image/paper_tree.h"
#include "suite.h"

#include <errno.h>

static struct boot_choice c;

static int choose(const struct paper_file *files)
{
	union {
		const struct paper_file *in;
		void *out;
	} u = {.in = files};
	const struct tree t = {.ops = &paper_ops, .arg = u.out};

	return loader_choose(&t, &c);
}

static void expect(const char *kernel, const char *initrd, const char *options, const char *source)
{
	ck_assert_str_eq(c.entry.kernel, kernel);
	ck_assert_uint_eq(c.entry.initrd_count, initrd[0] != '\0');
	if (initrd[0])
		ck_assert_str_eq(c.entry.initrds[0], initrd);
	ck_assert_str_eq(c.entry.options, options);
	ck_assert_str_eq(c.source, source);
}

/* As Debian's grub-mkconfig writes it. */
#define DEBIAN_HEAD                                        \
	"if [ -s $prefix/grubenv ]; then\n"                \
	"  set have_grubenv=true\n"                        \
	"  load_env\n"                                     \
	"fi\n"                                             \
	"if [ \"${next_entry}\" ] ; then\n"                \
	"   set default=\"${next_entry}\"\n"               \
	"   set next_entry=\n"                             \
	"   save_env next_entry\n"                         \
	"   set boot_once=true\n"                          \
	"else\n"                                           \
	"   set default=\"%s\"\n"                          \
	"fi\n"                                             \
	"if [ x\"${feature_menuentry_id}\" = xy ]; then\n" \
	"  menuentry_id_option=\"--id\"\n"                 \
	"else\n"                                           \
	"  menuentry_id_option=\"\"\n"                     \
	"fi\n"                                             \
	"export menuentry_id_option\n"                     \
	"function savedefault {\n"                         \
	"  if [ -z \"${boot_once}\" ]; then\n"             \
	"    saved_entry=\"${chosen}\"\n"                  \
	"    save_env saved_entry\n"                       \
	"  fi\n"                                           \
	"}\n"                                              \
	"function load_video {\n"                          \
	"  if [ x$feature_all_video_module = xy ]; then\n" \
	"    insmod all_video\n"                           \
	"  else\n"                                         \
	"    insmod efi_gop\n"                             \
	"  fi\n"                                           \
	"}\n"
#define DEBIAN_MENU                                                                       \
	"menuentry 'Debian GNU/Linux' --class debian --class os $menuentry_id_option "    \
	"'gnulinux-simple-7f' {\n"                                                        \
	"\tload_video\n"                                                                  \
	"\tinsmod gzio\n"                                                                 \
	"\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi\n"          \
	"\tset root='hd0,gpt1'\n"                                                         \
	"\tsearch --no-floppy --fs-uuid --set=root 7f\n"                                  \
	"\techo\t'Loading Linux 6.1.0-21-amd64 ...'\n"                                    \
	"\tlinux\t/boot/vmlinuz-6.1.0-21-amd64 root=UUID=7f ro  quiet\n"                  \
	"\techo\t'Loading initial ramdisk ...'\n"                                         \
	"\tinitrd\t/boot/initrd.img-6.1.0-21-amd64\n"                                     \
	"}\n"                                                                             \
	"submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option "           \
	"'gnulinux-advanced-7f' {\n"                                                      \
	"\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-21-amd64' $menuentry_id_option " \
	"'gnulinux-6.1.0-21-amd64-advanced-7f' {\n"                                       \
	"\t\tlinux\t/boot/vmlinuz-6.1.0-21-amd64 root=UUID=7f ro  quiet\n"                \
	"\t\tinitrd\t/boot/initrd.img-6.1.0-21-amd64\n"                                   \
	"\t}\n"                                                                           \
	"\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-18-amd64' $menuentry_id_option " \
	"'gnulinux-6.1.0-18-amd64-advanced-7f' {\n"                                       \
	"\t\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=7f ro  quiet old\n"            \
	"\t\tinitrd\t/boot/initrd.img-6.1.0-18-amd64\n"                                   \
	"\t}\n"                                                                           \
	"}\n"                                                                             \
	"menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {\n"     \
	"\tfwsetup\n"                                                                     \
	"}\n"

#define DEBIAN_FILES                                                                \
	{"/boot/vmlinuz-6.1.0-18-amd64", ""}, {"/boot/vmlinuz-6.1.0-21-amd64", ""}, \
		{"/boot/initrd.img-6.1.0-18-amd64", ""},                            \
	{                                                                           \
		"/boot/initrd.img-6.1.0-21-amd64", ""                               \
	}

static void choose_debian(const char *chosen, const char *saved)
{
	char text[8192];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(text, sizeof(text), DEBIAN_HEAD "%s", chosen, DEBIAN_MENU);
#pragma GCC diagnostic pop
	const struct paper_file files[] = {
		{"/boot/grub/grub.cfg", text}, {"/boot/grub/grubenv", saved}, DEBIAN_FILES, {0}};
	ck_assert_int_eq(choose(files), 0);
}

START_TEST(grub_starts_its_default)
{
	static const char *const first[] = {
		"0", "", "Debian GNU/Linux", "gnulinux-simple-7f", "3", "nothing of this name"};
	static const char *const old[] = {"1>1", "gnulinux-advanced-7f>1",
		"Advanced options for Debian GNU/Linux>gnulinux-6.1.0-18-amd64-advanced-7f",
		"${saved_entry}"};

	for (size_t i = 0; i < 6; i++) {
		choose_debian(first[i], "");
		expect("/boot/vmlinuz-6.1.0-21-amd64", "/boot/initrd.img-6.1.0-21-amd64",
			"root=UUID=7f ro quiet", "/boot/grub/grub.cfg");
		ck_assert_str_eq(c.entry.title, "Debian GNU/Linux");
	}
	for (size_t i = 0; i < 4; i++) {
		choose_debian(old[i], "# GRUB Environment Block\nsaved_entry=1>1\n####");
		expect("/boot/vmlinuz-6.1.0-18-amd64", "/boot/initrd.img-6.1.0-18-amd64",
			"root=UUID=7f ro quiet old", "/boot/grub/grub.cfg");
	}
	/* For one boot alone, and that would be over. */
	choose_debian("0", "next_entry=1>1\n");
	expect("/boot/vmlinuz-6.1.0-21-amd64", "/boot/initrd.img-6.1.0-21-amd64",
		"root=UUID=7f ro quiet", "/boot/grub/grub.cfg");
}
END_TEST

/* Ubuntu's images try without an initial RAM disk, and count on a reset if that fails. */
START_TEST(grub_prefers_the_initrd_of_an_entry)
{
	static const struct paper_file files[] = {
		{"/grub/grub.cfg",
			"set default=0\n"
			"menuentry 'Ubuntu' {\n"
			"\tif [ \"${initrdfail}\" = 1 ]; then\n"
			"\t  linux\t/vmlinuz-6.8.0-31-generic root=LABEL=cloudimg-rootfs ro "
			"console=tty1 console=ttyS0\n"
			"\t  initrd\t/microcode.cpio /initrd.img-6.8.0-31-generic\n"
			"\telse\n"
			"\t  linux\t/vmlinuz-6.8.0-31-generic root=PARTUUID=1 ro panic=-1\n"
			"\tfi\n"
			"\tinitrdfail\n"
			"}\n"},
		{"/vmlinuz-6.8.0-31-generic", ""}, {"/initrd.img-6.8.0-31-generic", ""},
		{"/microcode.cpio", ""}, {0}};

	ck_assert_int_eq(choose(files), 0);
	ck_assert_str_eq(
		c.entry.options, "root=LABEL=cloudimg-rootfs ro console=tty1 console=ttyS0");
	ck_assert_uint_eq(c.entry.initrd_count, 2);
	ck_assert_str_eq(c.entry.initrds[0], "/microcode.cpio");
	ck_assert_str_eq(c.entry.initrds[1], "/initrd.img-6.8.0-31-generic");
}
END_TEST

#define FEDORA_GRUB                                                                     \
	"if [ -f ${config_directory}/grubenv ]; then\n  load_env -f x\nfi\n"            \
	"if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\nelse\n"     \
	"   set default=\"${saved_entry}\"\nfi\n"                                       \
	"if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=UUID=8 ro \"\nfi\n" \
	"insmod blscfg\nblscfg\n"

START_TEST(grub_takes_entries_of_fedora)
{
	struct paper_file files[] = {{"/grub2/grub.cfg", FEDORA_GRUB},
		{"/grub2/grubenv", "# GRUB\nsaved_entry=ab-6.5.6-300.fc39.x86_64\n####"},
		{"/loader/entries/ab-0-rescue.conf",
			"title Fedora (rescue)\nversion 0-rescue-ab\nlinux /vmlinuz-0-rescue-ab\n"
			"initrd /initramfs-0-rescue-ab.img\noptions root=UUID=8 ro\n"},
		{"/loader/entries/ab-6.5.6-300.fc39.x86_64.conf",
			"title Fedora Linux\nversion 6.5.6-300.fc39.x86_64\n"
			"linux /vmlinuz-6.5.6-300.fc39.x86_64\n"
			"initrd /initramfs-6.5.6-300.fc39.x86_64.img $tuned_initrd\n"
			"options root=UUID=8 ro rootflags=subvol=root rhgb quiet $tuned_params\n"
			"grub_users $grub_users\n"},
		{"/loader/entries/ab-6.10.3-200.fc39.x86_64.conf",
			"title Fedora Linux\nversion 6.10.3-200.fc39.x86_64\n"
			"linux /vmlinuz-6.10.3-200.fc39.x86_64\n"
			"initrd /initramfs-6.10.3-200.fc39.x86_64.img\n"
			"options $kernelopts quiet\n"},
		{"/vmlinuz-0-rescue-ab", ""}, {"/initramfs-0-rescue-ab.img", ""},
		{"/vmlinuz-6.5.6-300.fc39.x86_64", ""},
		{"/initramfs-6.5.6-300.fc39.x86_64.img", ""},
		{"/vmlinuz-6.10.3-200.fc39.x86_64", ""},
		{"/initramfs-6.10.3-200.fc39.x86_64.img", ""}, {0}};

	ck_assert_int_eq(choose(files), 0);
	expect("/vmlinuz-6.5.6-300.fc39.x86_64", "/initramfs-6.5.6-300.fc39.x86_64.img",
		"root=UUID=8 ro rootflags=subvol=root rhgb quiet",
		"/loader/entries/ab-6.5.6-300.fc39.x86_64.conf");
	/* Nothing saved: the newest, and its variable is the script's. */
	files[1].text = "";
	ck_assert_int_eq(choose(files), 0);
	expect("/vmlinuz-6.10.3-200.fc39.x86_64", "/initramfs-6.10.3-200.fc39.x86_64.img",
		"root=UUID=8 ro  quiet", "/loader/entries/ab-6.10.3-200.fc39.x86_64.conf");
}
END_TEST

START_TEST(systemd_boot_has_entries_and_a_default)
{
	struct paper_file files[] = {{"/boot/loader/loader.conf", "timeout 3\ndefault arch-lts*\n"},
		{"/boot/loader/entries/arch.conf",
			"title Arch\nlinux /vmlinuz-linux\ninitrd /amd-ucode.img\n"
			"initrd /initramfs-linux.img\noptions root=PARTUUID=5 rw\noptions quiet\n"},
		{"/boot/loader/entries/arch-lts.conf",
			"# the stable one\n\ntitle Arch LTS\nlinux /vmlinuz-linux-lts\n"
			"initrd /initramfs-linux-lts.img\noptions root=PARTUUID=5 rw lts\n"},
		{"/boot/vmlinuz-linux", ""}, {"/boot/vmlinuz-linux-lts", ""},
		{"/boot/amd-ucode.img", ""}, {"/boot/initramfs-linux.img", ""},
		{"/boot/initramfs-linux-lts.img", ""}, {0}};

	ck_assert_int_eq(choose(files), 0);
	expect("/boot/vmlinuz-linux-lts", "/boot/initramfs-linux-lts.img", "root=PARTUUID=5 rw lts",
		"/boot/loader/entries/arch-lts.conf");
	files[0].text = "default arch.conf\n";
	ck_assert_int_eq(choose(files), 0);
	ck_assert_uint_eq(c.entry.initrd_count, 2);
	ck_assert_str_eq(c.entry.options, "root=PARTUUID=5 rw quiet");
}
END_TEST

START_TEST(extlinux_has_relative_paths)
{
	static const struct paper_file files[] = {
		{"/boot/extlinux.conf",
			"DEFAULT menu.c32\nPROMPT 0\nLABEL virt\n  MENU LABEL Linux virt\n"
			"  LINUX vmlinuz-virt\n  INITRD initramfs-virt\n"
			"  APPEND root=UUID=3 modules=ext4 quiet rootfstype=ext4\n"
			"LABEL other\n  KERNEL vmlinuz-lts\n"},
		{"/boot/vmlinuz-virt", ""}, {"/boot/initramfs-virt", ""}, {0}};
	static const struct paper_file old[] = {
		{"/syslinux/syslinux.cfg",
			"default two\r\nlabel one\r\n kernel /one\r\nlabel two\r\n kernel /two\r\n"
			" append root=/dev/vda1 initrd=/disk,/more quiet\r\n"},
		{"/one", ""}, {"/two", ""}, {"/disk", ""}, {"/more", ""}, {0}};

	ck_assert_int_eq(choose(files), 0);
	expect("/boot/vmlinuz-virt", "/boot/initramfs-virt",
		"root=UUID=3 modules=ext4 quiet rootfstype=ext4", "/boot/extlinux.conf");
	ck_assert_int_eq(choose(old), 0);
	ck_assert_str_eq(c.entry.kernel, "/two");
	ck_assert_uint_eq(c.entry.initrd_count, 2);
	ck_assert_str_eq(c.entry.initrds[1], "/more");
	ck_assert_str_eq(c.entry.options, "root=/dev/vda1 quiet");
}
END_TEST

START_TEST(without_a_loader_the_link_wins_and_then_the_newest)
{
	static const struct paper_file linked[] = {{"/vmlinuz", ""}, {"/initrd.img", ""},
		{"/boot/vmlinuz-6.1.0-18-amd64", ""}, {"/boot/initrd.img-6.1.0-18-amd64", ""}, {0}};
	static const struct paper_file plain[] = {{"/boot/vmlinuz-6.9.1", ""},
		{"/boot/vmlinuz-6.10.0", ""}, {"/boot/vmlinuz-6.10.0~rc7", ""},
		{"/boot/vmlinuz-0-rescue-6.99", ""}, {"/boot/initramfs-6.10.0.img", ""},
		{"/boot/initramfs-6.9.1.img", ""},
		{"/etc/default/grub",
			"GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n"
			"GRUB_CMDLINE_LINUX='net.ifnames=0'\n"},
		{0}};
	static const struct paper_file none[] = {{"/boot/config-6.1", ""}, {0}};

	ck_assert_int_eq(choose(linked), 0);
	expect("/vmlinuz", "/initrd.img", "", "");
	ck_assert(!c.is_configured);
	ck_assert_int_eq(choose(plain), 0);
	expect("/boot/vmlinuz-6.10.0", "/boot/initramfs-6.10.0.img", "net.ifnames=0 quiet splash",
		"/etc/default/grub");
	ck_assert_int_eq(choose(none), -ENOENT);
}
END_TEST

/* A kernel was removed by hand: GRUB would stop there, and the image has another one. */
START_TEST(a_configuration_whose_kernel_is_gone_does_not_count)
{
	static const struct paper_file files[] = {
		{"/boot/grub/grub.cfg", "menuentry x {\nlinux /boot/vmlinuz-5 root=/dev/sda1\n"
					"initrd /boot/i-5\n}\n"},
		{"/boot/vmlinuz-6", ""}, {"/boot/initrd.img-6", ""}, {0}};

	ck_assert_int_eq(choose(files), 0);
	expect("/boot/vmlinuz-6", "/boot/initrd.img-6", "", "");
}
END_TEST

START_TEST(grub_may_have_no_menu)
{
	static const struct paper_file files[] = {
		{"/boot/grub/grub.cfg",
			"set root=hd0,gpt1\nset args='root=/dev/vda1 quiet'\n"
			"linux ($root)/boot/vmlinuz-6 $args\ninitrd ($root)/boot/i-6; boot\n"},
		{"/boot/vmlinuz-6", ""}, {"/boot/i-6", ""}, {0}};

	ck_assert_int_eq(choose(files), 0);
	expect("/boot/vmlinuz-6", "/boot/i-6", "root=/dev/vda1 quiet", "/boot/grub/grub.cfg");
}
END_TEST

START_TEST(hostile_scripts_end)
{
	static const char *const texts[] = {"}", "} } fi fi fi else elif", "menuentry", "if", "{",
		"menuentry 'x", "linux", "set default=0>0>0>0>0\nsubmenu a {\nsubmenu b {\n",
		"set a=$a$a\nmenuentry \"$a${a}${\" {\nlinux ${ $} $\n}", "menuentry x {\\",
		"function f {\nmenuentry x {\nlinux /boot/vmlinuz-6\n}"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct paper_file files[] = {{"/boot/grub/grub.cfg", texts[i]}, {0}};
		ck_assert_int_eq(choose(files), -ENOENT);
	}
}
END_TEST

SUITE("loader", grub_starts_its_default, grub_prefers_the_initrd_of_an_entry,
	grub_takes_entries_of_fedora, systemd_boot_has_entries_and_a_default,
	extlinux_has_relative_paths, without_a_loader_the_link_wins_and_then_the_newest,
	a_configuration_whose_kernel_is_gone_does_not_count, grub_may_have_no_menu,
	hostile_scripts_end)
