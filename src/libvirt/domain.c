/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a text that is not exactly what libvirt writes for a PCI device is an error. A device
 * that usher overlooks would be bound by libvirt without a question who uses it.
 *
 * libxml2 parses. A document type is refused before its first declaration, so no entity is ever
 * defined and none expands; libxml2's own limits bound depth and length. Only elements at the
 * places that libvirt reads count: a <hostdev> in the metadata of a domain is no device.
 */
#include "libvirt/domain.h"

#include "base/err.h"
#include "base/load.h"
#include "base/num.h"

#include <errno.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

static struct {
	__typeof__(xmlNewParserCtxt) *new_context;
	__typeof__(xmlFreeParserCtxt) *free_context;
	__typeof__(xmlCtxtReadMemory) *read_memory;
	__typeof__(xmlStopParser) *stop;
	__typeof__(xmlCtxtGetLastError) *last_error;
	__typeof__(xmlDocGetRootElement) *root;
	__typeof__(xmlFreeDoc) *free_document;
} lib;

static int load_libxml(struct err *e)
{
	static const struct load_symbol symbols[] = {
		{"xmlNewParserCtxt", &lib.new_context},
		{"xmlFreeParserCtxt", &lib.free_context},
		{"xmlCtxtReadMemory", &lib.read_memory},
		{"xmlStopParser", &lib.stop},
		{"xmlCtxtGetLastError", &lib.last_error},
		{"xmlDocGetRootElement", &lib.root},
		{"xmlFreeDoc", &lib.free_document},
	};

	return load_library(LOAD_LIBXML, "libxml2", symbols, COUNT(symbols), e);
}

/* One domain that is parsed. */
struct reader {
	struct libvirt_domain domain;
	size_t room; /* in domain.devices */
	struct err *e;
};

void libvirt_domain_fini(struct libvirt_domain *d)
{
	free(d->name);
	free(d->devices);
	*d = LIBVIRT_DOMAIN_NONE;
}

static bool element_is(const xmlNode *n, const char *name)
{
	return n->type == XML_ELEMENT_NODE && !n->ns && strcmp((const char *)n->name, name) == 0;
}

/* The next element of that name among @n and those behind it; NULL for none. */
static const xmlNode *element_find(const xmlNode *n, const char *name)
{
	while (n && !element_is(n, name))
		n = n->next;
	return n;
}

/* The text of an attribute or of an element without others inside; "" for none. */
static const char *content_of(const xmlNode *first)
{
	bool is_text =
		first && (first->type == XML_TEXT_NODE || first->type == XML_CDATA_SECTION_NODE);

	return is_text && first->content ? (const char *)first->content : "";
}

/* An attribute's value; NULL for none. */
static const char *value_of(const xmlNode *n, const char *name)
{
	for (const xmlAttr *a = n->properties; a; a = a->next)
		if (!a->ns && strcmp((const char *)a->name, name) == 0)
			return content_of(a->children);
	return NULL;
}

static bool value_is(const xmlNode *n, const char *name, const char *value)
{
	const char *found = value_of(n, name);

	return found && strcmp(found, value) == 0;
}

/* libvirt writes "0x01" and reads every form of C. A number that is not there is 0. */
static int read_number(
	struct reader *rd, const xmlNode *n, const char *name, uint64_t max, uint64_t *ret)
{
	const char *value = value_of(n, name);

	*ret = 0;
	if (!value || num_parse(value, 0, max, ret) == 0)
		return 0;
	return err_say(rd->e, -EBADMSG, "line %ld: '%s' of a PCI address is '%.40s'", (long)n->line,
		name, value);
}

static int read_address(struct reader *rd, const xmlNode *n, struct pci_address *ret)
{
	uint64_t domain = 0, bus = 0, slot = 0, function = 0;

	int r = read_number(rd, n, "domain", UINT32_MAX, &domain);
	r = r < 0 ? r : read_number(rd, n, "bus", 0xff, &bus);
	r = r < 0 ? r : read_number(rd, n, "slot", 0x1f, &slot);
	r = r < 0 ? r : read_number(rd, n, "function", 7, &function);
	if (r < 0)
		return r;
	*ret = (struct pci_address){
		(uint32_t)domain, (uint8_t)bus, (uint8_t)slot, (uint8_t)function};
	return 0;
}

static struct libvirt_device *device_find(struct libvirt_domain *d, struct pci_address a)
{
	for (size_t i = 0; i < d->count; i++)
		if (pci_address_equal(d->devices[i].address, a))
			return &d->devices[i];
	return NULL;
}

static int device_add(struct reader *rd, const struct libvirt_device *device)
{
	struct libvirt_domain *d = &rd->domain;

	if (device_find(d, device->address))
		return 0;
	if (d->count == LIBVIRT_DEVICES_MAX)
		return err_say(rd->e, -EBADMSG, "more than %d PCI devices", LIBVIRT_DEVICES_MAX);
	if (d->count == rd->room) {
		size_t room = rd->room ? 2 * rd->room : 8;
		struct libvirt_device *list = reallocarray(d->devices, room, sizeof(*list));
		if (!list)
			return err_set(rd->e, -ENOMEM, "PCI devices of a domain");
		d->devices = list;
		rd->room = room;
	}
	d->devices[d->count++] = *device;
	return 0;
}

/* @n: the element of the device; @flagged: the element that says whether libvirt manages it. */
static int read_device(struct reader *rd, const xmlNode *n, const xmlNode *flagged)
{
	struct libvirt_device device = {.managed = value_is(flagged, "managed", "yes")};
	const xmlNode *source = element_find(n->children, "source");
	const xmlNode *address = source ? element_find(source->children, "address") : NULL;
	const xmlNode *driver = element_find(n->children, "driver");
	const char *model = driver ? value_of(driver, "model") : NULL;

	if (!address)
		return err_say(rd->e, -EBADMSG, "line %ld: a PCI device without an address",
			(long)n->line);
	if (value_of(address, "type") && !value_is(address, "type", "pci"))
		return 0;
	if (model && strlen(model) >= sizeof(device.driver))
		return err_say(rd->e, -EBADMSG, "line %ld: the name of a driver is too long",
			(long)driver->line);
	(void)snprintf(device.driver, sizeof(device.driver), "%s", model ? model : "");
	int r = read_address(rd, address, &device.address);
	return r < 0 ? r : device_add(rd, &device);
}

/* Of a network that is a pool of devices, the state of a running domain has the one it got. */
static int read_interface(struct reader *rd, const xmlNode *n)
{
	const xmlNode *actual = element_find(n->children, "actual");

	if (value_is(n, "type", "hostdev"))
		return read_device(rd, n, n);
	return actual && value_is(actual, "type", "hostdev") ? read_device(rd, actual, actual) : 0;
}

static int read_element(struct reader *rd, const xmlNode *n)
{
	if (element_is(n, "hostdev"))
		return value_is(n, "type", "pci") ? read_device(rd, n, n) : 0;
	if (element_is(n, "interface"))
		return read_interface(rd, n);
	if (!element_is(n, "disk") || !value_is(n, "type", "nvme"))
		return 0;
	const xmlNode *source = element_find(n->children, "source");
	return read_device(rd, n, source ? source : n);
}

/* 0 for what is not a process: then the domain is like any other. */
static pid_t read_keeper(const xmlNode *root)
{
	const xmlNode *metadata = element_find(root->children, "metadata");
	uint64_t pid = 0;

	for (const xmlNode *n = metadata ? metadata->children : NULL; n; n = n->next) {
		bool is_ours = n->type == XML_ELEMENT_NODE && n->ns && n->ns->href &&
			       strcmp((const char *)n->ns->href, LIBVIRT_METADATA) == 0 &&
			       strcmp((const char *)n->name, "guest") == 0;
		const char *value = is_ours ? value_of(n, "keeper") : NULL;
		if (value && num_parse(value, 10, INT32_MAX, &pid) == 0)
			return (pid_t)pid;
	}
	return 0;
}

/* The state that libvirt keeps of a running domain has it inside. */
static const xmlNode *find_domain(const xmlNode *root)
{
	return root && element_is(root, "domstatus") ? element_find(root->children, "domain")
						     : root;
}

static int read_domain(struct reader *rd, const xmlNode *root)
{
	if (!root || !element_is(root, "domain"))
		return err_say(rd->e, -EBADMSG, "is not a <domain>");
	const xmlNode *name = element_find(root->children, "name");
	rd->domain.name = strdup(name ? content_of(name->children) : "");
	if (!rd->domain.name)
		return err_set(rd->e, -ENOMEM, "name of a domain");
	rd->domain.keeper = read_keeper(root);
	const xmlNode *part = root->children;
	while ((part = element_find(part, "devices"))) {
		for (const xmlNode *n = part->children; n; n = n->next) {
			int r = read_element(rd, n);
			if (r < 0)
				return r;
		}
		part = part->next;
	}
	return 0;
}

/* Of the text that is parsed: libxml2.so.16 has moved the field for what is ours. */
static bool has_type;

/* libxml2 calls this at "<!DOCTYPE", before it reads what follows. */
static void refuse_type(
	void *arg, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	has_type = true;
	lib.stop(arg);
}

static int say_malformed(struct reader *rd, xmlParserCtxt *context)
{
	const xmlError *why = lib.last_error(context);

	if (has_type)
		return err_say(rd->e, -EBADMSG, "has a document type, which libvirt never writes");
	if (!why || !why->message)
		return err_say(rd->e, -EBADMSG, "is not XML");
	return err_say(rd->e, -EBADMSG, "is not XML: line %d: %.*s", why->line,
		(int)strcspn(why->message, "\n"), why->message);
}

static int parse_text(struct reader *rd, xmlParserCtxt *context, const char *text, size_t len)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOCDATA |
			    XML_PARSE_NOERROR | XML_PARSE_NOWARNING;

	has_type = false;
	context->sax->internalSubset = refuse_type;
	xmlDoc *document = lib.read_memory(context, text, (int)len, "domain", NULL, options);
	int r = document && !has_type ? read_domain(rd, find_domain(lib.root(document)))
				      : say_malformed(rd, context);
	if (document)
		lib.free_document(document);
	return r;
}

int libvirt_domain_parse(const char *text, size_t len, struct libvirt_domain *ret, struct err *e)
{
	struct reader rd = {.e = e};

	if (len > LIBVIRT_XML_MAX)
		return err_say(e, -EFBIG, "is longer than %u MiB", LIBVIRT_XML_MAX >> 20);
	int r = load_libxml(e);
	if (r < 0)
		return r;
	xmlParserCtxt *context = lib.new_context();
	if (!context)
		return err_set(e, -ENOMEM, "parse a domain");
	r = parse_text(&rd, context, text, len);
	lib.free_context(context);
	if (r < 0) {
		libvirt_domain_fini(&rd.domain);
		return r;
	}
	*ret = rd.domain;
	return 0;
}
