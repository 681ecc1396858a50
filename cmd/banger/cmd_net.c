/* SPDX-License-Identifier: MIT */
/* cmd_net.c - 'net warm', 'net status'. */
#include "banger/commands.h"
#include "base/text.h"
#include "host/netlink.h"
#include "net/net.h"

static struct fault *warm_run(struct invocation *inv)
{
	uint64_t wanted = inv->config.tap_pool_size;
	AUTO_FREE char *line = NULL;
	unsigned int had = 0;

	if (inv->operands.n)
		TRY(text_parse_count(inv->operands.v[0], "the number of taps", 0, NET_WARM_MAX,
				     &wanted));
	TRY(net_check(&inv->config));
	TRY(net_warm(&inv->store, (unsigned int)wanted, &had));
	line = xasprintf("%llu idle taps (there were %u)\n", (unsigned long long)wanted, had);
	return inv->quiet ? NULL : print_text(line);
}

const struct command command_net_warm = {
	.name = "net warm",
	.summary = "keep idle taps for machines to come",
	.operands = "[N]",
	.description =
		"Makes or removes taps until N of them wait (default: net.tap_pool_size of the "
		"configuration). A start then renames one instead of making it. 0 removes them all. "
		"Needs root.",
	.examples = "banger net warm 8\tbefore many machines are started",
	.max_operands = 1,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = warm_run,
};

struct net_status {
	char *bridge, *subnet;
	bool up;
	struct strings taps;
	uint64_t idle_taps;
};

static const struct field status_fields[] = {
	FIELD_REQ(struct net_status, bridge, FIELD_STRING),
	FIELD_REQ(struct net_status, subnet, FIELD_STRING),
	FIELD_REQ(struct net_status, up, FIELD_BOOL),
	FIELD_REQ(struct net_status, taps, FIELD_STRINGS),
	FIELD_REQ(struct net_status, idle_taps, FIELD_U64),
};

static const struct record_type status_type = {
	.name = "network",
	.size = sizeof(struct net_status),
	.fields = status_fields,
	.n_fields = ARRAY_LEN(status_fields),
};

static struct fault *status_run(struct invocation *inv)
{
	struct net_status status = {
		.bridge = xstrdup(inv->config.bridge),
		.subnet = xstrdup(inv->config.subnet),
		.up = link_exists(inv->config.bridge),
		.idle_taps = net_warm_count(),
	};
	AUTO_BUF text = BUF_INIT;
	struct fault *f;

	link_ports(status.bridge, &status.taps);
	buf_addf(&text, "bridge %s, %s: %s\n", status.bridge, status.subnet,
		 status.up ? "up" : "not there; the first machine that is started makes it");
	buf_addf(&text, "taps: %zu of running machines, %llu idle\n", status.taps.n,
		 (unsigned long long)status.idle_taps);
	f = inv->json ? print_record(&status_type, &status) : print_text(text.data);
	record_release(&status_type, &status);
	return f;
}

const struct command command_net_status = {
	.name = "net status",
	.summary = "show the bridge of the machines",
	.description = "Prints the bridge, its network, and the taps on it. Addresses are in 'vm list'.",
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = status_run,
};
