/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Input: by how much the object shrinks after it was opened, then the object in shared memory. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>

#include "exposition.h"
#include "fuzz.h"

static char name[MT_COUNTERS_NAME_MAX], path[MT_COUNTERS_NAME_MAX + 16];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	snprintf(name, sizeof(name), "mailtap-fuzz.%d", (int)getpid());
	snprintf(path, sizeof(path), "/dev/shm/%s", name);
	return 0;
}

/* Every view lies within the cells that a block has. */
static void check(const struct mt_counters_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->series_count; i++) {
		const struct mt_counters_view *view = &snapshot->series[i];

		FUZZ_MUST(view->kind < MT_COUNTERS_KIND_COUNT && view->divisor > 0);
		for (uint32_t l = 0; l < view->label_count; l++)
			FUZZ_MUST(mt_counters_label_of(view, view->label[l].key) != NULL);
		for (uint32_t cell = view->cell; cell < view->cell + view->cells; cell++) {
			uint64_t sum = 0;

			for (uint32_t b = 0; b < snapshot->block_count; b++)
				sum += snapshot->block[b].cells[cell];
			FUZZ_MUST(sum == snapshot->total[cell]);
		}
	}
	for (uint32_t b = 0; b < snapshot->block_count; b++)
		FUZZ_MUST(mt_counters_busy_ratio(snapshot, b) <= 1);
	FUZZ_MUST(mt_counters_state_name(snapshot) != NULL);
}

/* Whatever the directory says, what is written of it is what it claims to be. */
static void expose(const struct mt_counters_snapshot *snapshot)
{
	const struct mt_exposition_source source = {.name = name, .snapshot = snapshot};
	char health[MT_COUNTERS_HEALTH_SIZE], *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	FUZZ_MUST(out != NULL && mt_exposition_write_json(out, snapshot) == 0 && fclose(out) == 0);
	json_t *json = json_loads(text, 0, NULL);
	FUZZ_MUST(json_is_object(json));
	json_decref(json);
	free(text);
	out = open_memstream(&text, &len);
	FUZZ_MUST(out != NULL);
	mt_exposition_write_metrics(out, MT_EXPOSITION_TEXT, &source, 1);
	mt_exposition_write_metrics(out, MT_EXPOSITION_OPENMETRICS, &source, 1);
	FUZZ_MUST(fclose(out) == 0 && len >= 6 && strcmp(text + len - 6, "# EOF\n") == 0);
	free(text);
	mt_counters_health(snapshot, health);
	FUZZ_MUST(memchr(health, 0, sizeof(health)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mt_span object = fuzz_input(data, len);
	size_t shrunk = fuzz_byte(&object);
	struct mt_counters_reader *reader;
	const struct mt_counters_snapshot *snapshot;
	char error[400] = "";
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	FUZZ_MUST(fd >= 0 && write(fd, object.data, object.len) == (ssize_t)object.len);
	int result = mt_counters_reader_open(&reader, name, (uid_t)-1, error, sizeof(error));
	/* Nothing is left lying around, whatever comes now. */
	unlink(path);
	FUZZ_MUST(result == 0 || result == -EBADMSG || result == -EPROTONOSUPPORT);
	FUZZ_MUST((result == 0) == (error[0] == 0));
	if (result == 0) {
		FUZZ_MUST(shrunk == 0 || ftruncate(fd, (off_t)(object.len / 256 * (256 - shrunk))) == 0);
		result = mt_counters_read(reader, &snapshot, error, sizeof(error));
		FUZZ_MUST(result == 0 || result == -ENODATA);
		if (result == 0) {
			check(snapshot);
			expose(snapshot);
		}
		mt_counters_reader_close(reader);
	}
	close(fd);
	return 0;
}
