/* SPDX-License-Identifier: MIT */
#include "port_find.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent.h"
#include "loop.h"

#define CLASS	 "/sys/class/virtio-ports"
#define LOOK_MS	 50    /* between looks at first, as an announcement may be missed */
#define EAGER_MS 10000 /* for so long */

static void (*report)(unsigned int index, const char *device);
static int64_t eager_until, next_look = -1;

static void look(void)
{
	AUTO_DIR dir = opendir(CLASS);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		AUTO_FREE char *name_file = xasprintf(CLASS "/%s/name", entry->d_name);
		AUTO_FREE char *device = xasprintf("/dev/%s", entry->d_name);
		AUTO_BUF name = BUF_INIT;
		unsigned int index;
		char more;

		if (*entry->d_name == '.')
			continue;
		fault_free(read_text(name_file, 256, &name));
		if (sscanf(name.data, "banger.%u%c", &index, &more) == 2 && more == '\n')
			report(index, device);
	}
}

/* What is announced does not matter: something changed, so look. */
static void announced(void *context, uint32_t events)
{
	const struct watch *w = context;
	char text[8192];
	bool ours = false;
	ssize_t n;

	(void)events;
	while ((n = recv(w->fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		ours = ours || strstr(text, "virtio-ports");
	}
	if (ours || (n < 0 && errno == ENOBUFS))
		look();
}

void port_find_init(void (*found)(unsigned int index, const char *device))
{
	static struct watch watch = { -1, 0, announced, &watch };
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };

	report = found;
	watch.fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  NETLINK_KOBJECT_UEVENT);
	if (watch.fd >= 0 && !bind(watch.fd, (struct sockaddr *)&address, sizeof(address)))
		loop_want(&watch, EPOLLIN);
	eager_until = now_ms() + EAGER_MS;
	next_look = now_ms() + LOOK_MS;
	look();
}

int64_t port_find_tick(void)
{
	if (next_look >= 0 && next_look <= now_ms()) {
		look();
		next_look = now_ms() < eager_until ? now_ms() + LOOK_MS : -1;
	}
	return next_look;
}
