/* SPDX-License-Identifier: MIT */
#include "engine/image_chain.h"

#include "base/err.h"
#include "engine/image_info.h"
#include "program/tool.h"
#include "shell.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Real images, which qemu-img makes outside of any confinement, and headers that are made to harm.
 */
static char home[] = "/tmp/usher-chain-XXXXXX";
static struct image_chain chain;
static struct err e;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(home));
}

static void teardown(void)
{
	image_chain_close(&chain);
	sh("cd / && rm -rf %s", home);
}

static int look_as(const char *name, const char *format, const char *backing)
{
	char path[128], other[128];
	const char *list[] = {other};
	struct image_request q = {.path = path, .format = format, .run_dir = home};

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	(void)snprintf(other, sizeof(other), "%s/%s", home, backing ? backing : "");
	q.backing = list;
	q.backing_count = backing ? 1 : 0;
	image_chain_close(&chain);
	e = (struct err){0};
	return image_chain_read(&q, &chain, &e);
}

static int look(const char *name)
{
	return look_as(name, NULL, NULL);
}

static void expect_chain(const char *name, size_t count)
{
	ck_assert_msg(look(name) == 0, "%s", e.msg);
	ck_assert_msg(chain.stop.code == 0, "%s", chain.stop.msg);
	ck_assert_uint_eq(chain.count, count);
}

/* It is read, and the next file is not: @text says why. */
static void expect_stop(const char *name, int code, const char *text)
{
	ck_assert_msg(look(name) == 0, "%s", e.msg);
	ck_assert_uint_eq(chain.count, 1);
	ck_assert_msg(chain.stop.code == code && strstr(chain.stop.msg, text), "%d %s",
		chain.stop.code, chain.stop.msg);
}

static void expect_refused(const char *name, const char *text)
{
	int r = look(name);

	ck_assert_msg(r == -EINVAL && strstr(e.msg, text), "%d '%s'", r, e.msg);
}

/* Writes @size bytes of big end to the file's header. */
static void patch(const char *name, off_t at, uint64_t value, int size)
{
	uint8_t bytes[8];
	char path[128];

	for (int i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, bytes, (size_t)size, at), size);
	close(fd);
}

START_TEST(names_each_format)
{
	static const char *const formats[] = {"qcow2", "vmdk", "vhdx", "vdi", "vpc", "qed"};

	sh("truncate -s 3M raw");
	expect_chain("raw", 1);
	ck_assert_str_eq(chain.parts[0].format, "raw");
	ck_assert_uint_eq(chain.parts[0].size, 3 << 20);
	for (size_t i = 0; i < 6; i++) {
		sh("qemu-img create -f %s disk 16M", formats[i]);
		expect_chain("disk", 1);
		ck_assert_str_eq(chain.parts[0].format, formats[i]);
		ck_assert_uint_ge(chain.parts[0].size, 16 << 20);
	}
}
END_TEST

START_TEST(reads_a_raw_one_without_qemu_img)
{
	sh("truncate -s 1M raw");
	ck_assert_int_eq(setenv("PATH", "/nowhere", 1), 0);
	expect_chain("raw", 1);
	ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
	sh("qemu-img create -f qcow2 disk 1M");
	ck_assert_int_eq(setenv("PATH", "/nowhere", 1), 0);
	ck_assert_int_eq(look("disk"), -ENOENT);
	ck_assert_msg(strstr(e.hint, "qemu-utils (outside of Debian and Ubuntu: qemu-img)") != NULL,
		"%s", e.hint);
	ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
}
END_TEST

START_TEST(follows_what_lies_beside)
{
	sh("truncate -s 8M base && qemu-img create -f qcow2 -F raw -b base mid && "
	   "qemu-img create -f qcow2 -F qcow2 -b %s/mid top",
		home);
	expect_chain("top", 3);
	ck_assert_str_eq(chain.parts[2].format, "raw");
	ck_assert_ptr_nonnull(strstr(chain.parts[2].path, "/base"));
	sh("ln -s base link && qemu-img rebase -u -F raw -b link mid");
	expect_stop("mid", -EPERM, "symbolic link");
	sh("qemu-img rebase -u -F raw -b gone mid");
	expect_stop("mid", -ENOENT, "'gone'");
}
END_TEST

START_TEST(follows_no_path_of_a_header)
{
	sh("mkdir sub && cp /bin/true sub/base && qemu-img create -f qcow2 disk 8M && "
	   "qemu-img rebase -u -F raw -b /etc/shadow disk");
	expect_stop("disk", -EPERM, "'/etc/shadow' as its backing file, which is not beside it");
	sh("qemu-img rebase -u -F raw -b ../../etc/shadow disk");
	expect_stop("disk", -EPERM, "not beside it");
	sh("qemu-img rebase -u -F raw -b sub/base disk");
	expect_stop("disk", -EPERM, "not beside it");
	ck_assert_int_eq(look_as("disk", "qcow2", "sub/base"), 0);
	ck_assert_uint_eq(chain.count, 2);
	sh("qemu-img rebase -u -F raw -b "
	   "'json:{\"driver\":\"file\",\"filename\":\"/etc/shadow\"}' disk");
	expect_stop("disk", -EINVAL, "not a path");
	sh("qemu-img rebase -u -F raw -b nbd://127.0.0.1/x disk");
	expect_stop("disk", -EINVAL, "not a path");
	sh("qemu-img rebase -u -F raw -b . disk");
	expect_stop("disk", -EINVAL, "neither");
}
END_TEST

/* Who owns the image may replace its folder by a link while usher looks at it. */
START_TEST(follows_no_folder_that_has_changed)
{
	struct image_part p = {.backing = "base"};
	const struct image_request q = {.run_dir = home};
	char path[IMAGE_PATH_MAX];
	int fd = -1;

	sh("mkdir own other && touch own/disk own/base other/base other/disk");
	(void)snprintf(p.path, sizeof(p.path), "%s/own/disk", home);
	p.fd = open(p.path, O_PATH | O_CLOEXEC);
	ck_assert_int_eq(image_backing_open(&q, &p, path, &fd, &e), 0);
	close(fd);
	sh("mv own was && ln -s other own");
	ck_assert_int_eq(image_backing_open(&q, &p, path, &fd, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "not beside it"));
	close(p.fd);
}
END_TEST

START_TEST(guesses_no_backing_format)
{
	sh("truncate -s 8M base && qemu-img create -f qcow2 -F raw -b base disk && "
	   "python3 -c 'd = open(\"disk\", \"rb\").read(); "
	   "open(\"disk\", \"wb\").write(d.replace(bytes.fromhex(\"e2792aca\"), b\"none\"))'");
	expect_stop("disk", -EINVAL, "does not record the format");
}
END_TEST

START_TEST(ends_in_loops)
{
	sh("qemu-img create -f qcow2 disk 8M && qemu-img rebase -u -F qcow2 -b disk disk");
	expect_stop("disk", -ELOOP, "its own backing file");
	sh("qemu-img create -f qcow2 a 8M && cp a b && "
	   "qemu-img rebase -u -F qcow2 -b b a && qemu-img rebase -u -F qcow2 -b a b");
	ck_assert_int_eq(look("a"), 0);
	ck_assert_int_eq(chain.stop.code, -ELOOP);
	sh("qemu-img create -f qcow2 0 8M; for n in $(seq 20); do "
	   "qemu-img create -f qcow2 $n 8M && qemu-img rebase -u -F qcow2 -b $((n - 1)) $n; done");
	ck_assert_int_eq(look("20"), 0);
	ck_assert_uint_eq(chain.count, IMAGE_CHAIN_MAX);
	ck_assert_ptr_nonnull(strstr(chain.stop.msg, "more than"));
}
END_TEST

START_TEST(refuses_damage)
{
	sh("qemu-img create -f qcow2 disk 8M");
	patch("disk", 36, UINT32_MAX, 4); /* L1 entries */
	expect_refused("disk", "damaged");
	sh("qemu-img create -f qcow2 disk 8M");
	patch("disk", 60, UINT32_MAX, 4); /* snapshots */
	expect_refused("disk", "damaged");
	sh("qemu-img create -f qcow2 disk 8M");
	patch("disk", 24, UINT64_MAX, 8); /* size */
	expect_refused("disk", "damaged");
	sh("printf 'QFI\\373\\0\\0\\0\\3' >disk");
	expect_refused("disk", "damaged");
	sh("printf 'LUKS\\272\\276' >disk && truncate -s 1M disk");
	expect_refused("disk", "does not read the format luks");
	sh("rm disk && mkdir disk");
	expect_refused("disk", "neither");
	sh("rmdir disk && mkfifo disk");
	expect_refused("disk", "neither");
	ck_assert_int_eq(look("nothing"), -ENOENT);
}
END_TEST

START_TEST(reaches_no_extent)
{
	sh("printf '# Disk DescriptorFile\\nversion=1\\nCID=fffffffe\\nparentCID=ffffffff\\n"
	   "createType=\"monolithicFlat\"\\nRW 8 FLAT \"/etc/shadow\" 0\\n"
	   "ddb.adapterType = \"ide\"\\n' >disk.vmdk");
	expect_refused("disk.vmdk", "names other files, which usher does not open");
	sh("qemu-img create -f qcow2 -o data_file=%s/data,data_file_raw=on disk 8M", home);
	ck_assert_int_eq(look("disk"), chain.count ? 0 : -EINVAL);
	if (chain.count)
		ck_assert_ptr_nonnull(strstr(chain.stop.msg, "another file"));
}
END_TEST

/* What has taken qemu-img over may say anything. */
START_TEST(believes_no_answer)
{
	static const char *const wrong[] = {"", "[]", "{}", "{\"format\":\"qcow2\"}",
		"{\"format\":\"raw\",\"virtual-size\":1}",
		"{\"format\":\"qcow2\",\"virtual-size\":-1}",
		"{\"format\":\"qcow2\",\"virtual-size\":\"1\"}",
		"{\"format\":\"qcow2\",\"virtual-size\":1} {}",
		"{\"format\":[[[[[[[[[[1]]]]]]]]]],\"virtual-size\":1}",
		"{\"format\":\"a-longer-name-of-one\",\"virtual-size\":1}"};
	struct image_part p = {.fd = -1, .format = "qcow2"};
	char *text;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(image_info_parse(&p, wrong[i], strlen(wrong[i]), &e) == -EINVAL, "%s",
			wrong[i]);
	/* A name that is cut off would be another file's. */
	ck_assert_int_gt(asprintf(&text,
				 "{\"format\":\"qcow2\",\"virtual-size\":1,\"backing-filename\":"
				 "\"%0600d\"}",
				 0),
		0);
	ck_assert_int_eq(image_info_parse(&p, text, strlen(text), &e), -EINVAL);
	free(text);
	text = suite_copy("{\"format\":\"qcow2\",\"virtual-size\":512,\"encrypted\":1,"
			  "\"snapshots\":{},\"format-specific\":[],\"cluster-size\":-5}");
	ck_assert_int_eq(image_info_parse(&p, text, strlen(text), &e), 0);
	ck_assert_uint_eq(p.size, 512);
	ck_assert(!p.encrypted && !p.cluster && !p.snapshot_count);
	free(text);
}
END_TEST

/* What takes qemu-img over finds nothing: a shell in its place looks around. */
START_TEST(finds_nothing_of_the_host)
{
	struct tool_end end = {0};
	struct tool *t = NULL;
	char path[128];

	sh("echo of the image >disk && chmod 600 disk");
	(void)snprintf(path, sizeof(path), "%s/disk", home);
	int fd = open(path, O_PATH | O_CLOEXEC);
	ck_assert_int_eq(tool_new("/usr/bin/python3", "python3", home, &t, &e), 0);
	ck_assert_int_eq(tool_file(t, path, fd, "/image", false, &e), 0);
	program_word(&t->program, "-Sc");
	program_word(&t->program,
		"import os, socket\n"
		"def attempt(what):\n"
		"    try: return what()\n"
		"    except OSError as e: return e.errno\n"
		"print(sorted(os.listdir('/')))\n"
		"print(open('/image').read().strip(), attempt(lambda: open('/image', 'w')))\n"
		"print(attempt(lambda: socket.socket(40, 1)), attempt(lambda: os.kill(1, 0)))\n"
		"print(os.getuid() == 0, os.listdir('/etc'), attempt(lambda: open('/x', 'w')))\n");
	ck_assert_msg(tool_run(t, &end, &e) == 0, "%s", e.msg);
	ck_assert_msg(end.status == 0, "%s", end.said);
	ck_assert_ptr_nonnull(strstr(end.out, "of the image 30"));
	ck_assert_msg(!strstr(end.out, "'proc'") && !strstr(end.out, "'sys'") &&
			      !strstr(end.out, "'home'") && !strstr(end.out, "'run'"),
		"%s", end.out);
	ck_assert_msg(strstr(end.out, "13 1\n") || strstr(end.out, "13 None\n"), "%s", end.out);
	ck_assert_msg(strstr(end.out, "False ['ld.so.cache'] 30"), "%s", end.out);
	free(end.out);
	tool_free(t);
	close(fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {names_each_format, reads_a_raw_one_without_qemu_img,
		follows_what_lies_beside, follows_no_path_of_a_header,
		follows_no_folder_that_has_changed, guesses_no_backing_format, ends_in_loops,
		refuses_damage, reaches_no_extent, believes_no_answer, finds_nothing_of_the_host};
	TCase *c = suite_case("image_chain", tests, sizeof(tests) / sizeof(tests[0]));

	tcase_add_checked_fixture(c, setup, teardown);
	return suite_run_case("image_chain", c);
}
