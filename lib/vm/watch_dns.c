/* SPDX-License-Identifier: MIT */
#include "vm/watch_dns.h"

#include <poll.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "host/netlink.h"
#include "net/dns_server.h"
#include "net/resolved.h"
#include "store/names.h"

struct watch_dns {
	const struct store *store;
	const struct config *config;
	const struct watch_options *options;
	struct subnet subnet;
	struct dns_server *server;
	int changes;	     /* readable when this host's addresses change; -1 = nobody to tell */
	unsigned int routed; /* index of the bridge that systemd-resolved knows; 0 = none */
	bool failed;	     /* and that was said */
};

static bool address_of(void *context, const char *label, uint32_t *address)
{
	return names_address(context, label, address);
}

static bool name_of(void *context, uint32_t address, char label[DNS_LABEL_MAX + 1])
{
	return names_name(context, address, label);
}

/* In one line, with what the tool said. */
static void tell_fault(const struct watch_dns *d, const char *what, const struct fault *f)
{
	const struct fault *said = fault_next(f);

	watch_tell(d->options, "%s: %s%s%s", what, fault_message(f), said ? "; " : "",
		   said ? fault_message(said) : "");
}

/* A bridge that comes later is seen by its address. */
static void route_bridge(struct watch_dns *d)
{
	unsigned int index = link_index(d->config->bridge);
	AUTO_FAULT f = NULL;

	if (d->changes < 0 || !index || index == d->routed)
		return;
	f = resolved_route(d->config->bridge, &d->subnet, dns_server_port(d->server));
	if (f && !d->failed)
		tell_fault(d, "programs that ask systemd-resolved do not find names of VMs", f);
	d->failed = f;
	if (f)
		return;
	d->routed = index;
	watch_tell(d->options, "systemd-resolved resolves names of VMs, through bridge '%s'",
		   d->config->bridge);
}

struct fault *watch_dns_begin(const struct store *s, const struct config *config,
			      const struct watch_options *options, struct watch_dns **out)
{
	struct watch_dns *d = xcalloc(1, sizeof(*d));
	struct dns_zone zone = { .address_of = address_of, .name_of = name_of, .context = (void *)s };
	struct fault *f = fault_wrap(subnet_parse(config->subnet, &d->subnet), "net.subnet");

	*d = (struct watch_dns){ s, config, options, d->subnet, NULL, -1, 0, false };
	zone.subnet = d->subnet;
	if (!f)
		f = dns_server_start(&zone, options->dns_port, &d->server);
	/* Others' VMs are on no bridge and have no addresses that could be told. */
	if (!f && !geteuid())
		f = address_changes(&d->changes);
	if (f) {
		watch_dns_end(d);
		return fault_wrap(f, "serving the names of VMs");
	}
	watch_tell(options, "names of VMs are served on port %u of 127.0.0.1",
		   dns_server_port(d->server));
	route_bridge(d);
	*out = d;
	return NULL;
}

bool watch_dns_sleep(struct watch_dns *d, int64_t ms)
{
	int64_t deadline = clock_deadline(ms);

	route_bridge(d);
	for (;;) {
		struct pollfd p[] = { { cancel_fd(), POLLIN, 0 }, { d->changes, POLLIN, 0 } };
		int n = poll(p, ARRAY_LEN(p), clock_left(deadline));
		AUTO_FAULT cut = cancel_check();

		if (cut)
			return false;
		if (!n)
			return true;
		if (n > 0 && p[1].revents) {
			address_changes_drain(d->changes);
			route_bridge(d);
		}
	}
}

void watch_dns_end(struct watch_dns *d)
{
	if (!d)
		return;
	cancel_hold();
	if (d->routed && link_index(d->config->bridge) == d->routed) {
		AUTO_FAULT f = resolved_unroute(d->config->bridge);

		if (f)
			tell_fault(d, "systemd-resolved goes on asking for names of VMs", f);
	}
	cancel_release();
	dns_server_stop(d->server);
	fd_close(d->changes);
	free(d);
}
