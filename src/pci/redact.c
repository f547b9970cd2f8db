/* SPDX-License-Identifier: MIT */
#include "pci/redact.h"

#include "base/endian.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "pci/capability.h"
#include "pci/cmdline.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file's content. A rule writes the redacted content to @out. */
struct page {
	const uint8_t *key;
	const char *data;
	size_t len;
	FILE *out;
};

static void page_put(const struct page *p, const char *data, size_t len)
{
	(void)fwrite(data, 1, len, p->out);
}

/* The whole content is secret. */
static void hide_secret(const struct page *p)
{
	char name[ALIAS_TEXT];
	size_t n = p->len;

	while (n && strchr(" \n", p->data[n - 1]))
		n--;
	if (n)
		(void)fputs(alias_name(p->key, "serial", p->data, n, name), p->out);
	page_put(p, p->data + n, p->len - n);
}

/* Configuration space: hides the Device Serial Number, which a network card makes of its MAC. */
static void hide_dsn(const struct page *p)
{
	struct pci_config c = {0};
	size_t n = min_u64(p->len, sizeof(c.bytes));

	memcpy(c.bytes, p->data, n);
	c.size = n;
	uint16_t off = pci_capability_find(&c, PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_DSN);
	if (off && range_ok(off, PCI_EXT_CAP_DSN_SIZEOF, n))
		le64_put(c.bytes + off + 4, alias_hash(p->key, c.bytes + off + 4, 8));
	page_put(p, (const char *)c.bytes, n);
}

/*
 * Calls @each for each line, without its newline. Empty lines count: messages quote line numbers.
 */
static void page_each_line(const struct page *p, void (*each)(const struct page *p, char *line))
{
	char *text = strndup(p->data, p->len);

	for (char *line = text; line && *line;) {
		char *end = strchrnul(line, '\n');
		bool last = !*end;

		*end = '\0';
		each(p, line);
		line = last ? NULL : end + 1;
	}
	free(text);
}

/* "name:x:uid:…": people keep their number alone. */
static void user_line(const struct page *p, char *line)
{
	char name[ALIAS_TEXT];
	size_t n = strcspn(line, ":");
	unsigned uid;

	if (sscanf(line + n, ":%*[^:]:%u:", &uid) != 1)
		return;
	if (uid >= 1000 && uid < 60000)
		(void)fputs(alias_name(p->key, "user", line, n, name), p->out);
	else
		page_put(p, line, n);
	(void)fprintf(p->out, ":x:%u:%u::/:\n", uid, uid);
}

static void hide_users(const struct page *p)
{
	page_each_line(p, user_line);
}

/* SSH_CONNECTION is "client port server port": usher reads the server's address alone. */
static void hide_environment(const struct page *p)
{
	static const char key[] = "SSH_CONNECTION=";
	const char *end = p->data + p->len;
	char server[64];

	for (const char *x = p->data; x < end; x += strlen(x) + 1)
		if (strncmp(x, key, sizeof(key) - 1) == 0 &&
			sscanf(x + sizeof(key) - 1, "%*s %*s %63s", server) == 1)
			(void)fprintf(p->out, "%s0.0.0.0 0 %s 22%c", key, server, '\0');
}

/* "PID (COMM) S PPID …": keeps fields up to 22, the start time. Later ones hold addresses. */
static void hide_places(const struct page *p)
{
	const char *at = memrchr(p->data, ')', p->len), *end = p->data + p->len;

	for (unsigned field = 2; at && field < 22; field++)
		at = memchr(at + 1, ' ', (size_t)(end - at - 1));
	if (at)
		at = memchr(at + 1, ' ', (size_t)(end - at - 1));
	page_put(p, p->data, at ? (size_t)(at - p->data) : p->len);
	if (at)
		(void)fputc('\n', p->out);
}

/* "0::/system.slice/NAME.service": only the names of services, containers and sessions stay. */
static void cgroup_line(const struct page *p, char *line)
{
	static const char *const fronts[] = {"docker-", "libpod-", "session-"};
	const char *last = strrchr(line, '/');
	size_t n = last ? strlen(last) : 0;
	bool is_kept = n > 8 && strcmp(last + n - 8, ".service") == 0;

	for (size_t i = 0; last && i < COUNT(fronts); i++)
		is_kept = is_kept || strncmp(last + 1, fronts[i], strlen(fronts[i])) == 0;
	if (is_kept)
		(void)fprintf(p->out, "%s\n", line);
	else if (line[0])
		(void)fputs("0::/\n", p->out);
}

static void hide_cgroups(const struct page *p)
{
	page_each_line(p, cgroup_line);
}

static void vfio_line(const struct page *p, char *line)
{
	if (strstr(line, "vfio"))
		(void)fprintf(p->out, "%s\n", line);
}

static void keep_vfio(const struct page *p)
{
	page_each_line(p, vfio_line);
}

#define LEVEL_MAX 7 /* KERN_DEBUG, of facility 0 */

static void message_line(const struct page *p, char *line)
{
	static const char *const words[] = {"DMAR", "AMD-Vi", "iommu", "IOMMU", "vfio", "Remapping",
		"remapping", "BAR ", "ACS", "efifb", "simplefb", "ower state", "not ready ",
		"Slot(", "fallen off", "usage count", "RmInitAdapter", "NVRM: Xid",
		"failed with error", "] type 0", "nvme nvme", "PCIe Bus Error",
		"AER: ", "blocked for more", "unbind_store+", "device_release_driver_internal+",
		"pci_device_remove+", "PCI ROM", "GPU reset", "link lost", "assume dead", "irq "};
	unsigned level;

	/* User space writes with other facilities than the kernel's, and writes anything. */
	if (strstr(line, "ommand line") || (sscanf(line, "<%u>", &level) == 1 && level > LEVEL_MAX))
		return;
	for (size_t i = 0; i < COUNT(words); i++) {
		if (!strstr(line, words[i]))
			continue;
		(void)fprintf(p->out, "%s\n", line);
		return;
	}
}

static void keep_messages(const struct page *p)
{
	page_each_line(p, message_line);
}

static void hide_words(const struct page *p)
{
	cmdline_redact(p->key, p->data, p->len, p->out);
}

/* A remark may hold anything. */
static bool is_remark(const char *line)
{
	return line[strspn(line, " \t")] == '#';
}

static void plain_line(const struct page *p, char *line)
{
	(void)fprintf(p->out, "%s\n", is_remark(line) ? "#" : line);
}

static void hide_remarks(const struct page *p)
{
	page_each_line(p, plain_line);
}

static void time_line(const struct page *p, char *line)
{
	if (strncmp(line, "btime ", 6) == 0)
		(void)fprintf(p->out, "%s\n", line);
}

static void keep_boot_time(const struct page *p)
{
	page_each_line(p, time_line);
}

/* Empty lines stay: messages quote line numbers. */
static void override_line(const struct page *p, char *line)
{
	static const char *const words[] = {"vfio", "driver_override", "drivers_probe", "/bind"};

	for (size_t i = 0; i < COUNT(words) && !is_remark(line); i++) {
		if (!strstr(line, words[i]))
			continue;
		(void)fputs(line, p->out);
		break;
	}
	(void)fputc('\n', p->out);
}

static void keep_overrides(const struct page *p)
{
	page_each_line(p, override_line);
}

/* A configuration of the whole host: only lists of kernel modules stay. */
static void keep_module_lists(const struct page *p)
{
	char *text = strndup(p->data, p->len);
	bool inside = false;

	for (char *line = text, *next; line && *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		inside |= strstr(line, "kernelModules") && !is_remark(line);
		if (inside)
			(void)fputs(line, p->out);
		(void)fputc('\n', p->out);
		inside = inside && !strchr(line, ']');
	}
	free(text);
}

/* Return: the value in a claim's line "KEY VALUE" with blanks around both; NULL for another key. */
static const char *claim_value(const char *line, const char *key)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, n) != 0 || !strspn(line + n, " \t"))
		return NULL;
	return line + n + strspn(line + n, " \t");
}

/* A serial number as in hide_dsn(). One that is not a number becomes "?". */
static void claim_serial(const struct page *p, const char *value)
{
	uint8_t bytes[8];
	uint64_t serial;

	if (num_parse(value, 16, UINT64_MAX, &serial) < 0) {
		(void)fputs("serial ?\n", p->out);
		return;
	}
	le64_put(bytes, serial);
	(void)fprintf(p->out, "serial %016" PRIx64 "\n", alias_hash(p->key, bytes, sizeof(bytes)));
}

static void claim_line(const struct page *p, char *line)
{
	static const char *const names[] = {"user", "user-group"};
	char name[ALIAS_TEXT];

	size_t len = strlen(line);
	while (len && strchr(" \t", line[len - 1]))
		line[--len] = '\0';
	const char *serial = claim_value(line, "serial");
	if (serial) {
		claim_serial(p, serial);
		return;
	}
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *who = claim_value(line, names[i]);
		if (!who || !who[strspn(who, "0123456789")])
			continue;
		(void)fprintf(p->out, "%s %s\n", names[i],
			alias_name(p->key, names[i], who, strlen(who), name));
		return;
	}
	plain_line(p, line);
}

static void hide_claim(const struct page *p)
{
	page_each_line(p, claim_line);
}

static void option_line(const struct page *p, char *line)
{
	if (is_remark(line))
		(void)fputc('#', p->out);
	else if (cmdline_is_option(line))
		cmdline_redact(p->key, line, strlen(line), p->out);
	else
		(void)fputs(line, p->out);
	(void)fputc('\n', p->out);
}

static void hide_options(const struct page *p)
{
	page_each_line(p, option_line);
}

/* Of a domain of libvirt: the frame, the elements of PCI devices, and what is in these. */
static const char *const domain_frame[] = {"<domain", "</domain>", "<devices>", "</devices>"};
static const char *const domain_devices[] = {"<hostdev ", "<interface type='hostdev'",
	"<disk type='nvme'", "</hostdev>", "</interface>", "</disk>"};
static const char *const domain_parts[] = {"<driver ", "<source", "</source>", "<address "};

static bool line_begins(const char *line, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(line, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* @inside: the element of a PCI device. Return: how much of the line stays. */
static size_t domain_line(const char *line, bool *inside)
{
	const char *name = strstr(line, "</name>");
	size_t tag = strcspn(line, ">");

	tag += line[tag] == '>';
	if (strncmp(line, "<name>", 6) == 0)
		return name ? (size_t)(name - line) + strlen("</name>") : 0;
	if (line_begins(line, domain_devices, COUNT(domain_devices))) {
		bool was = *inside, opens = line[1] != '/';
		*inside = opens && line[tag > 1 ? tag - 2 : 0] != '/';
		return was || opens ? tag : 0;
	}
	if (line_begins(line, domain_frame, COUNT(domain_frame)))
		return tag;
	return *inside && line_begins(line, domain_parts, COUNT(domain_parts)) ? tag : 0;
}

/*
 * The XML of a domain has passwords, paths and keys: its name and its PCI devices stay. libvirt
 * writes each element into a line of its own. What someone has written in another way goes.
 */
static void keep_devices(const struct page *p)
{
	char *text = strndup(p->data, p->len), *save = NULL;
	bool inside = false;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		size_t len = domain_line(line, &inside);
		if (strncmp(line, "<domain", 7) == 0)
			(void)fputs("<domain>\n", p->out);
		else if (len)
			(void)fprintf(p->out, "%.*s\n", (int)len, line);
	}
	free(text);
}

/* The file below a loop device: a node in /dev is public, the path of a file may be secret. */
static void hide_backing(const struct page *p)
{
	char name[ALIAS_TEXT];

	if (memmem(p->data, p->len, "/dev/", 5))
		page_put(p, p->data, p->len);
	else
		(void)fprintf(p->out, "/%s\n", alias_name(p->key, "file", p->data, p->len, name));
}

/* Names of udev's links hold serial numbers: /dev/disk/by-id/nvme-MODEL_SERIAL. */
static bool is_link_by_property(const char *path)
{
	return strstr(path, "/by-") != NULL;
}

static void hide_link(const struct page *p)
{
	char name[ALIAS_TEXT];
	size_t n = p->len - (p->len && p->data[p->len - 1] == '\n');

	if (is_link_by_property(p->data))
		(void)fprintf(p->out, "/dev/%s\n", alias_name(p->key, "link", p->data, n, name));
	else
		page_put(p, p->data, p->len);
}

/* Keeps the number of a kernel target's disk, and hides its names. */
static void hide_target(const struct page *p)
{
	const char *number = strstr(p->data, "Major: ");
	const char *file = strstr(p->data, "File: ");
	char name[ALIAS_TEXT];

	if (number)
		(void)fprintf(p->out, "%.*s\n", (int)strcspn(number, "\n"), number);
	const char *end = file ? strstr(file, "  Size: ") : NULL;
	if (!end)
		return;
	file += strlen("File: ");
	size_t n = (size_t)(end - file);
	(void)fputs("File: ", p->out);
	if (memmem(file, n, "/by-", 4))
		(void)fprintf(p->out, "/dev/%s", alias_name(p->key, "link", file, n, name));
	else
		page_put(p, file, n);
	(void)fputs("  Size: \n", p->out);
}

static const struct {
	const char *pattern; /* * matches a slash, too */
	void (*write)(const struct page *p);
} rules[] = {
	{"/sys/*/serial", hide_secret},
	{"/sys/*/serial_number", hide_secret},
	{"/sys/*_serial", hide_secret},
	{"/sys/*/wwid", hide_secret},
	{"/sys/*/nguid", hide_secret},
	{"/sys/*/eui", hide_secret},
	{"/sys/*/subsysnqn", hide_secret},
	{"/sys/*/phys_port_id", hide_secret},
	{"/sys/*/phys_switch_id", hide_secret},
	{"/sys/*/unique_id", hide_secret},
	{"/sys/*/dm/uuid", hide_secret},
	{"/sys/*/loop/backing_file", hide_backing},
	{"/sys/kernel/config/*/device_path", hide_link},
	{"/sys/kernel/config/*/udev_path", hide_link},
	{"/sys/kernel/config/usb_gadget/*/file", hide_link},
	{"/sys/kernel/config/target/*/info", hide_target},
	{"/etc/machine-id", hide_secret},
	{"/etc/hostname", hide_secret},
	{"/proc/sys/kernel/hostname", hide_secret},
	{"/sys/devices/*/config", hide_dsn},
	{"/etc/passwd", hide_users},
	{"/proc/*/stat", hide_places},
	{"/proc/*/cgroup", hide_cgroups},
	{"*/lib/modules/*/modules.alias", keep_vfio},
	{"/dev/kmsg", keep_messages},
	{"/proc/cmdline", hide_words},
	{"/etc/kernel/cmdline", hide_words},
	{"/boot/*cmdline.txt", hide_words},
	{"/etc/default/*", hide_options},
	{"/boot/*", hide_options},
	{"/efi/*", hide_options},
	{"/*/modprobe.d/*", hide_remarks},
	{"/*/modules-load.d/*", hide_remarks},
	{"/etc/modules", hide_remarks},
	{"/proc/stat", keep_boot_time},
	{"/etc/nixos/*", keep_module_lists},
	{"/etc/mkinitcpio.conf*", hide_remarks},
	{"*/dracut.conf*", hide_remarks},
	{"/etc/booster.yaml", hide_remarks},
	{"/etc/initramfs-tools/modules", hide_remarks},
	{"/etc/initramfs-tools/scripts/*", keep_overrides},
	{"/etc/initcpio/hooks/*", keep_overrides},
	{"/etc/usher/claims.d/*", hide_claim},
	{"/etc/libvirt/*.xml", keep_devices},
	{"/run/libvirt/*.xml", keep_devices},
};

static int rewrite_entry(
	struct manifest_entry *x, const uint8_t *key, void (*write)(const struct page *p))
{
	char *data = NULL;
	struct text t;

	if (text_begin(&t) < 0)
		return -ENOMEM;
	write(&(struct page){key, x->data, x->len, t.out});
	int len = text_end(&t, &data);
	if (len < 0)
		return len;
	free(x->data);
	x->data = data;
	x->len = (size_t)len;
	return 0;
}

static int redact_entry(struct manifest_entry *x, const uint8_t *key)
{
	int r = 0;

	if (x->kind == MANIFEST_FILE && fnmatch("/proc/*/environ", x->path, 0) == 0)
		return rewrite_entry(x, key, hide_environment);
	/* The UUIDs in names of firmware variables are public constants. */
	if (!key || strncmp(x->path, "/sys/firmware/efi/", 18) == 0)
		return 0;
	alias_scrub(key, x->path, strlen(x->path));
	if (x->kind != MANIFEST_FILE && x->kind != MANIFEST_LINK)
		return 0;
	for (size_t i = 0; x->kind == MANIFEST_FILE && i < COUNT(rules); i++) {
		if (fnmatch(rules[i].pattern, x->path, 0) != 0)
			continue;
		r = rewrite_entry(x, key, rules[i].write);
		break;
	}
	if (r == 0 && !memchr(x->data, '\0', x->len))
		alias_scrub(key, x->data, x->len);
	return r;
}

static int entry_order(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	return manifest_compare(x->path, y->path);
}

/* Sorts again: names that hold a MAC have changed. Drops all but one of equal names. */
static void sort_entries(struct manifest *m)
{
	size_t n = 0;

	if (m->entry_count)
		qsort(m->entries, m->entry_count, sizeof(*m->entries), entry_order);
	for (size_t i = 0; i < m->entry_count; i++) {
		if (n && strcmp(m->entries[n - 1].path, m->entries[i].path) == 0) {
			free(m->entries[i].path);
			free(m->entries[i].data);
		} else {
			m->entries[n++] = m->entries[i];
		}
	}
	m->entry_count = n;
}

/* Redacts a path as the files that name it are redacted, so that usher still finds it. */
static int redact_path(char **path, const uint8_t *key)
{
	char name[ALIAS_TEXT];

	if (!is_link_by_property(*path)) {
		alias_scrub(key, *path, strlen(*path));
		return 0;
	}
	char *hidden = NULL;
	if (asprintf(&hidden, "/dev/%s", alias_name(key, "link", *path, strlen(*path), name)) < 0)
		return -ENOMEM;
	free(*path);
	*path = hidden;
	return 0;
}

static void redact_address(struct host_net_address *a, const uint8_t *key)
{
	alias_scrub(key, a->interface, strlen(a->interface));
	if (a->family == AF_INET6)
		alias_ipv6(key, a->bytes);
}

int manifest_redact(struct manifest *m, const uint8_t *key)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->entry_count; i++)
		r = redact_entry(&m->entries[i], key);
	sort_entries(m);
	for (size_t i = 0; r == 0 && key && i < m->paths.count; i++)
		r = redact_path(&m->paths.list[i].name, key);
	for (size_t i = 0; key && i < m->time_count; i++)
		alias_scrub(key, m->times[i].path, strlen(m->times[i].path));
	for (size_t i = 0; key && i < m->use_count; i++) {
		struct host_net_use *u = &m->uses[i];

		alias_scrub(key, u->lower, strlen(u->lower));
		alias_scrub(key, u->name, strlen(u->name));
		alias_scrub(key, u->owner, strlen(u->owner));
	}
	for (size_t i = 0; key && i < m->address_count; i++)
		redact_address(&m->addresses[i], key);
	for (size_t i = 0; key && i < m->way_count; i++)
		redact_address(&m->ways[i], key);
	return r;
}
