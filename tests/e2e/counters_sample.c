/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* What a stranger would write against the installed library: counters_sample NAME prints the packets by
 * verdict. */
#include <inttypes.h>
#include <mailtap-counters.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct mt_counters_reader *reader;
	const struct mt_counters_snapshot *snapshot;
	char error[256];

	if (argc != 2)
		return 2;
	if (mt_counters_reader_open(&reader, argv[1], (uid_t)-1, error, sizeof(error)) != 0 ||
	    mt_counters_read(reader, &snapshot, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	for (uint32_t i = 0; i < snapshot->series_count; i++) {
		const struct mt_counters_view *series = &snapshot->series[i];

		if (strcmp(series->name, "mailtap_packets_total") == 0)
			printf("%s %" PRIu64 "\n", mt_counters_label_of(series, "verdict"),
			       snapshot->total[series->cell]);
	}
	mt_counters_reader_close(reader);
	return 0;
}
