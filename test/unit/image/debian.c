/* SPDX-License-Identifier: MIT */
#include "image/debian.h"

#include "base/err.h"
#include "base/num.h"
#include "shell.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The real mke2fs; a script in place of mmdebstrap, which does what a test wants. */
static char home[] = "/tmp/usher-debian-test-XXXXXX";
static struct err e;

/* A program of this name, which runs these lines. */
static void program_write(const char *name, const char *lines)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/bin/%s", home, name);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "#!/bin/sh\n%s\n", lines);
	(void)fclose(f);
	ck_assert_int_eq(chmod(path, 0755), 0);
}

/* Its last words are SUITE TARGET MIRROR. An ordinary user's comes as an archive. */
#define FILL                                                          \
	"[ \"$1\" != --unshare-helper ] || { shift; exec \"$@\"; }\n" \
	"echo \"$@\" >\"$HOME_OF_TEST/words\"\n"                      \
	"for w; do target=$before; before=$w; done\n"                 \
	"root=$target; [ \"$root\" != - ] || root=$WORK/tmp/root\n"   \
	"mkdir -p \"$root/etc\" \"$root/boot\" && echo a kernel >\"$root/boot/vmlinuz\"\n"
#define PACK "[ \"$target\" != - ] || tar -C \"$root\" -cf - .\n"

static void setup(void)
{
	char path[512];

	ck_assert_ptr_nonnull(mkdtemp(home));
	ck_assert_int_eq(chdir(home), 0);
	sh("mkdir bin tmp && chmod 711 .");
	(void)snprintf(path, sizeof(path), "%s/bin:/usr/bin:/bin:/usr/sbin:/sbin", home);
	ck_assert_int_eq(setenv("PATH", path, 1), 0);
	(void)snprintf(path, sizeof(path), "%s/tmp", home);
	ck_assert_int_eq(setenv("TMPDIR", path, 1), 0);
	program_write("fakeroot", "exec \"$@\"");
	program_write("newuidmap", "");
	(void)snprintf(path, sizeof(path), "HOME_OF_TEST=%s\n" FILL PACK, home);
	program_write("mmdebstrap", path);
}

static void teardown(void)
{
	(void)shell_run(home, "cd / && rm -rf %s", home);
}

static unsigned begun; /* how often the work began */

static void begin_count(const struct debian_request *q)
{
	begun++;
}

static int make_with(struct debian_request q)
{
	q.begins = begin_count;
	q.path = "debian.img";
	q.size = MIB(8);
	e = (struct err){0};
	return debian_make(&q, &e);
}

static int make(void)
{
	return make_with(DEBIAN_DEFAULT);
}

START_TEST(makes_an_image)
{
	struct debian_request q = DEBIAN_DEFAULT;

	sh("echo ssh-ed25519 AAAA me >key.pub");
	q.ssh_key = "key.pub";
	q.include = "vim,gcc";
	q.suite = "trixie";
	ck_assert_msg(make_with(q) == 0, "%s", e.msg);
	sh("debugfs -R 'cat /boot/vmlinuz' debian.img | grep -q 'a kernel'");
	sh("grep -q 'include=systemd-sysv,.*systemd-resolved,openssh-server,vim,gcc ' words");
	sh("grep -q ' trixie ' words && [ \"$(stat -c %%a,%%s debian.img)\" = 600,8388608 ]");
	sh("[ -z \"$(ls -A tmp)\" ]");
	ck_assert_uint_eq(begun, 1);
	ck_assert_int_eq(make(), -EEXIST);
	ck_assert_uint_eq(begun, 1);
}
END_TEST

/* What the new root gets, without its packages. */
START_TEST(finishes_the_root)
{
	char lines[2048];

	sh("echo ssh-ed25519 AAAA me >key.pub && echo 'echo hooked >\"$1/etc/hook\"' >hook");
	(void)snprintf(lines, sizeof(lines),
		"HOME_OF_TEST=%s\n" FILL "for w; do case $w in --customize-hook=*)\n"
		"	sh -c \"${w#*=}\" exec \"$root\";; esac; done"
		" >&2 || exit 1\n" PACK,
		home);
	program_write("mmdebstrap", lines);
	program_write("chroot", "echo \"$@\" >>\"$WORK/../../chroots\"");
	struct debian_request q = DEBIAN_DEFAULT;
	q.ssh_key = "key.pub";
	q.hook = "hook";
	sh("mkdir -p tmp");
	ck_assert_msg(make_with(q) == 0, "%s", e.msg);
	sh("debugfs -R 'cat /root/.ssh/authorized_keys' debian.img | grep -q 'AAAA me'");
	sh("debugfs -R 'cat /etc/systemd/network/80-dhcp.network' debian.img | "
	   "grep -q DHCP=yes");
	sh("debugfs -R 'cat /etc/hook' debian.img | grep -q hooked");
	sh("grep -q '^. passwd -d root' chroots && grep -q 'enable systemd-networkd' chroots");
}
END_TEST

START_TEST(refuses_words)
{
	struct debian_request q = DEBIAN_DEFAULT;

	q.suite = "-x";
	ck_assert_int_eq(make_with(q), -EINVAL);
	q.suite = "a$(touch hit)";
	ck_assert_int_eq(make_with(q), -EINVAL);
	q = DEBIAN_DEFAULT;
	q.include = "vim --x";
	ck_assert_int_eq(make_with(q), -EINVAL);
	q = DEBIAN_DEFAULT;
	q.mirror = "/etc";
	ck_assert_int_eq(make_with(q), -EINVAL);
	q = DEBIAN_DEFAULT;
	sh("printf -- '-----BEGIN OPENSSH PRIVATE KEY-----\\n' >key");
	q.ssh_key = "key";
	ck_assert_int_eq(make_with(q), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.hint, "key.pub"));
	q.ssh_key = "absent";
	ck_assert_int_eq(make_with(q), -ENOENT);
	ck_assert_uint_eq(begun, 0);
	sh("! [ -e debian.img ] && ! [ -e words ] && [ -z \"$(ls -A tmp)\" ]");
}
END_TEST

START_TEST(names_what_is_missing)
{
	sh("rm bin/mmdebstrap");
	ck_assert_int_eq(setenv("PATH", "bin", 1), 0);
	ck_assert_int_eq(make(), -ENOENT);
	ck_assert_msg(strstr(e.hint, "package mmdebstrap") != NULL, "%s %s", e.msg, e.hint);
}
END_TEST

START_TEST(leaves_nothing_of_a_failure)
{
	program_write("mmdebstrap", "[ \"$1\" != --unshare-helper ] || { shift; exec \"$@\"; }\n"
				    "mkdir -p \"$WORK/root/etc\"; echo I: works >&2\n"
				    "echo 'E: no such suite' >&2; echo I: ends >&2\n"
				    "echo 'E: mmdebstrap failed to run' >&2; exit 25");
	ck_assert_int_eq(make(), -EIO);
	ck_assert_str_eq(e.msg, "no Debian was made: no such suite");
	sh("! [ -e debian.img ] && [ -z \"$(ls -A tmp)\" ]");
	/* The system has no room in the image. */
	program_write("mmdebstrap",
		"[ \"$1\" != --unshare-helper ] || { shift; exec \"$@\"; }\n"
		"for w; do target=$before; before=$w; done\n"
		"root=$target; [ \"$root\" != - ] || root=$WORK/tmp/root; mkdir -p \"$root\"\n"
		"head -c 20000000 /dev/urandom >\"$root/large\"\n" PACK);
	ck_assert_int_eq(make(), -EIO);
	ck_assert_ptr_nonnull(strstr(e.hint, "--size"));
	sh("! [ -e debian.img ] && [ -z \"$(ls -A tmp)\" ]");
}
END_TEST

static void wait_for(const char *script)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	for (int i = 0; i < 1500 && shell_run(home, "%s", script) != 0; i++)
		(void)nanosleep(&pause, NULL);
	sh("%s", script);
}

/* It works, with a mount if it may, until it is ended. */
static pid_t make_for_ever(void)
{
	program_write("mmdebstrap",
		"[ \"$1\" != --unshare-helper ] || { shift; exec \"$@\"; }\n"
		"mkdir \"$WORK/mounted\"; mount -t tmpfs none \"$WORK/mounted\"\n"
		"touch \"$WORK/works\"; exec sleep 1000");
	pid_t pid = fork();
	if (pid == 0)
		_exit(make() == -EINTR ? 0 : 1);
	wait_for("ls tmp/*/works");
	return pid;
}

START_TEST(leaves_nothing_when_it_is_interrupted)
{
	int status;
	pid_t pid = make_for_ever();

	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	sh("! [ -e debian.img ] && [ -z \"$(ls -A tmp)\" ]");
}
END_TEST

START_TEST(leaves_no_mount_when_it_is_killed)
{
	pid_t pid = make_for_ever();

	sh("! grep usher-debian-test /proc/self/mounts");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	/* Nobody has the folder as its own any more: the processes are gone. */
	wait_for("! ls -l /proc/[0-9]*/cwd | grep usher-debian-test-.*/tmp/");
	sh("! grep usher-debian-test /proc/self/mounts && [ -n \"$(ls -A tmp)\" ]");
	char lines[1024];
	(void)snprintf(lines, sizeof(lines), "HOME_OF_TEST=%s\n" FILL PACK, home);
	program_write("mmdebstrap", lines);
	ck_assert_msg(make() == 0, "%s", e.msg);
	sh("[ -z \"$(ls -A tmp)\" ]");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {makes_an_image, finishes_the_root, refuses_words,
		names_what_is_missing, leaves_nothing_of_a_failure,
		leaves_nothing_when_it_is_interrupted, leaves_no_mount_when_it_is_killed};
	TCase *c = suite_case("image_debian", tests, COUNT(tests));

	tcase_add_checked_fixture(c, setup, teardown);
	return suite_run_case("image_debian", c);
}
