/* SPDX-License-Identifier: MIT */
#include "bind/variant.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "host/host.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A host of three files that counts the reads of the long one. */
struct fake {
	struct host host;
	const char *aliases;
	int64_t changed;
	int reads;
};

static const char two[] = "alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core\n"
			  "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
			  "alias vfio_pci:v000015B3d*sv*sd*bc*sc*i* any\n"
			  "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n";
static const char mlx[] = "pci:v000015B3d0000101Esv000015B3sd00000001bc02sc00i00\n";

static ssize_t fake_read(struct host *h, const char *path, void *buf, size_t size)
{
	struct fake *f = container_of(h, struct fake, host);
	const char *text = "6.1\n";

	if (strncmp(path, "/tmp/", 5) == 0)
		return host_live()->ops->read(h, path, buf, size);
	if (strcmp(path, "/lib/modules/6.1/modules.alias") == 0) {
		text = f->aliases;
		f->reads++;
	} else if (strcmp(path, "/proc/sys/kernel/osrelease") != 0) {
		return -ENOENT;
	}
	size_t len = strlen(text) < size ? strlen(text) : size;
	memcpy(buf, text, len);
	return (ssize_t)len;
}

static int64_t fake_changed(struct host *h, const char *path)
{
	return container_of(h, struct fake, host)->changed;
}

static const struct host_ops ops = {.read = fake_read, .changed = fake_changed};

START_TEST(finds_the_best)
{
	struct fake f = {.host = {&ops}, .aliases = two};
	struct bind_env env = {.host = &f.host, .state = "/nowhere"};
	char module[64];

	ck_assert_int_eq(bind_variant_find(&env, mlx, module, sizeof(module)), 0);
	ck_assert_str_eq(module, "mlx5_vfio_pci");
	ck_assert_int_eq(bind_variant_find(&env, "pci:v000015B3d00001019sv0sd0bc02sc00i00", module,
				 sizeof(module)),
		0);
	ck_assert_str_eq(module, "any");
	ck_assert_int_eq(bind_variant_find(&env, "pci:v00008086d000010D3sv0sd0bc02sc00i00", module,
				 sizeof(module)),
		-ENOENT);
}
END_TEST

START_TEST(keeps_what_it_found)
{
	char dir[] = "/tmp/usher-variant-XXXXXX", path[FILE_PATH_MAX], module[64];
	struct fake f = {.host = {&ops}, .aliases = two, .changed = 5};
	struct bind_env env = {.host = &f.host};

	env.state = mkdtemp(dir);
	bind_variant_cache(&env);
	f.reads = 0;
	ck_assert_int_eq(bind_variant_find(&env, mlx, module, sizeof(module)), 0);
	ck_assert_str_eq(module, "mlx5_vfio_pci");
	ck_assert_int_eq(f.reads, 0);
	/* usher notices a new module at once. */
	f.aliases = "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* newer\n";
	f.changed = 6;
	ck_assert_int_eq(bind_variant_find(&env, mlx, module, sizeof(module)), 0);
	ck_assert_str_eq(module, "newer");
	bind_variant_cache(&env);
	f.reads = 0;
	ck_assert_int_eq(bind_variant_find(&env, mlx, module, sizeof(module)), 0);
	ck_assert_str_eq(module, "newer");
	ck_assert_int_eq(f.reads, 0);
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/variants", dir), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

SUITE("variant", finds_the_best, keeps_what_it_found)
