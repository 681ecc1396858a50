/* SPDX-License-Identifier: MIT */
/*
 * main.c - the watcher as a program of its own, small enough to stay: what `banger watch` does, without
 * the rest of banger.  Launched by `banger vm start` where watch.auto_watch says so, and by a unit.
 */
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/text.h"
#include "build_info.h"
#include "vm/watch.h"

static const char usage[] =
	"usage: banger-watch [--once] [--stay] [--interval DURATION] [--dns] [--dns-port PORT]\n"
	"       [--state-dir DIR]\n"
	"Watches the virtual machines that run, keeps what they use for 'banger vm stats --history', and\n"
	"stops those that were idle for too long. Ends by itself when none runs, unless --stay is given.\n"
	"With --dns their names are served on a port of 127.0.0.1. See banger-watch(1).\n";

struct request {
	struct watch_options options;
	const char *state_dir, *interval, *dns_port;
	bool help, version;
};

static void print_line(void *context, const char *line)
{
	(void)context;
	log_write(LOG_LEVEL_INFO, "%s", line);
	printf("banger-watch: %s\n", line);
	fflush(stdout);
}

static struct fault *parse(int argc, char **argv, struct request *r)
{
	static const struct option names[] = {
		{ "once", no_argument, NULL, '1' },	   { "stay", no_argument, NULL, 's' },
		{ "interval", required_argument, NULL, 'i' }, { "state-dir", required_argument, NULL, 'd' },
		{ "dns", no_argument, NULL, 'n' },	   { "dns-port", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },	   { "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c;

	*r = (struct request){ .options.tell = print_line };
	while ((c = getopt_long(argc, argv, "hi:", names, NULL)) >= 0) {
		r->options.once |= c == '1';
		r->options.stay |= c == 's';
		r->options.dns |= c == 'n';
		r->help |= c == 'h';
		r->version |= c == 'v';
		if (c == 'i')
			r->interval = optarg;
		if (c == 'd')
			r->state_dir = optarg;
		if (c == 'p')
			r->dns_port = optarg;
		if (c == '?')
			return fault_new(F_USAGE, "see --help");
	}
	return optind < argc ? fault_new(F_USAGE, "there is no use for '%.64s'", argv[optind]) : NULL;
}

static struct fault *dns_options(struct request *r, const struct config *config)
{
	uint64_t port = config->watch_dns_port;

	if (r->options.dns && r->options.once)
		return fault_new(F_USAGE, "--dns answers for as long as the watcher runs, and --once ends it");
	if (r->dns_port)
		TRY(text_parse_count(r->dns_port, "--dns-port", 0, 65535, &port));
	r->options.dns_port = (unsigned int)port;
	if (r->options.dns || r->options.once)
		return NULL;
	r->options.dns = r->options.dns_optional = !strcmp(config->watch_dns, "yes");
	return NULL;
}

static struct fault *watch(struct request *r)
{
	struct config config;
	struct store store;
	uint64_t ms = 0;
	struct fault *f;

	TRY(config_load(&config));
	f = text_parse_duration(r->interval ? r->interval : config.watch_interval, "--interval", &ms);
	if (!f && ms < 100)
		f = fault_new(F_INVALID, "--interval: less than 100ms is too busy");
	r->options.interval_ms = (int64_t)ms;
	if (!f)
		f = dns_options(r, &config);
	if (!f)
		f = store_open(r->state_dir, STORE_WRITE, &store);
	if (!f) {
		f = watch_run(&store, &config, &r->options, &watch_real_clock);
		store_release(&store);
	}
	config_release(&config);
	return f;
}

int main(int argc, char **argv)
{
	struct request r;
	AUTO_FAULT f = NULL;

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	f = parse(argc, argv, &r);
	if (!f && r.help) {
		fputs(usage, stdout);
		return 0;
	}
	if (!f && r.version) {
		puts("banger-watch " BANGER_VERSION);
		return 0;
	}
	cancel_install();
	if (!f)
		f = log_begin(&(struct log_options){ .program = "banger-watch", .command = "watch",
						     .own_operation = true });
	if (!f)
		f = watch(&r);
	if (!f)
		return 0;
	log_fault(f);
	fprintf(stderr, "banger-watch: %s\n", fault_message(f));
	return fault_kind(f) == F_USAGE ? 2 : 1;
}
