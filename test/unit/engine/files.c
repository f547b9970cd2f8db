/* SPDX-License-Identifier: MIT */
#include "engine/files.h"

#include "base/err.h"
#include "base/fd.h"
#include "engine/engine.h"
#include "suite.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An ELF file with a PVH note, and its code at 1 MiB. */
struct small_kernel {
	Elf64_Ehdr head;
	Elf64_Phdr segments[2];
	Elf64_Nhdr note;
	char name[4];
	uint32_t entry;
	uint8_t code[1024];
};

static char folder[] = "/tmp/usher-files-XXXXXX";
static char kernel[64], other[64];
static struct err e;

static struct small_kernel kernel_make(void)
{
	struct small_kernel k = {
		.head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct small_kernel, segments),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2},
		.note = {.n_namesz = 4, .n_descsz = 4, .n_type = 18},
		.name = "Xen",
		.entry = VMLINUX_MIN,
	};

	k.segments[0] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = offsetof(struct small_kernel, note), .p_filesz = 20};
	k.segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_offset = offsetof(struct small_kernel, code),
		.p_paddr = VMLINUX_MIN,
		.p_filesz = sizeof(k.code),
		.p_memsz = 4096};
	return k;
}

static void file_make(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, data, len), 0);
	(void)close(fd);
}

/* A folder with a good kernel, cut to @len bytes, and a spec of it. */
static struct guest_spec files_setup(size_t len)
{
	const struct small_kernel k = kernel_make();

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(kernel, sizeof(kernel), "%s/kernel", folder);
	(void)snprintf(other, sizeof(other), "%s/other", folder);
	file_make(kernel, &k, len);
	return (struct guest_spec){.name = "g", .kernel = kernel, .memory = 1 << 26, .cpus = 1};
}

static void files_clean(void)
{
	(void)unlink(kernel);
	(void)unlink(other);
	(void)rmdir(folder);
}

/* Return: as files_open(). The sentence names the file as the user did. */
static int open_and_close(const struct guest_spec *s)
{
	struct guest_files f;

	e = (struct err){0};
	int r = files_open(s, &f, &e);
	files_close(&f);
	ck_assert(strstr(e.msg, "/proc/self") == NULL);
	return r;
}

START_TEST(opens_what_a_guest_needs)
{
	struct guest_spec s = files_setup(sizeof(struct small_kernel));
	struct guest_files f;

	file_make(other, "disk", 4);
	s.initrd = other;
	ck_assert_msg(files_open(&s, &f, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(f.image.entry, VMLINUX_MIN);
	ck_assert_uint_eq(f.image.end, VMLINUX_MIN + 4096);
	ck_assert_uint_eq(f.initrd_size, 4);
	ck_assert_int_ge(f.initrd, 0);
	files_close(&f);
	ck_assert_int_eq(f.initrd, -1);
	files_clean();
}
END_TEST

/* usher-vmm found this, with the devices taken. */
START_TEST(refuses_a_kernel_cut_short)
{
	struct guest_spec s = files_setup(offsetof(struct small_kernel, code) + 1023);

	ck_assert_int_eq(open_and_close(&s), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, kernel));
	ck_assert_ptr_nonnull(strstr(e.msg, "cut short"));
	files_clean();
}
END_TEST

START_TEST(refuses_what_is_no_regular_file)
{
	struct guest_spec s = files_setup(sizeof(struct small_kernel));

	ck_assert_int_eq(mkfifo(other, 0600), 0);
	s.initrd = other;
	ck_assert_int_eq(open_and_close(&s), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "is not a regular file"));
	s.kernel = other;
	ck_assert_int_eq(open_and_close(&s), -EINVAL);
	s.kernel = kernel;
	(void)unlink(other);
	file_make(other, "", 0);
	ck_assert_int_eq(open_and_close(&s), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "is empty"));
	files_clean();
}
END_TEST

/* A guest may have written the head of a format: only the user says which one an image has. */
START_TEST(a_kernel_from_an_image_needs_its_format)
{
	struct guest_spec s = files_setup(sizeof(struct small_kernel));

	file_make(other, "QFI\xfb\0\0\0\3", 8);
	s.kernel = NULL;
	s.kernel_from = other;
	ck_assert_int_eq(open_and_close(&s), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "looks like a qcow2 image"));
	ck_assert_ptr_nonnull(strstr(e.hint, ",format=qcow2"));
	(void)unlink(other);
	file_make(other, "conectix", 8);
	ck_assert_int_eq(open_and_close(&s), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.hint, "qemu-img convert"));
	(void)unlink(other);
	ck_assert_int_eq(open_and_close(&s), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "open it: No such file or directory"));
	files_clean();
}
END_TEST

START_TEST(looks_at_the_place_of_the_statistics)
{
	struct guest_spec s = files_setup(sizeof(struct small_kernel));
	char text[128];

	s.stats_file = other;
	ck_assert_int_eq(files_check_output(&s, &e), 0);
	ck_assert_int_lt(access(other, F_OK), 0);
	s.stats_file = folder;
	ck_assert_int_eq(files_check_output(&s, &e), -EINVAL);
	(void)snprintf(text, sizeof(text), "%s/none/stats", folder);
	s.stats_file = text;
	ck_assert_int_eq(files_check_output(&s, &e), -EINVAL);
	files_clean();
}
END_TEST

/* What usher adds counts as well, and the sentence says what it is. */
START_TEST(counts_what_is_added_to_a_command_line)
{
	static char text[SPEC_CMDLINE_MAX - 4];
	struct guest_spec s = files_setup(sizeof(struct small_kernel));

	memset(text, 'x', sizeof(text) - 1);
	s.cmdline = text;
	ck_assert_int_eq(engine_ours.check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg,
		"--cmdline: 2042 bytes; a kernel takes at most 2047, and usher adds 9 (panic=-1)");
	files_clean();
}
END_TEST

static void disk_add(struct guest_spec *s, const char *path, bool readonly)
{
	struct guest_virtio *v = &s->virtio[s->virtio_count++];

	*v = (struct guest_virtio){.type = GUEST_VIRTIO_BLK, .disk.queues = 1};
	(void)snprintf(v->disk.path, sizeof(v->disk.path), "%s", path);
	v->disk.readonly = readonly;
}

/* By whatever path: no other guest has it, and the sentence says so. */
START_TEST(a_guest_has_a_disk_once)
{
	struct guest_spec s = files_setup(sizeof(struct small_kernel));
	static const char zeroes[4096];
	char link[72];

	file_make(other, zeroes, sizeof(zeroes));
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	ck_assert_int_eq(symlink(other, link), 0);
	for (unsigned i = 0; i < 3; i++) {
		s.virtio_count = 0;
		disk_add(&s, other, i == 1);
		disk_add(&s, link, i == 2);
		ck_assert_int_eq(open_and_close(&s), -EINVAL);
		ck_assert_ptr_nonnull(strstr(e.msg, "/link' is the guest's already, as '"));
		e = (struct err){0};
		ck_assert_int_eq(files_check_disks(&s, &e), -EINVAL);
		ck_assert_ptr_nonnull(strstr(e.msg, "is the guest's already"));
	}
	s.virtio_count = 0;
	disk_add(&s, other, true);
	disk_add(&s, link, true);
	ck_assert_msg(open_and_close(&s) == 0, "%s", e.msg);
	(void)unlink(link);
	files_clean();
}
END_TEST

SUITE("files", opens_what_a_guest_needs, refuses_a_kernel_cut_short,
	refuses_what_is_no_regular_file, a_kernel_from_an_image_needs_its_format,
	looks_at_the_place_of_the_statistics, counts_what_is_added_to_a_command_line,
	a_guest_has_a_disk_once)
