/* SPDX-License-Identifier: MIT */
#include "host/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/library.h"
#include "host/sysroot.h"

/* clang-format off */
#define FUNCTIONS(X) \
	X(nl_addr_build) X(nl_addr_get_binary_addr) X(nl_addr_get_family) X(nl_addr_get_prefixlen) \
	X(nl_addr_parse) X(nl_addr_put) X(nl_addr_set_prefixlen) X(nl_cache_free) \
	X(nl_cache_get_first) X(nl_cache_get_next) X(nl_connect) X(nl_geterror) X(nl_socket_alloc) \
	X(nl_socket_free) X(rtnl_addr_add) X(rtnl_addr_alloc) X(rtnl_addr_alloc_cache) \
	X(rtnl_addr_get_ifindex) X(rtnl_addr_get_local) X(rtnl_addr_put) X(rtnl_addr_set_ifindex) \
	X(rtnl_addr_set_local) X(rtnl_link_add) X(rtnl_link_alloc) X(rtnl_link_change) \
	X(rtnl_link_delete) X(rtnl_link_get_kernel) X(rtnl_link_put) X(rtnl_link_set_addr) \
	X(rtnl_link_set_flags) X(rtnl_link_set_ifalias) X(rtnl_link_set_ifindex) \
	X(rtnl_link_set_master) X(rtnl_link_set_name) X(rtnl_link_set_type) \
	X(rtnl_route_alloc_cache) X(rtnl_route_get_dst) X(rtnl_route_get_nnexthops) \
	X(rtnl_route_nexthop_n) X(rtnl_route_nh_get_ifindex) X(rtnl_route_get_table)
/* clang-format on */

static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} lib;
static const struct library_symbol symbols[] = { FUNCTIONS(LIBRARY_SYMBOL) };
static struct library library = { "libnl-route-3.so.200", symbols, ARRAY_LEN(symbols), false };

struct netlink {
	struct nl_sock *socket;
};

static struct fault *nl_fault(int error, const char *fmt, ...) PRINTF(2, 3);

/* libnl's errors are its own, not errno's. */
static struct fault *nl_fault(int error, const char *fmt, ...)
{
	AUTO_FREE char *what = NULL;
	enum fault_kind kind = -error == NLE_PERM ? F_DENIED : F_SYS;
	va_list ap;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	return fault_new(kind, "%s: %s", what, lib.nl_geterror(error));
}

struct fault *netlink_open(struct netlink **out)
{
	struct netlink *n;
	int error;

	TRY(fault_hint(library_load(&library), "Install it: sudo apt-get install libnl-route-3-200"));
	n = xcalloc(1, sizeof(*n));
	n->socket = lib.nl_socket_alloc();
	if (!n->socket)
		abort();
	error = lib.nl_connect(n->socket, NETLINK_ROUTE);
	if (error < 0) {
		netlink_close(n);
		return nl_fault(error, "speaking with the kernel about network interfaces");
	}
	*out = n;
	return NULL;
}

void netlink_close(struct netlink *n)
{
	if (!n)
		return;
	lib.nl_socket_free(n->socket);
	free(n);
}

/* ----------------------------------------------------------------------------------- observers */

bool link_exists(const char *name)
{
	return link_index(name) != 0;
}

long link_attribute(const char *name, const char *file)
{
	AUTO_FREE char *path = xasprintf("/sys/class/net/%s/%s", name, file);
	AUTO_BUF text = BUF_INIT;
	char *end;
	long value;

	if (!sysroot_read(path, 64, &text))
		return -1;
	value = strtol(text.data, &end, 0);
	return end == text.data ? -1 : value;
}

/* The answer to the question for one link: its number, 0 = an error. */
static unsigned int index_in(int fd)
{
	union {
		struct nlmsghdr head;
		char bytes[4096]; /* what is longer is cut; the number comes first */
	} answer;
	const struct ifinfomsg *info = NLMSG_DATA(&answer.head);
	ssize_t n = recv(fd, &answer, sizeof(answer), 0);

	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*info)) || answer.head.nlmsg_type != RTM_NEWLINK)
		return 0;
	return info->ifi_index > 0 ? (unsigned int)info->ifi_index : 0;
}

/* For root, if_nametoindex() lets the kernel run modprobe for each name that it does not know. */
unsigned int link_index(const char *name)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
		struct rtattr attribute;
		char name[IFNAMSIZ];
	} question = {
		.head = { .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		.info = { .ifi_family = AF_UNSPEC },
		.attribute = { .rta_type = IFLA_IFNAME },
	};
	size_t len = strlen(name) + 1;
	AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || len > sizeof(question.name))
		return 0;
	memcpy(question.name, name, len);
	question.attribute.rta_len = (unsigned short)RTA_LENGTH(len);
	question.head.nlmsg_len = (unsigned int)(offsetof(typeof(question), name) + len);
	if (send(fd, &question, question.head.nlmsg_len, 0) < 0)
		return 0;
	return index_in(fd);
}

struct fault *address_changes(int *fd)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR };
	AUTO_FD socket_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (socket_fd < 0 || bind(socket_fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return fault_sys(F_SYS, "watching this host's addresses");
	*fd = steal_fd(&socket_fd);
	return NULL;
}

/* What is lost when too much happens at once does not matter: something changed. */
void address_changes_drain(int fd)
{
	char message[4096];

	while (recv(fd, message, sizeof(message), 0) > 0 || errno == ENOBUFS || errno == EINTR)
		errno = 0;
}

void link_ports(const char *name, struct strings *out)
{
	AUTO_FREE char *path = xasprintf("/sys/class/net/%s/brif", name);
	int fd = sysroot_open_dir(path);

	*out = (struct strings){ 0 };
	if (fd < 0)
		return;
	fault_free(dir_names(fd, path, out));
	close(fd);
}

void link_list(const char *prefix, struct strings *out)
{
	AUTO_FD fd = sysroot_open_dir("/sys/class/net");
	struct strings all = { 0 };

	*out = (struct strings){ 0 };
	if (fd < 0)
		return;
	fault_free(dir_names(fd, "/sys/class/net", &all));
	for (size_t i = 0; i < all.n; i++)
		if (!strncmp(all.v[i], prefix, strlen(prefix)))
			strings_add(out, all.v[i]);
	strings_release(&all);
}

/* One line of what the kernel tells of an interface; owned; NULL = nothing. */
static char *link_line(const char *name, const char *file)
{
	AUTO_FREE char *path = xasprintf("/sys/class/net/%s/%s", name, file);
	struct buf text = BUF_INIT;

	if (!sysroot_read(path, LINK_ALIAS_MAX + 1, &text) || !text.len) {
		buf_release(&text);
		return NULL;
	}
	text.data[strcspn(text.data, "\n")] = '\0';
	return buf_steal(&text);
}

char *link_alias(const char *name)
{
	return link_line(name, "ifalias");
}

char *link_mac(const char *name)
{
	return link_line(name, "address");
}

/* --------------------------------------------------------------------------------------- links */

/* Change the link @name as @change (stolen) says. */
static struct fault *change(struct netlink *n, const char *name, struct rtnl_link *change,
			    const char *deed)
{
	struct rtnl_link *which = lib.rtnl_link_alloc();
	int error;

	lib.rtnl_link_set_ifindex(which, (int)link_index(name));
	lib.rtnl_link_set_ifindex(change, (int)link_index(name));
	error = lib.rtnl_link_change(n->socket, which, change, 0);
	lib.rtnl_link_put(which);
	lib.rtnl_link_put(change);
	return error < 0 ? nl_fault(error, "%s interface '%s'", deed, name) : NULL;
}

static struct fault *add_bridge(struct netlink *n, const char *name, const char *mac)
{
	struct rtnl_link *link = lib.rtnl_link_alloc();
	struct nl_addr *address = NULL;
	int error = lib.rtnl_link_set_type(link, "bridge");

	lib.rtnl_link_set_name(link, name);
	if (!error)
		error = lib.nl_addr_parse(mac, AF_LLC, &address);
	if (!error) {
		lib.rtnl_link_set_addr(link, address);
		error = lib.rtnl_link_add(n->socket, link, NLM_F_CREATE | NLM_F_EXCL);
	}
	if (address)
		lib.nl_addr_put(address);
	lib.rtnl_link_put(link);
	return error && error != -NLE_EXIST ? nl_fault(error, "making bridge '%s'", name) : NULL;
}

static struct fault *add_address(struct netlink *n, const char *name, uint32_t address,
				 unsigned int prefix)
{
	uint32_t wire = htonl(address);
	struct nl_addr *local = lib.nl_addr_build(AF_INET, &wire, sizeof(wire));
	struct rtnl_addr *a = lib.rtnl_addr_alloc();
	int error;

	if (!local)
		abort();
	lib.nl_addr_set_prefixlen(local, (int)prefix);
	lib.rtnl_addr_set_ifindex(a, (int)link_index(name));
	lib.rtnl_addr_set_local(a, local);
	error = lib.rtnl_addr_add(n->socket, a, 0);
	lib.rtnl_addr_put(a);
	lib.nl_addr_put(local);
	return error && error != -NLE_EXIST
		       ? nl_fault(error, "giving interface '%s' its address", name)
		       : NULL;
}

struct fault *netlink_bridge_up(struct netlink *n, const char *name, const char *mac,
				const char *alias, uint32_t address, unsigned int prefix)
{
	struct rtnl_link *up;

	TRY(add_bridge(n, name, mac));
	TRY(add_address(n, name, address, prefix));
	up = lib.rtnl_link_alloc();
	lib.rtnl_link_set_ifalias(up, alias);
	lib.rtnl_link_set_flags(up, IFF_UP);
	return change(n, name, up, "bringing up");
}

struct fault *netlink_rename(struct netlink *n, const char *name, const char *to, const char *alias)
{
	struct rtnl_link *link = lib.rtnl_link_alloc();

	lib.rtnl_link_set_name(link, to);
	lib.rtnl_link_set_ifalias(link, alias);
	return change(n, name, link, "renaming");
}

/* libnl 3.7 has no name for this flag of a port. */
static struct fault *isolate(const char *name, bool isolated)
{
	AUTO_FREE char *path = xasprintf("/sys/class/net/%s/brport/isolated", name);
	AUTO_FREE char *real = sysroot_path(path);
	AUTO_FD fd = open(real, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, isolated ? "1" : "0", 1) != 1)
		return fault_sys(F_SYS, "isolating interface '%s' from the other VMs", name);
	return NULL;
}

struct fault *netlink_port_up(struct netlink *n, const char *name, const char *bridge,
			      const char *alias, bool isolated)
{
	struct rtnl_link *port = lib.rtnl_link_alloc(), *up;

	/* Not up before it is isolated: no frame may pass in between. */
	lib.rtnl_link_set_master(port, (int)link_index(bridge));
	lib.rtnl_link_set_ifalias(port, alias);
	TRY(change(n, name, port, "attaching"));
	TRY(isolate(name, isolated));
	up = lib.rtnl_link_alloc();
	lib.rtnl_link_set_flags(up, IFF_UP);
	return change(n, name, up, "bringing up");
}

struct fault *netlink_port_down(struct netlink *n, const char *name)
{
	struct rtnl_link *port = lib.rtnl_link_alloc();

	lib.rtnl_link_set_master(port, 0);
	return change(n, name, port, "detaching");
}

struct fault *netlink_remove(struct netlink *n, const char *name)
{
	struct rtnl_link *link = lib.rtnl_link_alloc();
	int error;

	lib.rtnl_link_set_name(link, name);
	error = lib.rtnl_link_delete(n->socket, link);
	lib.rtnl_link_put(link);
	if (!error || error == -NLE_NODEV || error == -NLE_OBJ_NOTFOUND)
		return NULL;
	return nl_fault(error, "removing interface '%s'", name);
}

/* ----------------------------------------------------------------------------------- conflicts */

struct search {
	bool (*overlaps)(const void *context, uint32_t address, unsigned int prefix);
	const void *context;
	const char *except;
};

/* "10.0.0.0/8 on eth0" when @a is in the way; owned. */
static char *in_the_way(const struct search *s, struct nl_addr *a, int index, const char *kind)
{
	char name[IF_NAMESIZE] = "?";
	struct in_addr address;
	char text[INET_ADDRSTRLEN];

	if (!a || lib.nl_addr_get_family(a) != AF_INET || !lib.nl_addr_get_prefixlen(a))
		return NULL;
	memcpy(&address, lib.nl_addr_get_binary_addr(a), sizeof(address));
	if (!s->overlaps(s->context, ntohl(address.s_addr), lib.nl_addr_get_prefixlen(a)))
		return NULL;
	/* By its name now: another banger may have made the bridge, or removed it, since they were listed. */
	if (index && (!if_indextoname((unsigned int)index, name) || !strcmp(name, s->except)))
		return NULL;
	return xasprintf("%s %s/%u of interface '%s'", kind,
			 inet_ntop(AF_INET, &address, text, sizeof(text)),
			 lib.nl_addr_get_prefixlen(a), name);
}

static char *search_addresses(const struct search *s, struct nl_cache *cache)
{
	char *found = NULL;

	for (struct nl_object *o = lib.nl_cache_get_first(cache); o && !found;
	     o = lib.nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;

		found = in_the_way(s, lib.rtnl_addr_get_local(a), lib.rtnl_addr_get_ifindex(a),
				   "the address");
	}
	return found;
}

static char *search_routes(const struct search *s, struct nl_cache *cache)
{
	char *found = NULL;

	for (struct nl_object *o = lib.nl_cache_get_first(cache); o && !found;
	     o = lib.nl_cache_get_next(o)) {
		struct rtnl_route *r = (struct rtnl_route *)o;
		struct rtnl_nexthop *hop = lib.rtnl_route_get_nnexthops(r)
						   ? lib.rtnl_route_nexthop_n(r, 0)
						   : NULL;

		if (lib.rtnl_route_get_table(r) == RT_TABLE_LOCAL)
			continue;
		found = in_the_way(s, lib.rtnl_route_get_dst(r),
				   hop ? lib.rtnl_route_nh_get_ifindex(hop) : 0, "the route");
	}
	return found;
}

struct fault *netlink_conflict(struct netlink *n, const char *except,
			       bool (*overlaps)(const void *context, uint32_t address,
						unsigned int prefix),
			       const void *context, char **conflict)
{
	const struct search s = { overlaps, context, except };
	struct nl_cache *cache = NULL;
	int error;

	*conflict = NULL;
	error = lib.rtnl_addr_alloc_cache(n->socket, &cache);
	if (error)
		return nl_fault(error, "listing the addresses of this host");
	*conflict = search_addresses(&s, cache);
	lib.nl_cache_free(cache);
	if (*conflict)
		return NULL;
	error = lib.rtnl_route_alloc_cache(n->socket, AF_INET, 0, &cache);
	if (error)
		return nl_fault(error, "listing the routes of this host");
	*conflict = search_routes(&s, cache);
	lib.nl_cache_free(cache);
	return NULL;
}

/* ---------------------------------------------------------------------------------------- taps */

static struct fault *set_alias(struct netlink *n, const char *name, const char *alias)
{
	struct rtnl_link *link;

	if (strlen(alias) > LINK_ALIAS_MAX)
		return NULL;
	link = lib.rtnl_link_alloc();
	lib.rtnl_link_set_ifalias(link, alias);
	return change(n, name, link, "describing");
}

struct fault *tap_make(struct netlink *n, const char *name, const char *alias, uid_t owner)
{
	AUTO_FREE char *path = sysroot_path("/dev/net/tun");
	AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (fd < 0)
		return fault_sys(errno == ENOENT ? F_MISSING : F_SYS, "opening '/dev/net/tun'");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETOWNER, owner) < 0)
		return fault_sys(F_SYS, "making tap '%s'", name);
	/* Until the last call it goes with us: no tap is left that does not tell whose it is. */
	TRY(set_alias(n, name, alias));
	if (ioctl(fd, TUNSETPERSIST, 1) < 0)
		return fault_sys(F_SYS, "keeping tap '%s'", name);
	return NULL;
}

struct fault *forwarding_enable(bool *changed)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_forward";
	AUTO_FREE char *real = sysroot_path(path);
	AUTO_BUF now = BUF_INIT;
	AUTO_FD fd = -1;

	*changed = false;
	if (sysroot_read(path, 16, &now) && now.len && now.data[0] == '1')
		return NULL;
	fd = open(real, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		return fault_sys(F_SYS, "letting this host forward packets, in '%s'", path);
	*changed = true;
	return NULL;
}
