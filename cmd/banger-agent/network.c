/* SPDX-License-Identifier: MIT */
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent.h"

#define NET_CLASS "/sys/class/net"
#define WAIT_MS	  2000

static bool find_now(const char *mac, char *name)
{
	AUTO_DIR dir = opendir(NET_CLASS);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		AUTO_FREE char *path = xasprintf(NET_CLASS "/%s/address", entry->d_name);
		AUTO_BUF text = BUF_INIT;

		if (*entry->d_name == '.' || strlen(entry->d_name) >= IFNAMSIZ)
			continue;
		fault_free(read_text(path, 256, &text));
		text.data[strcspn(text.data, "\n")] = '\0';
		if (!strcasecmp(text.data, mac)) {
			memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
			return true;
		}
	}
	return false;
}

static struct fault *find_interface(const char *mac, char *name)
{
	int64_t limit = now_ms() + WAIT_MS;

	while (!find_now(mac, name)) {
		if (now_ms() > limit)
			return fault_new(F_NOT_FOUND, "no network interface has the address %s",
					 mac);
		usleep(2000);
	}
	return NULL;
}

static void set_ipv4(struct sockaddr *slot, struct in_addr address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = address };

	memcpy(slot, &in, sizeof(in));
}

static struct fault *parse_ipv4(const char *text, struct in_addr *out)
{
	if (!text || inet_pton(AF_INET, text, out) != 1)
		return fault_new(F_INVALID, "'%s' is no IPv4 address", text ? text : "");
	return NULL;
}

static struct fault *set_up(int socket_fd, const char *name)
{
	struct ifreq request = { 0 };

	memcpy(request.ifr_name, name, strlen(name) + 1);
	if (ioctl(socket_fd, SIOCGIFFLAGS, &request))
		return fault_sys(F_SYS, "reading the flags of '%s'", name);
	request.ifr_flags |= IFF_UP;
	if (ioctl(socket_fd, SIOCSIFFLAGS, &request))
		return fault_sys(F_SYS, "turning on '%s'", name);
	return NULL;
}

static struct fault *set_address(int socket_fd, const char *name, struct in_addr address,
				 unsigned int prefix)
{
	struct in_addr mask = { prefix ? htonl(UINT32_MAX << (32 - prefix)) : 0 };
	struct ifreq request = { 0 };

	memcpy(request.ifr_name, name, strlen(name) + 1);
	set_ipv4(&request.ifr_addr, address);
	if (ioctl(socket_fd, SIOCSIFADDR, &request))
		return fault_sys(F_SYS, "setting the address of '%s'", name);
	set_ipv4(&request.ifr_netmask, mask);
	if (ioctl(socket_fd, SIOCSIFNETMASK, &request))
		return fault_sys(F_SYS, "setting the netmask of '%s'", name);
	return NULL;
}

/* A host route to the gateway first, so that it may lie outside of the network. */
static struct fault *set_gateway(int socket_fd, char *name, struct in_addr gateway)
{
	struct rtentry host = { .rt_flags = RTF_UP | RTF_HOST, .rt_dev = name };
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY, .rt_dev = name };
	const struct in_addr any = { 0 }, all = { UINT32_MAX };

	set_ipv4(&route.rt_dst, any);
	set_ipv4(&route.rt_genmask, any);
	set_ipv4(&route.rt_gateway, gateway);
	if (!ioctl(socket_fd, SIOCADDRT, &route) || errno == EEXIST)
		return NULL;
	if (errno != ENETUNREACH)
		return fault_sys(F_SYS, "setting the default route");
	set_ipv4(&host.rt_dst, gateway);
	set_ipv4(&host.rt_genmask, all);
	if (ioctl(socket_fd, SIOCADDRT, &host) || ioctl(socket_fd, SIOCADDRT, &route))
		return fault_sys(F_SYS, "setting the default route");
	return NULL;
}

struct fault *network_up(const struct seed_net *net)
{
	AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct in_addr address, gateway;
	char name[IFNAMSIZ];

	if (fd < 0)
		return fault_sys(F_SYS, "opening a network socket");
	TRY(set_up(fd, "lo"));
	if (!net->mac)
		return NULL;
	TRY(find_interface(net->mac, name));
	if (!net->address)
		return set_up(fd, name);
	TRY(parse_ipv4(net->address, &address));
	TRY(set_address(fd, name, address, (unsigned int)net->prefix));
	TRY(set_up(fd, name));
	if (!net->gateway)
		return NULL;
	TRY(parse_ipv4(net->gateway, &gateway));
	return set_gateway(fd, name, gateway);
}
