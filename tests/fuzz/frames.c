/* SPDX-License-Identifier: MIT */
/* frames.c - any bytes as what an agent sends: every decoder, and the client with a command. */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/channel.h"

static void round_trip(const struct frame_exec *exec)
{
	AUTO_BUF frames = BUF_INIT;
	AUTO_BUF joined = BUF_INIT;
	struct frame_exec again;
	struct frame f;
	size_t at = 0, used;

	if (!frame_add_exec(&frames, exec))
		return;
	while (at < frames.len) {
		if (frame_parse(frames.data + at, frames.len - at, &f, &used) != FRAME_COMPLETE)
			abort();
		buf_add(&joined, f.data, f.len);
		at += used;
	}
	if (!frame_exec(joined.data, joined.len, &again) || again.argv.n != exec->argv.n ||
	    again.env.n != exec->env.n)
		abort();
	for (size_t i = 0; i < again.argv.n; i++)
		if (strcmp(again.argv.v[i], exec->argv.v[i]) != 0)
			abort();
	frame_exec_release(&again);
}

static void decode(const struct frame *f)
{
	struct frame_hello hello;
	struct frame_exec exec;
	struct frame_exit end;
	char *text = NULL;
	uint16_t rows, columns;
	uint32_t u32;
	uint64_t u64;

	frame_hello(f, &hello);
	frame_resize(f, &rows, &columns);
	frame_u32(f, &u32);
	frame_u64(f, &u64);
	if (frame_text(f, &text))
		free(text);
	if (frame_exit(f, &end)) {
		if (strlen(end.message) > FRAME_MESSAGE_MAX || end.code > 255)
			abort();
		free(end.message);
	}
	if (frame_exec(f->data, f->len, &exec)) {
		round_trip(&exec);
		frame_exec_release(&exec);
	}
}

static void parse_all(const char *data, size_t size)
{
	size_t at = 0, used;
	struct frame f;
	bool found;

	while (frame_parse(data + at, size - at, &f, &used) == FRAME_COMPLETE) {
		if (!used || at + used > size)
			abort();
		decode(&f);
		at += used;
	}
	if (frame_find_hello(data, size, FRAME_HELLO_ACK, NULL, &found) > size)
		abort();
}

static void run_command(const uint8_t *data, size_t size)
{
	static const char *const argv[] = { "true", NULL };
	struct guest g = { .lock = -1, .in = BUF_INIT, .out = BUF_INIT, .version = FRAME_VERSION };
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct guest_exec e = { .argv = argv, .in = -1, .out = null, .err = null, .resize_fd = -1,
				.timeout_ms = 1000 };
	struct guest_status status;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		abort();
	if (size && send(ends[1], data, size, MSG_DONTWAIT) < 0)
		abort();
	shutdown(ends[1], SHUT_WR);
	g.fd = ends[0];
	AUTO_FAULT f = guest_exec_run(&g, &e, &status);

	if (!f) {
		int code = guest_exit_code(&status);

		if (code < 0 || code > 255)
			abort();
		free(status.message);
	}
	close(ends[0]);
	close(ends[1]);
	buf_release(&g.in);
	buf_release(&g.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse_all((const char *)data, size);
	if (size < 100000)
		run_command(data, size);
	return 0;
}
