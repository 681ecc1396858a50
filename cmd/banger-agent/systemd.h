/* SPDX-License-Identifier: MIT */
/* systemd.h - what an image with systemd is given on the tmpfs /run, before systemd starts. */
#ifndef BANGER_AGENT_SYSTEMD_H
#define BANGER_AGENT_SYSTEMD_H

/*
 * systemd_prepare() - a failure is told on the console, no more.
 *
 * The unit banger-agent.service: the agent already runs by then, as it was forked before systemd,
 * and answers many seconds earlier than any unit could.  The unit's agent waits for the lock of
 * the first one (serve_run()) and takes its place should it ever end.
 *
 * A tmpfiles.d fragment in the place of the distribution's tmp.conf: systemd empties /tmp while it
 * boots, and commands may be using it by then.  So the agent empties it itself, before the first
 * command, when the image wants that, and the fragment is a copy that does not ask for it again.
 */
void systemd_prepare(void);

#endif
