/* SPDX-License-Identifier: MIT */
/*
 * qmp.h - the QEMU machine protocol (QEMU, docs/interop/qmp-spec.rst): one JSON object a line over a
 * unix socket, a greeting first, commands after qmp_capabilities.
 */
#ifndef BANGER_VMM_QMP_H
#define BANGER_VMM_QMP_H

#include "base/fault.h"
#include "base/json.h"

struct qmp;

/*
 * qmp_open() - connect to @path and read the greeting; QEMU sends it once its machine is set up.
 * @wait_ms: how long to wait for the socket and the greeting.  @pidfd: gives up with F_TOOL when
 * that process ends; -1 = not watched.
 * Return: NULL and *@q (owned); F_TIMEOUT, F_TOOL, F_CORRUPT, F_CANCELLED, F_SYS.
 */
struct fault *qmp_open(const char *path, int wait_ms, int pidfd, struct qmp **q) MUST_CHECK;
void qmp_close(struct qmp *q);
/*
 * qmp_query() - run a command with @arguments, a JSON object as text (NULL = none), and wait for its
 * answer, at most @wait_ms.  @doc: out, owned; what was asked for is its member "return".  NULL = of no
 * interest.  F_TOOL with QEMU's words when it refuses.
 */
struct fault *qmp_query(struct qmp *q, const char *command, const char *arguments, int wait_ms,
			struct json_doc **doc) MUST_CHECK;

#endif
