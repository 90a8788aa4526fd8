/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * mailtap-stat: shows the counters of a running or ended mailtap, once. Reads, never writes.
 */
#include "stat.h"

#include <errno.h>
#include <getopt.h>

#include "exposition.h"

/* The exit statuses that scripts bind to. */
enum { DONE = 0, FAILED = 1, WRONG = 2, NO_WRITER = 3 };

enum format { TABLE, JSON, OPENMETRICS };

struct options {
	const char *name;
	enum format format;
};

static const char help[] =
    "mailtap-stat [--counters NAME] [--json | --openmetrics]\n"
    "Show the counters of mailtap, from shared memory.\n"
    "\n"
    "  --counters NAME  the object that mailtap was given (default: mailtap)\n"
    "  --json           one JSON object with every series\n"
    "  --openmetrics    OpenMetrics text\n"
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

/* Result  an exit status, or -1 to go on */
static int parse(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
	    {"counters", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
	    {"openmetrics", no_argument, NULL, 'o'},	{"watch", no_argument, NULL, 'l'},
	    {"live", no_argument, NULL, 'l'},		{"version", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'},		{NULL, 0, NULL, 0}};
	int status = -1;

	*ret = (struct options){.name = "mailtap", .format = TABLE};
	opterr = 0;
	while (status == -1) {
		int option = getopt_long(argc, argv, ":", known, NULL);

		switch (option) {
		case -1:
			return optind < argc ? refuse("an argument too many:", argv[optind]) : -1;
		case 'c':
			ret->name = optarg;
			break;
		case 'j':
			status = choose(ret, JSON, "--json");
			break;
		case 'o':
			status = choose(ret, OPENMETRICS, "--openmetrics");
			break;
		case 'l':
			status = refuse("not built yet:", argv[optind - 1]);
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

static int show(const struct mt_counters_snapshot *snapshot, enum format format)
{
	const struct mt_exposition_source source = {.snapshot = snapshot};
	int result = 0;

	switch (format) {
	case TABLE:
		mt_stat_write_table(stdout, snapshot);
		break;
	case JSON:
		result = mt_exposition_write_json(stdout, snapshot);
		break;
	case OPENMETRICS:
		mt_exposition_write_metrics(stdout, MT_EXPOSITION_OPENMETRICS, &source, 1);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		result = -EIO;
	return result;
}

int main(int argc, char **argv)
{
	struct options options;
	struct mt_counters_reader *reader;
	const struct mt_counters_snapshot *snapshot;
	char error[512];
	int result, status = parse(argc, argv, &options);

	if (status != -1)
		return status;
	result = mt_counters_reader_open(&reader, options.name, (uid_t)-1, error, sizeof(error));
	if (result != 0) {
		fprintf(stderr, "mailtap-stat: %s\n", error);
		return result == -EINVAL || result == -ENOENT ? WRONG : FAILED;
	}
	result = mt_counters_read(reader, &snapshot, error, sizeof(error));
	if (result == 0) {
		status = snapshot->has_writer ? DONE : NO_WRITER;
		result = show(snapshot, options.format);
		if (result != 0)
			snprintf(error, sizeof(error), "standard output: %s", strerror(-result));
	}
	if (result != 0) {
		fprintf(stderr, "mailtap-stat: %s\n", error);
		status = FAILED;
	}
	mt_counters_reader_close(reader);
	return status;
}
