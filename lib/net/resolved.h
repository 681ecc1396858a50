/* SPDX-License-Identifier: MIT */
/*
 * resolved.h - telling systemd-resolved who answers for the VMs' names.
 *
 * What is set belongs to the bridge and goes with it.  Only names below ".vm" and addresses of the
 * bridge's subnet are asked for there; everything else goes where it went before.
 */
#ifndef BANGER_NET_RESOLVED_H
#define BANGER_NET_RESOLVED_H

#include "base/fault.h"
#include "net/subnet.h"

/*
 * resolved_route() - let questions about VMs go to @port of 127.0.0.1, and read back that they do.
 * Return: NULL; F_MISSING when there is no systemd-resolved; F_TOOL with what it said; F_STATE when it
 * agreed and did not do it, or the bridge has other DNS servers, which are not touched; F_TIMEOUT,
 * F_CANCELLED.
 */
struct fault *resolved_route(const char *bridge, const struct subnet *subnet,
			     unsigned int port) MUST_CHECK;
/* resolved_unroute() - as if it had never been.  Errors as above. */
struct fault *resolved_unroute(const char *bridge) MUST_CHECK;

#endif
