/* SPDX-License-Identifier: MIT */
#include "vm/ports.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "guest/capture.h"
#include "vm/forward_address.h"

#define PROBE_MS 1000

static const struct field port_fields[] = {
	FIELD(struct vm_port, vm, FIELD_STRING),
	FIELD(struct vm_port, protocol, FIELD_STRING),
	FIELD(struct vm_port, port, FIELD_U64),
	FIELD(struct vm_port, addresses, FIELD_STRINGS),
	FIELD(struct vm_port, process, FIELD_STRING),
	FIELD(struct vm_port, pid, FIELD_U64),
	FIELD(struct vm_port, user, FIELD_STRING),
	FIELD(struct vm_port, local, FIELD_BOOL),
	FIELD(struct vm_port, published, FIELD_STRINGS),
	FIELD(struct vm_port, endpoint, FIELD_STRING),
	FIELD(struct vm_port, url, FIELD_STRING),
};
const struct record_type vm_port_type = {
	"port", sizeof(struct vm_port), port_fields, ARRAY_LEN(port_fields), 0,
};

/* -------------------------------------------------------------------------------- the listing */

static bool is_address(const struct guest_listener *l)
{
	struct in6_addr ignored;

	return l->address && inet_pton(l->family == 6 ? AF_INET6 : AF_INET, l->address, &ignored) == 1;
}

static bool is_good(const struct guest_listener *l)
{
	return l->protocol && (!strcmp(l->protocol, "tcp") || !strcmp(l->protocol, "udp")) &&
	       l->port && (l->family == 4 || l->family == 6) && is_address(l);
}

static struct fault *ask(struct guest *g, int wait_ms, struct guest_ports *out)
{
	const struct guest_listener *all;

	TRY(guest_report(g, "ports", &guest_ports_type, wait_ms, out));
	all = out->listeners.v;
	for (size_t i = 0; i < out->listeners.n; i++)
		if (out->listeners.n > REPORT_LISTENERS_MAX || !is_good(&all[i])) {
			record_release(&guest_ports_type, out);
			return fault_new(F_CORRUPT, "the agent's list of ports is not credible");
		}
	return NULL;
}

struct fault *guest_listens(struct guest *g, unsigned int port, int wait_ms, bool *yes)
{
	struct guest_ports ports;
	const struct guest_listener *all;

	TRY(ask(g, wait_ms, &ports));
	*yes = false;
	all = ports.listeners.v;
	for (size_t i = 0; i < ports.listeners.n; i++)
		*yes |= all[i].port == port && !strcmp(all[i].protocol, "tcp");
	record_release(&guest_ports_type, &ports);
	return NULL;
}

static bool is_loopback(const char *address)
{
	return !strncmp(address, "127.", 4) || !strcmp(address, "::1") ||
	       !strncmp(address, "::ffff:127.", 11);
}

static bool same(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

static void add_address(struct vm_port *p, const char *address)
{
	for (size_t i = 0; i < p->addresses.n; i++)
		if (!strcmp(p->addresses.v[i], address))
			return;
	strings_add(&p->addresses, address);
	p->local = p->local && is_loopback(address);
}

/* Workers of a server share its socket or have their own; for people they are one. */
static struct vm_port *find(struct records *list, size_t from, const struct guest_listener *l)
{
	struct vm_port *all = list->v;

	for (size_t i = from; i < list->n; i++)
		if (all[i].port == l->port && !strcmp(all[i].protocol, l->protocol) &&
		    same(all[i].process, l->process) && same(all[i].user, l->user))
			return &all[i];
	return NULL;
}

static char *copy_or_null(const char *text)
{
	return text && *text ? xstrdup(text) : NULL;
}

static void merge(const struct vm *vm, const struct guest_ports *ports, struct records *out)
{
	const struct guest_listener *all = ports->listeners.v;
	size_t from = out->n;

	for (size_t i = 0; i < ports->listeners.n; i++) {
		const struct guest_listener *l = &all[i];
		struct vm_port *p = find(out, from, l);

		if (!p) {
			p = records_add(out, sizeof(*p));
			*p = (struct vm_port){ .vm = xstrdup(vm->dir.name),
					       .protocol = xstrdup(l->protocol),
					       .port = l->port,
					       .process = copy_or_null(l->process),
					       .pid = l->pid,
					       .user = copy_or_null(l->user),
					       .local = true };
		}
		add_address(p, l->address);
	}
}

static int by_port(const void *a, const void *b)
{
	const struct vm_port *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return strcmp(x->protocol, y->protocol);
}

/* ------------------------------------------------------------------------------------- probing */

struct fault *guest_probe(struct guest *g, unsigned int port, const void *request, size_t len,
			  int wait_ms, struct buf *reply)
{
	AUTO_FREE char *number = xasprintf("%u", port);
	const char *const argv[] = { "connect", number, NULL };
	bool timed_out;
	AUTO_FAULT f = guest_capture(g, &(struct guest_capture){
						.argv = argv, .builtin = true, .input = request,
						.input_len = len, .hold_input = true,
						.timeout_ms = wait_ms },
				     reply, &timed_out);

	/* A port that refuses is an answer, too. */
	if (f && fault_kind(f) != F_GUEST)
		return steal_ptr(&f);
	return NULL;
}

static const char http_request[] = "HEAD / HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* A ClientHello of TLS 1.2 (RFC 5246, 7.4.1.2) with common suites; any answer in TLS will do. */
static const unsigned char tls_request[] = {
	0x16, 0x03, 0x01, 0x00, 0x61, 0x01, 0x00, 0x00, 0x5d, 0x03, 0x03,
	/* random */
	0x62, 0x61, 0x6e, 0x67, 0x65, 0x72, 0x2d, 0x70, 0x72, 0x6f, 0x62, 0x65, 0x62, 0x61, 0x6e, 0x67,
	0x65, 0x72, 0x2d, 0x70, 0x72, 0x6f, 0x62, 0x65, 0x62, 0x61, 0x6e, 0x67, 0x65, 0x72, 0x2d, 0x70,
	0x00, /* no session */
	0x00, 0x12, 0xc0, 0x2f, 0xc0, 0x30, 0xc0, 0x2b, 0xc0, 0x2c, 0xcc, 0xa8, 0xcc, 0xa9, 0x00, 0x9c,
	0x00, 0x2f, 0x00, 0x35, /* suites */
	0x01, 0x00,		/* no compression */
	0x00, 0x22,		/* extensions */
	0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1d, 0x00, 0x17, /* groups */
	0x00, 0x0b, 0x00, 0x02, 0x01, 0x00,			    /* point formats */
	0x00, 0x0d, 0x00, 0x0e, 0x00, 0x0c, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03, 0x08, 0x05,
	0x05, 0x01, /* signatures */
};

static struct fault *probe_once(struct vm *vm, unsigned int port, const void *request, size_t len,
				struct buf *reply)
{
	struct guest *g = NULL;
	struct fault *f;

	buf_clear(reply);
	TRY(vm_reach(vm, PROBE_MS, &g));
	f = guest_probe(g, port, request, len, PROBE_MS, reply);
	guest_close(g);
	return f;
}

static bool is_tls(const struct buf *reply)
{
	return reply->len >= 3 && (reply->data[0] == 0x16 || reply->data[0] == 0x15) &&
	       reply->data[1] == 0x03;
}

/* "http", "https" or NULL.  Web servers with TLS answer plain requests with status 400, if at all. */
static struct fault *probe(struct vm *vm, unsigned int port, const char **scheme)
{
	AUTO_BUF reply = BUF_INIT;
	bool http;

	*scheme = NULL;
	TRY(probe_once(vm, port, http_request, sizeof(http_request) - 1, &reply));
	http = reply.len >= 12 && !strncmp(reply.data, "HTTP/1.", 7);
	if (http && strncmp(reply.data + 8, " 400", 4) != 0) {
		*scheme = "http";
		return NULL;
	}
	if (reply.len && !http && !is_tls(&reply))
		return NULL; /* it speaks, but something else */
	TRY(probe_once(vm, port, tls_request, sizeof(tls_request), &reply));
	*scheme = is_tls(&reply) ? "https" : http ? "http" : NULL;
	return NULL;
}

/* Where this host forwards to the port; forwarders come to the guest's loopback interface. */
static void add_published(const struct vm *vm, struct vm_port *p)
{
	for (size_t i = 0; !strcmp(p->protocol, "tcp") && i < vm->spec.ports.n; i++) {
		struct forward_address address;
		AUTO_FAULT bad = forward_parse(vm->spec.ports.v[i], false, &address);
		AUTO_FREE char *text = NULL;

		if (bad || address.guest_port != p->port)
			continue;
		text = forward_text(&address, -1);
		strings_add(&p->published, text);
	}
}

static struct fault *finish(struct vm *vm, bool with_probe, struct vm_port *p)
{
	const char *scheme = NULL;

	add_published(vm, p);
	if (p->published.n)
		p->endpoint = xstrdup(p->published.v[0]);
	else if (!p->local)
		p->endpoint = xasprintf("%s.vm:%llu", vm->dir.name, (unsigned long long)p->port);
	else
		return NULL;
	if (!with_probe || strcmp(p->protocol, "tcp") != 0)
		return NULL;
	TRY(probe(vm, (unsigned int)p->port, &scheme));
	if (scheme)
		p->url = xasprintf("%s://%s/", scheme, p->endpoint);
	return NULL;
}

struct fault *vm_ports(struct vm *vm, int wait_ms, bool with_probe, struct records *out)
{
	int64_t deadline = clock_deadline(wait_ms);
	struct guest_ports ports;
	struct guest *g = NULL;
	size_t from = out->n;
	struct fault *f;

	TRY(vm_reach(vm, wait_ms, &g));
	f = ask(g, clock_left(deadline) + 1, &ports);
	guest_close(g);
	if (f)
		return fault_wrap(f, "VM '%s'", vm->dir.name);
	merge(vm, &ports, out);
	record_release(&guest_ports_type, &ports);
	if (out->n > from)
		qsort((struct vm_port *)out->v + from, out->n - from, sizeof(struct vm_port),
		      by_port);
	for (size_t i = from; !f && i < out->n; i++)
		f = finish(vm, with_probe, (struct vm_port *)out->v + i);
	return f;
}
