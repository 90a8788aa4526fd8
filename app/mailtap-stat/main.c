/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * mailtap-stat: shows the counters of a running or ended mailtap, once or as they go on. Reads, never writes.
 */
#include "stat.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>

#include "exposition.h"
#include "follow.h"

/* The exit statuses that scripts bind to. */
enum { DONE = 0, FAILED = 1, WRONG = 2, NO_WRITER = 3 };

enum format { TABLE, JSON, OPENMETRICS, WATCH, LIVE };

struct options {
	const char *name;
	enum format format;
	uid_t owner; /* whose counters are accepted besides root's and one's own; (uid_t)-1 for nobody's */
};

static const char help[] =
    "mailtap-stat [--counters NAME] [--owner USER] [--json | --openmetrics | --watch | --live]\n"
    "Show the counters of mailtap, from shared memory.\n"
    "\n"
    "  --counters NAME  the object that mailtap was given (default: mailtap)\n"
    "  --owner USER     accept counters of that user, besides root's and one's own\n"
    "  --json           one JSON object with every series\n"
    "  --openmetrics    OpenMetrics text\n"
    "  --watch          a line of rates every second, until interrupted\n"
    "  --live           a full-screen view; its last line names the keys\n"
    "  --version        say the version\n"
    "  --help           say this\n"
    "\n"
    "Without a format: a table, without the series that are zero.\n"
    "Status: 0 done; 1 the counters cannot be read; 2 a wrong option, or no such counters;\n"
    "3 no living mailtap holds the counters: the values shown are its last.\n";

static int refuse(const char *what, const char *value)
{
	fprintf(stderr, "mailtap-stat: %s '%s'; try --help\n", what, value);
	return WRONG;
}

/* Two formats at once would leave a script guessing which it gets. */
static int choose(struct options *options, enum format format, const char *option)
{
	if (options->format != TABLE && options->format != format)
		return refuse("a second format", option);
	options->format = format;
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
static int parse(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {{"counters", required_argument, NULL, 'c'},
					      {"json", no_argument, NULL, 'j'},
					      {"openmetrics", no_argument, NULL, 'o'},
					      {"watch", no_argument, NULL, 'w'},
					      {"live", no_argument, NULL, 'l'},
					      {"version", no_argument, NULL, 'v'},
					      {"owner", required_argument, NULL, 'u'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int status = -1;

	*ret = (struct options){.name = "mailtap", .format = TABLE, .owner = (uid_t)-1};
	opterr = 0;
	while (status == -1) {
		int option = getopt_long(argc, argv, ":", known, NULL);

		switch (option) {
		case -1:
			return optind < argc ? refuse("an argument too many:", argv[optind]) : -1;
		case 'c':
			ret->name = optarg;
			break;
		case 'u':
			status = take_owner(ret, optarg);
			break;
		case 'j':
			status = choose(ret, JSON, "--json");
			break;
		case 'o':
			status = choose(ret, OPENMETRICS, "--openmetrics");
			break;
		case 'w':
			status = choose(ret, WATCH, "--watch");
			break;
		case 'l':
			status = choose(ret, LIVE, "--live");
			break;
		case 'v':
			puts("mailtap-stat " MT_VERSION);
			status = DONE;
			break;
		case 'h':
			fputs(help, stdout);
			status = DONE;
			break;
		case ':':
			status = refuse("a value is missing behind", argv[optind - 1]);
			break;
		default:
			status = refuse("no such option:", argv[optind - 1]);
		}
	}
	return status;
}

static int say(int status, const char *error)
{
	fprintf(stderr, "mailtap-stat: %s\n", error);
	return status;
}

static int status_of(int result)
{
	return result == -EINVAL || result == -ENOENT ? WRONG : FAILED;
}

static int show(const struct mt_counters_snapshot *snapshot, enum format format)
{
	const struct mt_exposition_source source = {.snapshot = snapshot};
	int result = 0;

	switch (format) {
	case JSON:
		result = mt_exposition_write_json(stdout, snapshot);
		break;
	case OPENMETRICS:
		mt_exposition_write_metrics(stdout, MT_EXPOSITION_OPENMETRICS, &source, 1);
		break;
	default:
		mt_stat_write_table(stdout, snapshot);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		result = -EIO;
	return result;
}

static int show_once(const struct options *options)
{
	struct mt_counters_reader *reader;
	const struct mt_counters_snapshot *snapshot;
	char error[512];
	int result = mt_counters_reader_open(&reader, options->name, options->owner, error, sizeof(error));
	int status = NO_WRITER;

	if (result != 0)
		return say(status_of(result), error);
	result = mt_counters_read(reader, &snapshot, error, sizeof(error));
	if (result == 0) {
		status = snapshot->has_writer ? DONE : NO_WRITER;
		result = show(snapshot, options->format);
		if (result != 0)
			snprintf(error, sizeof(error), "standard output: %s", strerror(-result));
	}
	mt_counters_reader_close(reader);
	return result == 0 ? status : say(FAILED, error);
}

static int show_on(const struct options *options)
{
	struct mt_follow follow;
	char error[512];
	int result = mt_follow_open(&follow, options->name, options->owner, error, sizeof(error));
	int status;

	if (result != 0)
		return say(status_of(result), error);
	result = options->format == WATCH ? mt_stat_watch(stdout, &follow, error, sizeof(error))
					  : mt_stat_live(&follow, error, sizeof(error));
	if (result != 0)
		status = say(result == -ENOTTY ? WRONG : FAILED, error);
	else
		status = follow.now->has_writer ? DONE : NO_WRITER;
	mt_follow_close(&follow);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = parse(argc, argv, &options);

	if (status != -1)
		return status;
	return options.format == WATCH || options.format == LIVE ? show_on(&options) : show_once(&options);
}
