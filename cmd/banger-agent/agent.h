/* SPDX-License-Identifier: MIT */
/* agent.h - what all parts of the agent share. */
#ifndef BANGER_AGENT_AGENT_H
#define BANGER_AGENT_AGENT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "guest/seed.h"

/* Where the agent lives once the image's root is there; a tmpfs. */
#define AGENT_DIR     "/run/banger"
#define AGENT_PROGRAM AGENT_DIR "/agent"
#define AGENT_SEED    AGENT_DIR "/seed.json"
#define AGENT_LOCK    AGENT_DIR "/lock"

/* say() - one line "banger-agent: ..." on the machine's console. */
void say(const char *fmt, ...) PRINTF(1, 2);
/* say_fault() - say the fault (stolen, may be NULL), then free it. */
void say_fault(struct fault *f);
/* Milliseconds of the monotonic clock. */
int64_t now_ms(void);
/* write_text() - create or replace the file @path. */
struct fault *write_text(const char *path, const char *text, mode_t mode) MUST_CHECK;
/* read_text() - append at most @max bytes of @path, F_SYS or F_CORRUPT when it is longer. */
struct fault *read_text(const char *path, size_t max, struct buf *out) MUST_CHECK;

/* boot_run() - be /init: bring the machine up as the seed says and run the image's init. */
void boot_run(char **argv) __attribute__((noreturn));
/* serve_run() - be the agent: answer on every port.  Waits while another agent does. */
int serve_run(void);
/* serve_keep() - run an agent, and another one when it ends.  For an init that has no units. */
int serve_keep(void);

#endif
