/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "generator.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void usage(void)
{
	fprintf(stderr,
		"usage: %s [--tuples N] [--zipf] [--bytes N] [--mail PERCENT] [--first N] [--opened] KIND "
		"PACKETS TARGET "
		"[CAPTURE...]\n",
		program_invocation_short_name);
	traffic_list_kinds();
	exit(2);
}

static uint64_t number(const char *text, uint64_t most)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (end == text || *end != 0 || n > most)
		errx(2, "%s is no number up to %" PRIu64, text, most);
	return n;
}

static void read_switches(struct traffic *traffic, int argc, char **argv)
{
	static const struct option options[] = {
	    {"tuples", required_argument, NULL, 't'},
	    {"zipf", no_argument, NULL, 'z'},
	    {"bytes", required_argument, NULL, 'b'},
	    {"mail", required_argument, NULL, 'm'},
	    {"first", required_argument, NULL, 'f'},
	    {"opened", no_argument, NULL, 'o'},
	    {0},
	};

	for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;)
		switch (option) {
		case 't':
			traffic->tuples = (uint32_t)number(optarg, 1u << 28);
			break;
		case 'z':
			traffic->is_zipf = true;
			break;
		case 'b':
			traffic->bytes = (uint32_t)number(optarg, FRAME_MAX);
			break;
		case 'm':
			traffic->mail_percent = (uint32_t)number(optarg, 100);
			break;
		case 'f':
			traffic->first = (uint32_t)number(optarg, 1u << 24);
			break;
		case 'o':
			traffic->is_opened = true;
			break;
		default:
			usage();
		}
}

const struct kind *traffic_read_options(struct traffic *traffic, int argc, char **argv,
					const char **ret_target)
{
	const struct kind *kind;

	read_switches(traffic, argc, argv);
	argc -= optind;
	argv += optind;
	if (argc < 3)
		usage();
	kind = traffic_find_kind(argv[0]);
	if (kind == NULL)
		errx(2, "%s is no kind of traffic", argv[0]);
	traffic->wanted = number(argv[1], UINT64_MAX);
	*ret_target = argv[2];
	for (int i = 3; kind->needs_captures && i < argc; i++)
		add_capture(traffic, argv[i]);
	if (kind->needs_captures && traffic->model_count == 0)
		errx(2, "%s needs captures of Ethernet frames to take sessions from", argv[0]);
	return kind;
}

/* Sessions under way are brought to their end: a capture that is played in a loop opens and closes. */
void traffic_send_all(struct traffic *traffic, const struct kind *kind)
{
	if (kind->begin != NULL)
		kind->begin(traffic);
	while (kind->send(traffic))
		;
}

void traffic_report(const struct traffic *traffic, const struct kind *kind)
{
	printf("{\"kind\": \"%s\", \"packets\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"setup\": %" PRIu64
	       ", \"connections\": %" PRIu64 "}\n",
	       kind->name, traffic->packets, traffic->total_bytes, traffic->setup, traffic->connections);
}
