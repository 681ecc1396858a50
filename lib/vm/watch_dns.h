/* SPDX-License-Identifier: MIT */
/*
 * watch_dns.h - the watcher's DNS server: the names of the state directory for whoever speaks DNS, and
 * systemd-resolved told about it when root runs VMs on a bridge.
 *
 * The bridge comes and goes with the VMs; the watcher sleeps in watch_dns_sleep(), which wakes up when an
 * address of this host changes and for nothing else.
 */
#ifndef BANGER_VM_WATCH_DNS_H
#define BANGER_VM_WATCH_DNS_H

#include "vm/watch.h"

struct watch_dns;

/*
 * watch_dns_begin() - serve, as @options ask.  Caller holds watch_lock().  @out: owned.  The references
 * are borrowed until watch_dns_end().  F_BUSY when the port is taken; F_INVALID, F_DENIED, F_SYS.
 */
struct fault *watch_dns_begin(const struct store *s, const struct config *config,
			      const struct watch_options *options,
			      struct watch_dns **out) MUST_CHECK;
/* watch_dns_sleep() - as watch_clock's sleep. */
bool watch_dns_sleep(struct watch_dns *dns, int64_t ms);
/* watch_dns_end() - NULL is fine. */
void watch_dns_end(struct watch_dns *dns);

#endif
