/* SPDX-License-Identifier: MIT */
#include "guest/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "guest/channel.h"

#define WORDS_MAX 512

struct pipes {
	int in[2], out[2], err[2];
};

static struct fault *make_pipe(int ends[2])
{
	/* What stays in it is read without waiting. */
	if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		return fault_sys(F_SYS, "making a pipe");
	return NULL;
}

static void close_pipes(struct pipes *p)
{
	int *all[] = { &p->in[0], &p->in[1], &p->out[0], &p->out[1], &p->err[0], &p->err[1] };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		fd_close(steal_fd(all[i]));
}

static struct fault *fill_input(const struct guest_capture *c, struct pipes *p)
{
	if (!c->input_len)
		return NULL;
	TRY(make_pipe(p->in));
	if (c->input_len > 4096 ||
	    write(p->in[1], c->input, c->input_len) != (ssize_t)c->input_len)
		return fault_new(F_INVALID, "the input of '%s' is too long", c->argv[0]);
	if (!c->hold_input)
		fd_close(steal_fd(&p->in[1]));
	return NULL;
}

static void drain(int fd, size_t max, struct buf *out)
{
	while (max) {
		size_t step = max < 4096 ? max : 4096;
		ssize_t n = read(fd, buf_grow(out, step), step);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		max -= (size_t)n;
	}
}

static struct fault *failed(const struct guest_capture *c, const struct guest_status *status,
			    const struct buf *words)
{
	AUTO_FREE char *said = channel_printable(words->len ? words->data : "");
	const char *why = status->message ? status->message : said;

	return fault_new(F_GUEST, "'%s' in the guest failed%s%s", c->argv[0], *why ? ": " : "", why);
}

static struct fault *run(struct guest *g, const struct guest_capture *c, struct pipes *p,
			 struct buf *out, bool *timed_out)
{
	struct guest_status status = { 0 };
	AUTO_BUF words = BUF_INIT;
	struct fault *f;

	TRY(make_pipe(p->out));
	TRY(make_pipe(p->err));
	TRY(fill_input(c, p));
	TRY(guest_exec_run(g, &(struct guest_exec){ .argv = c->argv, .builtin = c->builtin,
						    .in = p->in[0], .out = p->out[1],
						    .err = p->err[1], .resize_fd = -1,
						    .timeout_ms = c->timeout_ms },
			   &status));
	drain(p->out[0], GUEST_CAPTURE_MAX, out);
	drain(p->err[0], WORDS_MAX, &words);
	while (words.len && words.data[words.len - 1] == '\n')
		words.data[--words.len] = '\0';
	if (status.how == GUEST_TIMED_OUT) {
		if (!timed_out)
			return fault_new(F_TIMEOUT, "the guest did not answer '%s' in time",
					 c->argv[0]);
		*timed_out = true;
		return NULL;
	}
	f = status.how == GUEST_EXITED && !status.code ? NULL : failed(c, &status, &words);
	free(status.message);
	return f;
}

struct fault *guest_capture(struct guest *g, const struct guest_capture *c, struct buf *out,
			    bool *timed_out)
{
	struct pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct fault *f;

	if (timed_out)
		*timed_out = false;
	f = run(g, c, &p, out, timed_out);
	close_pipes(&p);
	return f;
}

struct fault *guest_report(struct guest *g, const char *name, const struct record_type *type,
			   int timeout_ms, void *out)
{
	const char *const argv[] = { name, NULL };
	AUTO_FREE char *what = xasprintf("the answer of the agent to '%s'", name);
	AUTO_BUF text = BUF_INIT;

	TRY(guest_capture(g, &(struct guest_capture){ .argv = argv, .builtin = true,
						      .timeout_ms = timeout_ms },
			  &text, NULL));
	return record_read(type, text.data, text.len, what, out);
}
