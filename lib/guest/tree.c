/* SPDX-License-Identifier: MIT */
/*
 * tree.c - the host's side of the agent's put and get.
 *
 * Theory of operation.  The thread that called pumps the agent's channel; whoever makes or reads the
 * archive does so in a second thread at the other end of a socket pair.  Either may fail first: the
 * other then sees the pair closed and ends too, and of the two faults the one that came first by its
 * nature is reported: a broken pair is never the reason.
 */
#include "guest/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "guest/channel.h"

#define NOTICE_MAX 4096

/* ------------------------------------------------------------------------------------ built-ins */

/* A file in memory that cannot grow: what says more than fits ends with a fault. */
static struct fault *open_notice(int *fd)
{
	*fd = memfd_create("notice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || ftruncate(*fd, NOTICE_MAX) ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK))
		return fault_sys(F_SYS, "keeping the guest's messages");
	return NULL;
}

static char *read_notice(int fd)
{
	char text[NOTICE_MAX + 1];
	off_t len = lseek(fd, 0, SEEK_CUR);
	ssize_t n = len > 0 ? pread(fd, text, (size_t)len < NOTICE_MAX ? (size_t)len : NOTICE_MAX, 0)
			    : 0;

	if (n <= 0)
		return NULL;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	return n ? channel_printable(text) : NULL;
}

static struct fault *status_fault(const char *part, const struct guest_status *status,
				  const char *notice)
{
	if (status->how == GUEST_EXITED && !status->code)
		return NULL;
	if (status->how == GUEST_EXITED && status->code == 127)
		return fault_hint(fault_new(F_UNSUPPORTED, "the agent in this VM is older than "
					    "banger and cannot do this"),
				  "Restart the VM: it then gets the present agent.");
	if (status->how == GUEST_EXITED && notice)
		return fault_new(F_GUEST, "in the guest: %s", notice);
	if (status->how == GUEST_SIGNALLED)
		return fault_new(F_GUEST, "the agent's '%s' was killed by signal %d in the guest",
				 part, status->code);
	return fault_new(F_GUEST, "the agent's '%s' failed in the guest: %s", part,
			 status->message ? status->message : "it did not say why");
}

struct fault *guest_builtin(struct guest *g, const char *const *argv, const char *user, int in,
			    int out, char **notice)
{
	struct guest_status status = { 0 };
	AUTO_FREE char *message = NULL;
	AUTO_FREE char *said = NULL;
	AUTO_FD nowhere = -1;
	AUTO_FD err = -1;
	struct guest_exec e = { .argv = argv, .builtin = true, .user = user, .cwd = "/",
				.in = in, .out = out, .resize_fd = -1, .watched = true };
	struct fault *f;

	if (notice)
		*notice = NULL;
	if (out < 0) {
		e.out = nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (nowhere < 0)
			return fault_sys(F_SYS, "opening /dev/null");
	}
	TRY(open_notice(&err));
	e.err = err;
	f = guest_exec_run(g, &e, &status);
	message = status.message;
	if (f)
		return f;
	TRY(cancel_check());
	said = read_notice(err);
	TRY(status_fault(argv[0], &status, said));
	if (notice)
		*notice = steal_ptr(&said);
	return NULL;
}

/* --------------------------------------------------------------------------------- the other end */

struct worker {
	int fd; /* owned: this thread's end of the pair */
	bool broken; /* the other end was closed on us */
	bool at_end; /* all that was sent has been read */
	struct fault *(*produce)(void *context, struct tar_writer *w);
	struct fault *(*consume)(void *context, struct tar_reader *r);
	void *context;
	struct fault *fault;
	pthread_t thread;
};

static struct fault *worker_write(void *context, const void *data, size_t len)
{
	struct worker *w = context;
	const char *at = data;

	while (len) {
		ssize_t n = send(w->fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			w->broken = true;
			return fault_sys(F_SYS, "sending to the guest");
		}
		at += n;
		len -= (size_t)n;
	}
	return NULL;
}

static struct fault *worker_produce(struct worker *w)
{
	struct tar_writer *writer = tar_writer_new(&(struct tar_sink){ worker_write, w });
	struct fault *f = w->produce(w->context, writer);

	if (!f)
		f = tar_writer_finish(writer);
	tar_writer_free(writer);
	return f;
}

static struct fault *worker_read(void *context, void *data, size_t max, size_t *len)
{
	struct worker *w = context;
	ssize_t n;

	do
		n = recv(w->fd, data, max, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fault_sys(F_SYS, "reading what the guest sent");
	*len = (size_t)n;
	w->at_end = !n;
	return NULL;
}

static struct fault *worker_consume(struct worker *w)
{
	struct tar_reader *reader = tar_reader_new(&(struct tar_source){ worker_read, w },
						   "what the guest sent");
	struct fault *f = w->consume(w->context, reader);

	if (!f)
		f = tar_reader_drain(reader);
	tar_reader_free(reader);
	return f;
}

static void *worker_run(void *context)
{
	struct worker *w = context;

	w->fault = w->produce ? worker_produce(w) : worker_consume(w);
	fd_close(w->fd);
	return NULL;
}

/* Signals are for the thread that pumps. */
static struct fault *worker_start(struct worker *w, int *ours)
{
	sigset_t all, old;
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return fault_sys(F_SYS, "making a pair of sockets");
	w->fd = pair[1];
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&w->thread, NULL, worker_run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error) {
		fd_close(pair[0]);
		fd_close(pair[1]);
		errno = error;
		return fault_sys(F_SYS, "starting a thread");
	}
	*ours = pair[0];
	return NULL;
}

/* Of @f, the guest's end, and the worker's, the one to report. */
static struct fault *worker_end(struct worker *w, int ours, struct fault *f)
{
	bool guest_gone = f && fault_kind(f) == F_CANCELLED;

	shutdown(ours, SHUT_RDWR);
	pthread_join(w->thread, NULL);
	fd_close(ours);
	if (!f || (w->fault && !w->broken && !guest_gone)) {
		fault_free(f);
		return w->fault;
	}
	fault_free(w->fault);
	return f;
}

/* ----------------------------------------------------------------------------------- put and get */

struct fault *guest_put_fd(struct guest *g, struct guest_tree *t, int fd)
{
	const char *argv[] = { "put", t->path, NULL };

	return guest_builtin(g, argv, t->user, fd, -1, &t->notice);
}

struct fault *guest_put(struct guest *g, struct guest_tree *t,
			struct fault *(*produce)(void *context, struct tar_writer *w),
			void *context)
{
	struct worker w = { .produce = produce, .context = context };
	struct fault *f;
	int ours;

	t->notice = NULL;
	TRY(worker_start(&w, &ours));
	f = guest_put_fd(g, t, ours);
	return worker_end(&w, ours, f);
}

struct fault *guest_get_fd(struct guest *g, struct guest_tree *t, int fd)
{
	const char *argv[] = { "get", t->path, NULL };

	return guest_builtin(g, argv, t->user, -1, fd, &t->notice);
}

/* The guest's own reason ("no such file") comes before the reader's "it ends in the middle". */
static struct fault *get_through(struct guest *g, struct guest_tree *t, const char *const *argv, int in,
				 struct worker *w)
{
	struct fault *f;
	int ours;

	t->notice = NULL;
	TRY(worker_start(w, &ours));
	f = guest_builtin(g, argv, t->user, in, ours, &t->notice);
	shutdown(ours, SHUT_RDWR);
	pthread_join(w->thread, NULL);
	fd_close(ours);
	if (!f || (w->fault && !w->at_end && fault_kind(f) != F_CANCELLED)) {
		fault_free(f);
		return w->fault;
	}
	fault_free(w->fault);
	return f;
}

struct fault *guest_get(struct guest *g, struct guest_tree *t,
			struct fault *(*consume)(void *context, struct tar_reader *r),
			void *context)
{
	const char *argv[] = { "get", t->path, t->as, NULL };
	struct worker w = { .consume = consume, .context = context };

	return get_through(g, t, argv, -1, &w);
}

static struct fault *write_list(const struct strings *names, int *fd)
{
	AUTO_FD list = memfd_create("list", MFD_CLOEXEC);

	if (list < 0)
		return fault_sys(F_SYS, "keeping a list of files");
	for (size_t i = 0; i < names->n; i++)
		if (write(list, names->v[i], strlen(names->v[i]) + 1) < 0)
			return fault_sys(F_SYS, "keeping a list of files");
	if (lseek(list, 0, SEEK_SET))
		return fault_sys(F_SYS, "keeping a list of files");
	*fd = steal_fd(&list);
	return NULL;
}

struct fault *guest_get_list(struct guest *g, struct guest_tree *t, const struct strings *names,
			     struct fault *(*consume)(void *context, struct tar_reader *r),
			     void *context)
{
	const char *argv[] = { "get-list", t->path, NULL };
	struct worker w = { .consume = consume, .context = context };
	AUTO_FD list = -1;

	TRY(write_list(names, &list));
	return get_through(g, t, argv, list, &w);
}

struct fault *guest_path_kind(struct guest *g, const char *path, const char *user,
			      enum guest_path_kind *kind)
{
	static const char *const words[] = { "absent\n", "file\n", "directory\n", "other\n" };
	const char *argv[] = { "kind", path, NULL };
	AUTO_FD out = -1;
	char answer[17] = "";

	TRY(open_notice(&out));
	TRY(guest_builtin(g, argv, user, -1, out, NULL));
	if (pread(out, answer, sizeof(answer) - 1, 0) < 0)
		return fault_sys(F_SYS, "reading the guest's answer");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!strcmp(answer, words[i])) {
			*kind = (enum guest_path_kind)i;
			return NULL;
		}
	}
	return channel_garbage("an answer about a path that means nothing");
}
