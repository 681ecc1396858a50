/* SPDX-License-Identifier: MIT */
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "host/machine.h"
#include "host/netlink.h"
#include "host/spawn.h"
#include "store/lease.h"
#include "store/name.h"
#include "store/vm_store.h"

#define BRIDGE_ALIAS "made by banger"
/* Locally administered; fixed, because a bridge else takes the lowest of its ports. */
#define BRIDGE_MAC  "02:62:67:72:00:01"
#define POOL	    "bgrpool"
#define NFT_WAIT_MS 20000
#define NFT_MAX	    (64u << 20)

char *net_mac(const char *id)
{
	return xasprintf("02:%.2s:%.2s:%.2s:%.2s:%.2s", id, id + 2, id + 4, id + 6, id + 8);
}

char *net_tap(const char *id)
{
	return xasprintf("bgr%.*s", SHORT_ID_LEN, id);
}

/* ------------------------------------------------------------------------------- whose a tap is */

/* "PATH TAG"; of a path that is too long its end. */
static char *alias_of(const struct store *s, const char *path)
{
	AUTO_FREE char *tag = store_tag(s);
	size_t room = LINK_ALIAS_MAX - (tag ? strlen(tag) + 1 : 0), len = strlen(path);

	return xasprintf("%s%s%s", path + (len > room ? len - room : 0), tag ? " " : "",
			 tag ? tag : "");
}

void net_tap_owner(const char *tap, char **path, char **tag)
{
	AUTO_FREE char *alias = link_alias(tap);
	char *blank = alias ? strrchr(alias, ' ') : NULL;
	size_t hex = blank ? strspn(blank + 1, "0123456789abcdef") : 0;

	*path = *tag = NULL;
	if (hex && blank[1 + hex] == '-' && strspn(blank + 2 + hex, "0123456789abcdef") &&
	    !blank[2 + hex + strspn(blank + 2 + hex, "0123456789abcdef")]) {
		*tag = xstrdup(blank + 1);
		*blank = '\0';
	}
	*path = steal_ptr(&alias);
}

/* Of another state directory, for sure: a copy of one has VMs with the same ids. */
static bool is_theirs(const struct store *s, const char *tap)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *tag = NULL;
	AUTO_FREE char *ours = store_tag(s);

	net_tap_owner(tap, &path, &tag);
	return tag && ours && strcmp(tag, ours) != 0;
}

/* ----------------------------------------------------------------------------------- preflight */

static struct fault *check_nft(const struct config *config)
{
	AUTO_FREE char *program = machine_find_program(config->nft_bin);

	if (program)
		return NULL;
	return fault_hint(fault_new(F_MISSING, "nftables is not installed (no program '%s')",
				    config->nft_bin),
			  "Install it: sudo apt-get install nftables");
}

static struct fault *check_tun(void)
{
	if (!access("/dev/net/tun", R_OK | W_OK))
		return NULL;
	return fault_hint(fault_sys(F_MISSING, "'/dev/net/tun'"), "Load it: sudo modprobe tun");
}

struct fault *net_check(const struct config *config)
{
	struct netlink *n = NULL;
	struct fault *f;

	if (geteuid())
		return fault_hint(fault_new(F_DENIED, "a bridge needs root"),
				  "Use --net user, which needs no privileges.");
	f = check_tun();
	f = fault_attach(f, check_nft(config));
	f = fault_attach(f, netlink_open(&n));
	netlink_close(n);
	return f;
}

/* ----------------------------------------------------------------------------- bridge and tap */

/* By the one property that it has from its first moment on. */
static bool is_ours(const char *bridge)
{
	AUTO_FREE char *mac = link_mac(bridge);

	return mac && !strcmp(mac, BRIDGE_MAC);
}

static bool overlaps(const void *subnet, uint32_t address, unsigned int prefix)
{
	return subnet_overlaps(subnet, address, prefix);
}

static struct fault *check_conflict(struct netlink *n, const struct config *config,
				    const struct subnet *subnet)
{
	AUTO_FREE char *conflict = NULL;

	TRY(netlink_conflict(n, config->bridge, overlaps, subnet, &conflict));
	if (!conflict)
		return NULL;
	return fault_hint(fault_new(F_STATE, "the VMs' network %s overlaps with %s", config->subnet,
				    conflict),
			  "Configure another one: net.subnet, for example 10.213.0.1/24.");
}

struct fault *net_check_subnet(const struct config *config)
{
	AUTO_NETLINK n = NULL;
	struct subnet subnet;

	TRY(fault_wrap(subnet_parse(config->subnet, &subnet), "net.subnet"));
	if (link_exists(config->bridge))
		return NULL;
	TRY(netlink_open(&n));
	return check_conflict(n, config, &subnet);
}

static struct fault *bridge_up(struct netlink *n, const struct config *config)
{
	struct subnet subnet;

	TRY(fault_wrap(subnet_parse(config->subnet, &subnet), "net.subnet"));
	if (link_exists(config->bridge) && !is_ours(config->bridge))
		return NULL; /* somebody's own, with what they gave it */
	TRY(check_conflict(n, config, &subnet));
	return netlink_bridge_up(n, config->bridge, BRIDGE_MAC, BRIDGE_ALIAS, subnet.gateway,
				 subnet.prefix);
}

/* An idle tap becomes the VM's by its new name. */
static void claim_warm(struct netlink *n, const char *tap, const char *alias)
{
	struct strings idle;

	link_list(POOL, &idle);
	if (idle.n)
		fault_free(netlink_rename(n, idle.v[0], tap, alias));
	strings_release(&idle);
}

struct fault *net_tap_up(const struct store *s, const struct config *config,
			 const struct net_port *port)
{
	AUTO_FREE char *alias = alias_of(s, port->alias);
	AUTO_FREE char *tap = net_tap(port->id);
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_NETLINK n = NULL;

	TRY(netlink_open(&n));
	TRY(store_net_lock(s, "start", &lock));
	if (is_theirs(s, tap))
		return fault_hint(fault_new(F_STATE, "a VM of another state directory has the tap '%s', as "
					    "when one is a copy of the other", tap),
				  "See whose it is: ip -d link show %s", tap);
	TRY(bridge_up(n, config));
	if (!link_exists(tap))
		claim_warm(n, tap, alias);
	TRY(tap_make(n, tap, alias, port->owner));
	return netlink_port_up(n, tap, config->bridge, alias, !port->peers);
}

struct fault *net_tap_down(const struct store *s, const struct config *config, const char *id)
{
	AUTO_FREE char *tap = net_tap(id);
	struct strings ports = { 0 };
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_NETLINK n = NULL;
	struct fault *f = NULL;

	if (!link_exists(tap) && !(link_exists(config->bridge) && is_ours(config->bridge)))
		return NULL;
	TRY(store_net_lock(s, "stop", &lock));
	TRY(netlink_open(&n));
	if (link_exists(tap) && !is_theirs(s, tap))
		f = netlink_remove(n, tap);
	link_ports(config->bridge, &ports);
	if (!f && !ports.n && link_exists(config->bridge) && is_ours(config->bridge))
		f = netlink_remove(n, config->bridge);
	strings_release(&ports);
	return f;
}

/* --------------------------------------------------------------------------------------- filter */

static struct fault *run_nft(const char *const *argv, const struct buf *input,
			     struct buf *output)
{
	AUTO_FD in = -1;
	struct spawn s = { SPAWN_INIT, .argv = argv, .deadline_ms = NFT_WAIT_MS };

	if (input) {
		in = memfd_create("nft", MFD_CLOEXEC);
		if (in < 0)
			return fault_sys(F_SYS, "making a temporary file");
		TRY(file_write_all(in, input->data, input->len, "the rules for nft"));
		if (lseek(in, 0, SEEK_SET) < 0)
			return fault_sys(F_SYS, "rewinding the rules for nft");
		s.in = in;
	}
	return spawn_run(&s, output, NFT_MAX);
}

static struct fault *apply_rules(const struct config *config, struct buf *rules)
{
	const char *const argv[] = { config->nft_bin, "-j", "-f", "-", NULL };
	AUTO_BUF output = BUF_INIT;

	return fault_wrap(run_nft(argv, rules, &output), "changing the packet filter");
}

static struct fault *list_rules(const struct config *config, const struct rules_guest *g,
				struct rules_seen *seen)
{
	const char *const argv[] = { config->nft_bin, "-j", "list", "ruleset", NULL };
	AUTO_BUF output = BUF_INIT;

	TRY(fault_wrap(run_nft(argv, NULL, &output), "reading the packet filter"));
	return rules_read(output.data, output.len, g, seen);
}

struct names {
	char *short_id, *tap, *mac, *tag;
};

static void fill_guest(const struct store *s, const struct net_port *port, struct names *names,
		       struct rules_guest *g)
{
	*names = (struct names){ xasprintf("%.*s", SHORT_ID_LEN, port->id), net_tap(port->id),
				 net_mac(port->id), store_tag(s) };
	*g = (struct rules_guest){ names->short_id, names->tap, names->mac, port->address,
				   port->nat, port->peers, names->tag };
}

static void names_release(struct names *names)
{
	free(names->short_id);
	free(names->tap);
	free(names->mac);
	free(names->tag);
}

static bool is_in(const struct strings *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], text))
			return true;
	return false;
}

/* Append the elements of VM @name when its tap is there and the filter does not know it. */
static size_t add_lost(const struct store *s, const char *name, const struct strings *known,
		       struct buf *rules)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct vm_spec spec = { 0 };
	struct rules_guest g;
	struct names names;
	AUTO_FAULT f = vm_dir_open(s, name, &dir);
	size_t added = 0;

	if (!f)
		f = vm_spec_read(&dir, &spec);
	if (!f && spec.address) {
		struct net_port port = { .id = spec.id, .address = spec.address, .nat = spec.nat,
					 .peers = spec.peers };

		fill_guest(s, &port, &names, &g);
		if (link_exists(g.tap) && !is_in(known, g.tap)) {
			rules_add_guest(rules, &g);
			added = 1;
		}
		names_release(&names);
	}
	record_release(&vm_spec_type, &spec);
	return added;
}

/* Somebody flushed the filter while other VMs ran: theirs come back with ours. */
static struct fault *restore_others(const struct store *s, const struct config *config,
				    const struct strings *known)
{
	AUTO_BUF rules = BUF_INIT;
	struct strings ports, vms;
	size_t lost = 0, added = 0;

	link_ports(config->bridge, &ports);
	for (size_t i = 0; i < ports.n; i++)
		lost += !strncmp(ports.v[i], "bgr", 3) && !is_in(known, ports.v[i]);
	strings_release(&ports);
	if (!lost)
		return NULL;
	TRY(store_names(s, COLLECTION_VMS, &vms));
	rules_begin(&rules);
	for (size_t i = 0; i < vms.n; i++)
		added += add_lost(s, vms.v[i], known, &rules);
	rules_end(&rules);
	strings_release(&vms);
	return added ? apply_rules(config, &rules) : NULL;
}

/* What a guest that may go out needs of the host. */
static struct fault *open_way_out(const struct config *config, const struct rules_seen *seen,
				  struct progress *progress)
{
	bool changed = false;

	TRY(forwarding_enable(&changed));
	if (changed)
		progress_note(progress, "banger: this host forwards packets now (net.ipv4.ip_forward "
			      "is 1), because a VM has --nat");
	if (seen->foreign)
		progress_note(progress, "banger: the packet filter's chain '%s' drops what it does not "
			      "know, so the VM cannot go out; let it through with: nft insert rule %s "
			      "iifname %s accept && nft insert rule %s oifname %s ct state "
			      "established,related accept", seen->foreign, seen->foreign,
			      config->bridge, seen->foreign, config->bridge);
	return NULL;
}

struct fault *net_filter_up(const struct store *s, const struct config *config,
			    const struct net_port *port, struct progress *progress)
{
	struct rules_seen seen = { 0 };
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_BUF rules = BUF_INIT;
	struct rules_guest g;
	struct subnet subnet;
	struct names names;
	struct fault *f;

	TRY(fault_wrap(subnet_parse(config->subnet, &subnet), "net.subnet"));
	TRY(store_net_lock(s, "start", &lock));
	fill_guest(s, port, &names, &g);
	rules_begin(&rules);
	rules_add_base(&rules, config->bridge, &subnet);
	rules_add_guest(&rules, &g);
	rules_end(&rules);
	f = apply_rules(config, &rules);
	if (!f)
		f = list_rules(config, &g, &seen);
	if (!f && (seen.rules != RULES_BASE || !seen.guest))
		f = fault_new(F_STATE, "the packet filter does not have the rules that it was given");
	if (!f)
		f = restore_others(s, config, &seen.taps);
	if (!f && port->nat)
		f = open_way_out(config, &seen, progress);
	rules_seen_release(&seen);
	names_release(&names);
	return f;
}

static struct fault *leave_bridge(const char *tap)
{
	AUTO_NETLINK n = NULL;

	TRY(netlink_open(&n));
	return netlink_port_down(n, tap);
}

struct fault *net_filter_down(const struct store *s, const struct config *config,
			      const struct net_port *port)
{
	struct strings ports = { 0 };
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_BUF rules = BUF_INIT;
	struct rules_guest g;
	struct names names;
	size_t others = 0;
	struct fault *f;

	fill_guest(s, port, &names, &g);
	if (!link_exists(g.tap) || is_theirs(s, g.tap)) {
		names_release(&names);
		return NULL;
	}
	f = store_net_lock(s, "stop", &lock);
	link_ports(config->bridge, &ports);
	for (size_t i = 0; i < ports.n; i++)
		others += !strncmp(ports.v[i], "bgr", 3) && strcmp(ports.v[i], g.tap) != 0;
	strings_release(&ports);
	rules_begin(&rules);
	if (others)
		rules_remove_guest(&rules, &g);
	else
		rules_remove_base(&rules);
	rules_end(&rules);
	if (!f)
		f = apply_rules(config, &rules);
	/* From here on nothing watches over it; and the next VM to go must not take it for one that runs. */
	if (!f)
		f = leave_bridge(g.tap);
	names_release(&names);
	return f;
}

/* ------------------------------------------------------------------------- what is left of others */

static bool is_pool(const char *tap)
{
	return !strncmp(tap, POOL, strlen(POOL));
}

void net_taps(struct strings *taps, struct strings *idle)
{
	struct strings all;

	*taps = *idle = (struct strings){ 0 };
	link_list("bgr", &all);
	for (size_t i = 0; i < all.n; i++)
		strings_add(is_pool(all.v[i]) ? idle : taps, all.v[i]);
	strings_release(&all);
}

static bool any_taps(void)
{
	struct strings taps, idle;
	bool any;

	net_taps(&taps, &idle);
	any = taps.n > 0;
	strings_release(&taps);
	strings_release(&idle);
	return any;
}

bool net_bridge_is_idle(const struct config *config)
{
	struct strings ports;
	bool idle;

	if (!link_exists(config->bridge) || !is_ours(config->bridge) || any_taps())
		return false;
	link_ports(config->bridge, &ports);
	idle = !ports.n;
	strings_release(&ports);
	return idle;
}

struct fault *net_bridge_drop(const struct store *s, const struct config *config)
{
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_NETLINK n = NULL;

	TRY(store_net_lock(s, "gc", &lock));
	TRY(netlink_open(&n));
	return net_bridge_is_idle(config) ? netlink_remove(n, config->bridge) : NULL;
}

struct fault *net_tap_drop(const struct store *s, const char *tap)
{
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_NETLINK n = NULL;

	TRY(store_net_lock(s, "gc", &lock));
	TRY(netlink_open(&n));
	return link_exists(tap) && !is_theirs(s, tap) ? netlink_remove(n, tap) : NULL;
}

struct fault *net_filter_list(const struct config *config, bool *there, struct records *out)
{
	const char *const argv[] = { config->nft_bin, "-j", "list", "sets", "bridge", NULL };
	AUTO_FREE char *program = machine_find_program(config->nft_bin);
	AUTO_BUF output = BUF_INIT;

	*out = (struct records){ 0 };
	*there = false;
	if (geteuid() || !program)
		return NULL;
	TRY(fault_wrap(run_nft(argv, NULL, &output), "reading the packet filter"));
	return rules_list(output.data, output.len, there, out);
}

struct fault *net_filter_drop(const struct store *s, const struct config *config,
			      const struct rules_element *e)
{
	bool ours = e && strlen(e->tap) > 3;
	struct rules_guest g = { ours ? e->tap + 3 : "", ours ? e->tap : "", ours ? e->mac : "",
				 ours ? e->address : "", false, false, NULL };
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_BUF rules = BUF_INIT;

	TRY(store_net_lock(s, "gc", &lock));
	if (ours ? link_exists(e->tap) : any_taps())
		return NULL; /* somebody uses it by now */
	rules_begin(&rules);
	if (any_taps())
		rules_remove_guest(&rules, &g);
	else
		rules_remove_base(&rules);
	rules_end(&rules);
	return apply_rules(config, &rules);
}

/* ----------------------------------------------------------------------------------- idle taps */

unsigned int net_warm_count(void)
{
	struct strings idle;
	unsigned int count;

	link_list(POOL, &idle);
	count = (unsigned int)idle.n;
	strings_release(&idle);
	return count;
}

struct fault *net_warm(const struct store *s, unsigned int wanted, unsigned int *had)
{
	AUTO_FREE char *alias = alias_of(s, s->path);
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_NETLINK n = NULL;
	unsigned int have;

	TRY(netlink_open(&n));
	TRY(store_net_lock(s, "warm", &lock));
	*had = have = net_warm_count();
	for (unsigned int i = 0; i < NET_WARM_MAX && have != wanted; i++) {
		AUTO_FREE char *name = xasprintf(POOL "%u", i);
		bool there = link_exists(name);

		if (have > wanted && there) {
			TRY(netlink_remove(n, name));
			have--;
		} else if (have < wanted && !there) {
			TRY(tap_make(n, name, alias, geteuid()));
			have++;
		}
	}
	return NULL;
}
