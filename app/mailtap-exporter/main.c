/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * mailtap-exporter: shows the counters of running mailtaps to Prometheus and to a browser. Reads shared
 * memory, never writes there; needs no privilege; never part of the capture process.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "instances.h"
#include "server.h"

/* The exit statuses that scripts bind to. */
enum { DONE = 0, FAILED = 1, WRONG = 2 };

struct options {
	const char *listen;
	const char *names[MT_INSTANCES_MAX + 1]; /* one more than there may be, for somebody to say so */
	size_t name_count;
	uid_t owner;
	bool is_once;
	const char *textfile; /* NULL for none */
};

static const char help[] =
    "mailtap-exporter [--listen ADDRESS:PORT] [--counters NAME]... [--once | --textfile PATH]\n"
    "Show the counters of mailtap to Prometheus (/metrics) and to a browser (/).\n"
    "\n"
    "  --listen ADDRESS:PORT  where to serve: 127.0.0.1:9925 (default), [::1]:9925, [::]:9925 ...\n"
    "  --counters NAME        the object that mailtap was given (default: mailtap); may be repeated\n"
    "  --owner USER           accept counters of that user, besides root's and one's own\n"
    "  --once                 write the metrics to standard output and end\n"
    "  --textfile PATH        write them to a file, whole or not at all, and end: for the textfile\n"
    "                         collector of node_exporter\n"
    "  --version              say the version\n"
    "  --help                 say this\n"
    "\n"
    "Counters that are not there are said to be down (mailtap_up 0) until they come. /healthz answers 200\n"
    "while every one is written by a living process of which every thread is heard of, else 503.\n"
    "Status: 0 done, or ended by a signal; 1 failed; 2 a wrong option, or an address that cannot be had.\n";

static int refuse(const char *what, const char *value)
{
	fprintf(stderr, "mailtap-exporter: %s '%s'; try --help\n", what, value);
	return WRONG;
}

static int say(int status, const char *error)
{
	fprintf(stderr, "mailtap-exporter: %s\n", error);
	return status;
}

/* ---- Options ---- */

static int take_name(struct options *options, const char *name)
{
	if (options->name_count < MT_ARRAY_LEN(options->names))
		options->names[options->name_count++] = name;
	return -1;
}

static int take_owner(struct options *options, const char *name)
{
	const struct passwd *user = getpwnam(name);

	if (user == NULL)
		return refuse("no such user:", name);
	options->owner = user->pw_uid;
	return -1;
}

/* Result  an exit status, or -1 to go on */
static int take(struct options *options, int option, char **argv)
{
	switch (option) {
	case 'l':
		options->listen = optarg;
		return -1;
	case 'c':
		return take_name(options, optarg);
	case 'u':
		return take_owner(options, optarg);
	case 'o':
		options->is_once = true;
		return -1;
	case 't':
		options->textfile = optarg;
		return -1;
	case 'v':
		puts("mailtap-exporter " MT_VERSION);
		return DONE;
	case 'h':
		fputs(help, stdout);
		return DONE;
	case ':':
		return refuse("a value is missing behind", argv[optind - 1]);
	default:
		return refuse("no such option:", argv[optind - 1]);
	}
}

/* Result  an exit status, or -1 to go on */
static int parse(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
	    {"listen", required_argument, NULL, 'l'},	{"counters", required_argument, NULL, 'c'},
	    {"owner", required_argument, NULL, 'u'},	{"once", no_argument, NULL, 'o'},
	    {"textfile", required_argument, NULL, 't'}, {"version", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'},		{NULL, 0, NULL, 0}};
	int option, status;

	*ret = (struct options){.listen = "127.0.0.1:9925", .owner = (uid_t)-1};
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", known, NULL)) != -1)
		if ((status = take(ret, option, argv)) != -1)
			return status;
	if (optind < argc)
		return refuse("an argument too many:", argv[optind]);
	if (ret->is_once && ret->textfile != NULL)
		return say(WRONG, "--once and --textfile exclude each other; try --help");
	if (ret->name_count == 0)
		take_name(ret, "mailtap");
	return -1;
}

/* ---- What it does ---- */

static int write_metrics(struct mt_instances *instances, FILE *out)
{
	mt_instances_read(instances);
	mt_instances_write_metrics(instances, out, MT_EXPOSITION_TEXT);
	return fflush(out) != 0 || ferror(out) ? -errno : 0;
}

static int write_once(struct mt_instances *instances)
{
	int result = write_metrics(instances, stdout);

	if (result == 0)
		return DONE;
	fprintf(stderr, "mailtap-exporter: standard output: %s\n", strerror(-result));
	return FAILED;
}

/*
 * Under another name first, which no collector reads (they take *.prom), then renamed: who reads PATH finds
 * a whole file, the old one or the new.
 */
static int write_textfile(struct mt_instances *instances, const char *path)
{
	char *building = NULL;
	FILE *out = NULL;
	int status = WRONG, fd = -1;

	if (asprintf(&building, "%s.XXXXXX", path) < 0)
		return say(FAILED, strerror(ENOMEM));
	fd = mkostemp(building, O_CLOEXEC);
	if (fd < 0)
		goto complain;
	status = FAILED;
	out = fdopen(fd, "w");
	if (out == NULL || write_metrics(instances, out) != 0 || fchmod(fd, 0644) != 0 || fsync(fd) != 0 ||
	    rename(building, path) != 0)
		goto complain;
	status = DONE;
	goto close_file;

complain:
	fprintf(stderr, "mailtap-exporter: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		unlink(building);
close_file:
	if (out != NULL)
		fclose(out);
	else if (fd >= 0)
		close(fd);
	free(building);
	return status;
}

/* Result  a descriptor that can be read once a signal asks for the end, or -1 */
static int catch_end(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int serve(struct mt_instances *instances, const char *address)
{
	char error[256], bound[MT_ADDRESS_SIZE];
	struct mt_server *server = NULL;
	int result, end = catch_end(), listening = mt_address_listen(address, bound, error, sizeof(error));

	if (listening < 0)
		return say(WRONG, error);
	result = end >= 0 ? mt_server_create(&server, instances, listening) : -errno;
	if (result == 0) {
		fprintf(stderr, "mailtap-exporter: serving http://%s/\n", bound);
		mt_instances_read(
		    instances); /* what is wrong with them is said now, not at the first scrape */
		result = mt_server_run(server, end);
	}
	mt_server_destroy(server);
	close(end);
	return result == 0 ? DONE : say(FAILED, strerror(-result));
}

static int run(struct mt_instances *instances, const struct options *options)
{
	char error[256];

	for (size_t i = 0; i < options->name_count; i++)
		if (mt_instances_add(instances, options->names[i], error, sizeof(error)) != 0)
			return say(WRONG, error);
	if (options->is_once)
		return write_once(instances);
	if (options->textfile != NULL)
		return write_textfile(instances, options->textfile);
	return serve(instances, options->listen);
}

int main(int argc, char **argv)
{
	static struct mt_instances instances;
	struct options options;
	int status = parse(argc, argv, &options);

	if (status != -1)
		return status;
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	instances.trusted_uid = options.owner;
	status = run(&instances, &options);
	mt_instances_fini(&instances);
	return status;
}
