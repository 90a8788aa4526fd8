/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Runs the program itself, named by MAILTAP_STAT, against a real object of this process. */
#include "unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/wait.h>

#include "counters.h"

static char object[MT_COUNTERS_NAME_MAX];
static char output[1 << 20];
static struct mt_counters_layout *layout;

/* Result  the exit status; what came on both outputs stands in output */
static int run(const char *arguments)
{
	char command[512];

	snprintf(command, sizeof(command), "\"%s\" %s 2>&1", getenv("MAILTAP_STAT"), arguments);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	output[fread(output, 1, sizeof(output) - 1, pipe)] = 0;
	return WEXITSTATUS(pclose(pipe));
}

static int run_on_object(const char *format)
{
	char arguments[128];

	snprintf(arguments, sizeof(arguments), "--counters %s %s", object, format);
	return run(arguments);
}

static struct mt_counters_publisher *publish_some(void)
{
	static char products[][MT_COUNTERS_PRODUCT_SIZE] = {"unknown", "postfix"};
	struct mt_counters_publisher *publisher;
	uint64_t *cells;

	snprintf(object, sizeof(object), "mailtap-stat-test.%d", getpid());
	const struct mt_counters_start start = {
	    .name = object, .version = "9.8", .workers = 2, .run_start_ns = 1500000000};
	assert_int_equal(mt_counters_layout_create(&layout, products, 2, 1, 2), 0);
	assert_int_equal(mt_counters_publisher_open(&publisher, layout, &start), 0);
	cells = mt_counters_cells_create(layout);
	cells[MT_CELL1(PACKETS, MT_VERDICT_DIALOGUE)] = 5;
	cells[MT_CELL2(SESSIONS, MT_PROTOCOL_POP3, MT_SECURITY_CLEARTEXT)] = 2;
	cells[MT_CELL1(CYCLES, MT_POLL_BUSY)] = 1;
	cells[MT_CELL1(CYCLES, MT_POLL_IDLE)] = 3;
	cells[mt_counters_cell(layout, MT_COUNTER_BANNERS, MT_PROTOCOL_SMTP, 1, 0)] = 4;
	mt_counters_observe(cells, MT_CELL1(GREETING, MT_PROTOCOL_SMTP), 1500000);
	mt_counters_publish(mt_counters_publisher_block(publisher, 0), cells, 0);
	mt_counters_publish(mt_counters_publisher_block(publisher, 1), cells, 0);
	free(cells);
	return publisher;
}

static void end(struct mt_counters_publisher *publisher)
{
	char path[128];

	mt_counters_publisher_close(publisher);
	mt_counters_layout_destroy(layout);
	snprintf(path, sizeof(path), "/dev/shm/%s", object);
	unlink(path);
}

static void has_line(const char *line)
{
	char text[256];

	snprintf(text, sizeof(text), "\n%s\n", line);
	if (strstr(output, text) == NULL)
		fail_msg("no line: %s", line);
}

/* A sample's name without its suffix is the family that was declared last (OpenMetrics 1.0, "Text format").
 */
static void every_sample_follows_its_type(void)
{
	char family[128] = "", seen[64][128], suffix[32];
	unsigned count = 0;

	for (char *save = NULL, *line = strtok_r(output, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char type[128];

		if (sscanf(line, "# TYPE %127s %127s", family, type) == 2) {
			for (unsigned i = 0; i < count; i++)
				assert_string_not_equal(seen[i], family);
			assert_true(count < MT_ARRAY_LEN(seen));
			strcpy(seen[count++], family);
			strcpy(suffix, strcmp(type, "counter") == 0 ? "_total"
				       : strcmp(type, "info") == 0  ? "_info"
								    : "");
		} else if (strncmp(line, "# UNIT ", 7) == 0) {
			char *unit = strrchr(line, ' ') + 1;
			assert_string_equal(family + strlen(family) - strlen(unit), unit);
		} else if (line[0] != '#') {
			assert_memory_equal(line, family, strlen(family));
			assert_memory_equal(line + strlen(family), suffix, strlen(suffix));
		}
	}
	assert_true(count > 30);
}

static void openmetrics_is_what_prometheus_reads(void **state)
{
	(void)state;
	struct mt_counters_publisher *publisher = publish_some();

	assert_int_equal(run_on_object("--openmetrics"), 0);
	has_line("# TYPE mailtap_packets counter");
	has_line("mailtap_packets_total{worker=\"1\",verdict=\"dialogue\"} 5");
	has_line("mailtap_sessions_total{protocol=\"pop3\",security=\"cleartext\"} 4");
	has_line("mailtap_banners_total{protocol=\"smtp\",software=\"postfix\"} 8");
	has_line("mailtap_rx_bytes_total{port=\"0\",queue=\"1\"} 0");
	has_line("# UNIT mailtap_rx_bytes bytes");
	has_line("# TYPE mailtap_flows gauge");
	has_line("# TYPE mailtap_greeting_seconds histogram");
	has_line("# UNIT mailtap_greeting_seconds seconds");
	/* Two observations of 1.5 ms: none up to 1 ms, both up to 2 ms and in all that follow. */
	has_line("mailtap_greeting_seconds_bucket{protocol=\"smtp\",le=\"0.001\"} 0");
	has_line("mailtap_greeting_seconds_bucket{protocol=\"smtp\",le=\"0.002\"} 2");
	has_line("mailtap_greeting_seconds_bucket{protocol=\"smtp\",le=\"300.0\"} 2");
	has_line("mailtap_greeting_seconds_bucket{protocol=\"smtp\",le=\"+Inf\"} 2");
	has_line("mailtap_greeting_seconds_count{protocol=\"smtp\"} 2");
	has_line("mailtap_greeting_seconds_sum{protocol=\"smtp\"} 0.003000000");
	has_line("mailtap_build_info{version=\"9.8\"} 1");
	has_line("mailtap_start_time_seconds 1.500000000");
	has_line("mailtap_up 1");
	has_line("mailtap_poll_busy_ratio{worker=\"0\"} 0.250000");
	assert_null(strstr(output, "mailtap_flows{worker=\"control\"}"));
	has_line("mailtap_lost_total{worker=\"control\",reason=\"record_sink\"} 0");
	assert_string_equal(output + strlen(output) - strlen("\n# EOF\n"), "\n# EOF\n");
	every_sample_follows_its_type();
	end(publisher);
}

static const json_t *sample_of(const json_t *all, const char *metric, size_t index)
{
	return json_array_get(
	    json_object_get(json_object_get(json_object_get(all, "metrics"), metric), "series"), index);
}

static void json_holds_every_series(void **state)
{
	(void)state;
	struct mt_counters_publisher *publisher = publish_some();
	const json_t *sample;
	json_error_t error;

	assert_int_equal(run_on_object("--json"), 0);
	json_t *all = json_loads(output, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(all);
	assert_string_equal(json_string_value(json_object_get(all, "state")), "live");
	assert_true(json_is_true(json_object_get(all, "up")));
	/* Published with a heartbeat at the boot of the machine: long ago. */
	assert_true(json_is_false(json_object_get(all, "healthy")));
	assert_non_null(strstr(json_string_value(json_object_get(all, "health")), "has not been heard of"));
	assert_int_equal(json_array_size(json_object_get(all, "threads")), 3);
	assert_int_equal(json_object_size(json_object_get(all, "metrics")), MT_COUNTER_COUNT);
	sample = sample_of(all, "mailtap_sessions_total",
			   MT_PROTOCOL_POP3 * MT_SECURITY_COUNT + MT_SECURITY_CLEARTEXT);
	assert_int_equal(json_integer_value(json_object_get(sample, "value")), 4);
	assert_string_equal(json_string_value(json_object_get(json_object_get(sample, "labels"), "protocol")),
			    "pop3");
	assert_string_equal(json_string_value(json_object_get(json_object_get(sample, "labels"), "security")),
			    "cleartext");
	sample = sample_of(all, "mailtap_greeting_seconds", MT_PROTOCOL_SMTP);
	assert_int_equal(json_integer_value(json_object_get(sample, "count")), 2);
	assert_int_equal(json_array_size(json_object_get(sample, "buckets")), MT_COUNTERS_BOUNDS + 1);
	json_decref(all);
	end(publisher);
}

static void the_table_leaves_zeros_out(void **state)
{
	(void)state;
	struct mt_counters_publisher *publisher = publish_some();

	assert_int_equal(run_on_object(""), 0);
	assert_non_null(strstr(output, "\nMail\n"));
	assert_non_null(strstr(output, "  sessions pop3 cleartext "));
	assert_null(strstr(output, "sessions smtp"));
	assert_null(strstr(output, "\nLosses\n"));
	assert_non_null(strstr(output, "busy 25.0 %"));
	end(publisher);
}

static void without_a_writer_the_last_values_are_shown(void **state)
{
	(void)state;
	struct mt_counters_publisher *publisher = publish_some();

	mt_counters_publisher_close(publisher);
	assert_int_equal(run_on_object("--openmetrics"), 3);
	has_line("mailtap_up 0");
	has_line("mailtap_sessions_total{protocol=\"pop3\",security=\"cleartext\"} 4");
	assert_int_equal(run_on_object(""), 3);
	assert_non_null(strstr(output, "closed, no writer: last values"));
	end(NULL);
}

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *arguments, *named;
		int status;
	} runs[] = {
	    {"--counters no-such-counters", "no-such-counters", 2},
	    {"--counters ../etc", "'../etc'", 2},
	    {"--counters", "'--counters'", 2},
	    {"--live --watch", "'--watch'", 2},
	    {"--json --live", "'--live'", 2},
	    {"--watch --counters no-such-counters", "no-such-counters", 2},
	    {"--live --counters no-such-counters", "no-such-counters", 2},
	    {"--nonsense", "'--nonsense'", 2},
	    {"--owner no-such-user", "'no-such-user'", 2},
	    {"--owner", "'--owner'", 2},
	    {"-x", "'-x'", 2},
	    {"--json --openmetrics", "'--openmetrics'", 2},
	    {"word", "'word'", 2},
	    {"--version", "mailtap-stat ", 0},
	    {"--help", "--openmetrics", 0},
	};

	for (unsigned i = 0; i < MT_ARRAY_LEN(runs); i++) {
		assert_int_equal(run(runs[i].arguments), runs[i].status);
		assert_non_null(strstr(output, runs[i].named));
	}
}

static void a_foreign_file_is_a_failure(void **state)
{
	(void)state;
	char path[128];

	snprintf(object, sizeof(object), "mailtap-stat-test.%d", getpid());
	snprintf(path, sizeof(path), "/dev/shm/%s", object);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	assert_int_equal(run_on_object(""), 1);
	assert_non_null(strstr(output, object));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(openmetrics_is_what_prometheus_reads),
	    cmocka_unit_test(json_holds_every_series),
	    cmocka_unit_test(the_table_leaves_zeros_out),
	    cmocka_unit_test(without_a_writer_the_last_values_are_shown),
	    cmocka_unit_test(what_is_wrong_is_named),
	    cmocka_unit_test(a_foreign_file_is_a_failure),
	};
	return cmocka_run_group_tests_name("stat", tests, NULL, NULL);
}
