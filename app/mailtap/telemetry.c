/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "telemetry.h"

#include <ctype.h>
#include <errno.h>
#include <rte_telemetry.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mailtap-counters.h"

/* What the callbacks answer from; constant once they are registered. DPDK gives them no context of ours. */
static struct {
	const char *counters;
	const struct mt_ports *ports;
} source;

static void answer_error(struct rte_tel_data *answer, const char *sentence)
{
	rte_tel_data_start_dict(answer);
	rte_tel_data_add_dict_string(answer, "error", sentence);
}

/* ---- Counters ---- */

/* Names in an answer are letters, digits, `_` and `/`: a series is called by the values of its labels. */
static void name_series(const struct mt_counters_view *series, const char *worker, char *ret, size_t size)
{
	size_t len = (size_t)snprintf(ret, size, "%s", worker);

	for (uint32_t i = 0; i < series->label_count && len < size; i++)
		len += (size_t)snprintf(ret + len, size - len, "%s%s", len > 0 ? "/" : "",
					series->label[i].value);
	for (char *c = ret; *c != 0; c++)
		if (!isalnum((unsigned char)*c) && *c != '/')
			*c = '_';
	if (ret[0] == 0)
		snprintf(ret, size, "value");
}

/* Every metric, its series added up. The series of a metric stand together. */
static void answer_sums(struct rte_tel_data *answer, const struct mt_counters_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->series_count;) {
		const struct mt_counters_view *first = &snapshot->series[i];
		uint64_t sum = 0;

		for (; i < snapshot->series_count && strcmp(snapshot->series[i].name, first->name) == 0; i++)
			sum += mt_counters_count_of(&snapshot->series[i], snapshot->total);
		rte_tel_data_add_dict_u64(answer, first->name, sum);
	}
}

/* One metric's series, those of workers one by one; without the zeros, since a dictionary has a bound. */
static bool answer_series(struct rte_tel_data *answer, const struct mt_counters_snapshot *snapshot,
			  const char *metric)
{
	bool is_known = false;

	for (uint32_t i = 0; i < snapshot->series_count; i++) {
		const struct mt_counters_view *series = &snapshot->series[i];
		uint32_t blocks = series->is_by_worker ? snapshot->block_count : 1;

		if (strcmp(series->name, metric) != 0)
			continue;
		is_known = true;
		for (uint32_t b = 0; b < blocks; b++) {
			const struct mt_counters_view_block *block = &snapshot->block[b];
			uint64_t value = mt_counters_count_of(series, series->is_by_worker ? block->cells
											   : snapshot->total);
			char name[RTE_TEL_MAX_STRING_LEN];

			name_series(series, series->is_by_worker ? block->worker : "", name, sizeof(name));
			if (value != 0)
				rte_tel_data_add_dict_u64(answer, name, value);
		}
	}
	return is_known;
}

static int answer_counters(const char *metric, struct rte_tel_data *answer)
{
	const struct mt_counters_snapshot *snapshot;
	struct mt_counters_reader *reader = NULL;
	char error[256] = "no counters are published (--counters none)";

	if (strcmp(source.counters, "none") == 0 ||
	    mt_counters_reader_open(&reader, source.counters, (uid_t)-1, error, sizeof(error)) != 0 ||
	    mt_counters_read(reader, &snapshot, error, sizeof(error)) != 0) {
		answer_error(answer, error);
	} else {
		rte_tel_data_start_dict(answer);
		if (metric == NULL)
			answer_sums(answer, snapshot);
		else if (!answer_series(answer, snapshot, metric))
			rte_tel_data_add_dict_string(answer, "error", "no metric has this name");
	}
	mt_counters_reader_close(reader);
	return 0;
}

static int take_counters(const char *command, const char *metric, struct rte_tel_data *answer)
{
	(void)command;
	return answer_counters(metric != NULL && metric[0] != 0 ? metric : NULL, answer);
}

static int take_flows(const char *command, const char *parameters, struct rte_tel_data *answer)
{
	(void)command;
	(void)parameters;
	return answer_counters("mailtap_flows", answer);
}

/* ---- What else there is ---- */

static int take_ports(const char *command, const char *parameters, struct rte_tel_data *answer)
{
	(void)command;
	(void)parameters;
	rte_tel_data_start_array(answer, RTE_TEL_STRING_VAL);
	for (uint16_t i = 0; i < source.ports->count; i++) {
		char line[RTE_TEL_MAX_STRING_LEN];

		mt_ports_describe(&source.ports->port[i], line, sizeof(line));
		rte_tel_data_add_array_string(answer, line);
	}
	return 0;
}

static int take_reload(const char *command, const char *parameters, struct rte_tel_data *answer)
{
	(void)command;
	(void)parameters;
	rte_tel_data_start_dict(answer);
	if (kill(getpid(), SIGHUP) == 0)
		rte_tel_data_add_dict_string(answer, "reload",
					     "asked for; see /mailtap/counters,mailtap_reloads_total");
	else
		rte_tel_data_add_dict_string(answer, "error", strerror(errno));
	return 0;
}

void mt_telemetry_begin(const char *counters, const struct mt_ports *ports)
{
	static const struct {
		const char *command;
		telemetry_cb answer;
		const char *help;
	} commands[] = {
	    {"/mailtap/counters", take_counters,
	     "Every metric's sum; with a metric's name, its series. Parameters: none or NAME"},
	    {"/mailtap/flows", take_flows, "Connections held, by worker. Takes no parameters"},
	    {"/mailtap/ports", take_ports, "How each port was set up. Takes no parameters"},
	    {"/mailtap/reload", take_reload,
	     "Read the banner patterns again and reopen the record file. Takes no parameters"},
	};

	source.counters = counters;
	source.ports = ports;
	for (size_t i = 0; i < MT_ARRAY_LEN(commands); i++)
		rte_telemetry_register_cmd(commands[i].command, commands[i].answer, commands[i].help);
}
