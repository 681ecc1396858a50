/* SPDX-License-Identifier: MIT */
#include "net/own_tap.h"

#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "host/netlink.h"
#include "host/sysroot.h"
#include "net/net.h"
#include "net/subnet.h"

#define MARK "tap:"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

bool own_tap_is(const char *net)
{
	return net && !strncmp(net, MARK, strlen(MARK));
}

static struct fault *bad(const char *net, const char *what)
{
	return fault_hint(fault_new(F_INVALID, "network '%.100s' %s", net, what),
			  "It is " OWN_TAP_FORM ", as in --net tap:mine,10.9.0.2/24,10.9.0.1");
}

/* Only what is surely in it; the whole network must be one that has hosts. */
static struct fault *parse_address(const char *net, const char *text, struct own_tap *t)
{
	struct subnet subnet;
	AUTO_FAULT f = subnet_parse(text, &subnet);

	if (f)
		return bad(net, "has no ADDRESS/PREFIX of a host");
	t->address = subnet.gateway;
	t->prefix = subnet.prefix;
	return NULL;
}

struct fault *own_tap_parse(const char *net, struct own_tap *out)
{
	AUTO_FREE char *copy = xstrdup(net + strlen(MARK));
	char *rest = copy;
	const char *name = strsep(&rest, ",");
	const char *address = strsep(&rest, ",");
	size_t len = strlen(name);

	*out = (struct own_tap){ .prefix = 0 };
	if (!len || len >= sizeof(out->name) || strspn(name, NAME_CHARS) != len || name[0] == '.')
		return bad(net, "names no interface");
	memcpy(out->name, name, len);
	if (!address)
		return bad(net, "does not say which address the guest has");
	TRY(parse_address(net, address, out));
	if (!rest)
		return NULL;
	if (!address_parse(rest, &out->gateway) || out->gateway == out->address ||
	    (out->gateway ^ out->address) >> (32 - out->prefix))
		return bad(net, "has a gateway that is no other host of the guest's network");
	return NULL;
}

static struct fault *make_hint(const struct own_tap *t, struct fault *f)
{
	return fault_hint(f, "Make it once with: sudo ip tuntap add dev %s mode tap user $USER; "
			  "sudo ip link set %s up", t->name, t->name);
}

struct fault *own_tap_check(const struct own_tap *t)
{
	AUTO_FREE char *tun = sysroot_path("/dev/net/tun");
	long kind = link_attribute(t->name, "tun_flags");

	if (!geteuid())
		return fault_hint(fault_new(F_UNSUPPORTED, "a tap of one's own is for ordinary users"),
				  "As root, use --net bridge.");
	if (link_attribute(t->name, "ifindex") < 0)
		return make_hint(t, fault_new(F_MISSING, "there is no interface '%s'", t->name));
	if (kind < 0 || !(kind & IFF_TAP) || (kind & IFF_MULTI_QUEUE))
		return make_hint(t, fault_new(F_INVALID, "interface '%s' is no tap with one queue",
					      t->name));
	if (link_attribute(t->name, "owner") != (long)geteuid())
		return make_hint(t, fault_new(F_DENIED, "tap '%s' does not belong to you", t->name));
	if (access(tun, R_OK | W_OK))
		return fault_hint(fault_sys(F_SYS, "opening '%s'", tun),
				  "Let users open it: sudo chmod 0666 /dev/net/tun");
	if (!(link_attribute(t->name, "flags") & IFF_UP))
		return fault_hint(fault_new(F_STATE, "tap '%s' is down", t->name),
				  "Switch it on: sudo ip link set %s up", t->name);
	if (link_attribute(t->name, "carrier") == 1)
		return fault_new(F_BUSY, "another program has the tap '%s' open", t->name);
	return NULL;
}

struct fault *own_tap_check_net(const char *net)
{
	struct own_tap tap;

	if (!own_tap_is(net))
		return NULL;
	TRY(own_tap_parse(net, &tap));
	return own_tap_check(&tap);
}

char *net_interface(const char *net, const char *id)
{
	struct own_tap t;
	AUTO_FAULT f = NULL;

	if (net && !strcmp(net, "bridge"))
		return id ? net_tap(id) : NULL;
	if (!own_tap_is(net))
		return NULL;
	f = own_tap_parse(net, &t);
	return f ? NULL : xstrdup(t.name);
}
