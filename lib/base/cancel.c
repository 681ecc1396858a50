/* SPDX-License-Identifier: MIT */
#include "base/cancel.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>

static volatile sig_atomic_t seen_signal;
static int event = -1;
static _Atomic int holds;

static void note_signal(int number)
{
	int saved = errno;
	uint64_t one = 1;
	ssize_t ignored;

	if (!seen_signal)
		seen_signal = number;
	ignored = write(event, &one, sizeof(one));
	(void)ignored;
	errno = saved;
}

void cancel_install(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = note_signal };

	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct sigaction old;

		/* What a parent told us to ignore (nohup) stays ignored. */
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
}

int cancel_signal(void)
{
	return seen_signal;
}

int cancel_fd(void)
{
	return holds ? -1 : event;
}

struct fault *cancel_check(void)
{
	const char *name = seen_signal == SIGINT    ? "interrupted"
			   : seen_signal == SIGTERM ? "terminated"
						    : "hung up";

	if (!seen_signal || holds)
		return NULL;
	return fault_new(F_CANCELLED, "%s", name);
}

void cancel_hold(void)
{
	holds++;
}

void cancel_release(void)
{
	holds--;
}
