/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "instances.h"

#include <errno.h>

int mt_instances_add(struct mt_instances *instances, const char *name, char *error, size_t error_size)
{
	struct mt_counters_reader *reader = NULL;

	for (size_t i = 0; i < instances->count; i++)
		if (strcmp(instances->instance[i].name, name) == 0) {
			snprintf(error, error_size, "counters %s: named twice", name);
			return -EINVAL;
		}
	if (instances->count == MT_INSTANCES_MAX) {
		snprintf(error, error_size, "counters %s: more than %u", name, MT_INSTANCES_MAX);
		return -EINVAL;
	}
	/* The reader knows what a name may be; that nothing is there yet is no mistake. */
	if (mt_counters_reader_open(&reader, name, instances->trusted_uid, error, error_size) == -EINVAL)
		return -EINVAL;
	instances->instance[instances->count++] = (struct mt_instance){.name = name, .reader = reader};
	return 0;
}

static void read_one(struct mt_instance *instance, uid_t trusted_uid)
{
	char *problem = instance->problem;
	const size_t size = sizeof(instance->problem);

	problem[0] = 0;
	instance->snapshot = NULL;
	if (instance->reader != NULL)
		/* What stands in the place of the next run may be refused: the last values are shown on. */
		mt_counters_reader_renew(&instance->reader, problem, size);
	else if (mt_counters_reader_open(&instance->reader, instance->name, trusted_uid, problem, size) != 0)
		return;
	if (mt_counters_read(instance->reader, &instance->snapshot, problem, size) == 0)
		return;
	mt_counters_reader_close(instance->reader);
	instance->reader = NULL;
	instance->snapshot = NULL;
}

void mt_instances_read(struct mt_instances *instances)
{
	char before[sizeof(instances->instance[0].problem)];

	for (size_t i = 0; i < instances->count; i++) {
		struct mt_instance *instance = &instances->instance[i];

		memcpy(before, instance->problem, sizeof(before));
		read_one(instance, instances->trusted_uid);
		if (instance->problem[0] != 0 && strcmp(instance->problem, before) != 0)
			fprintf(stderr, "mailtap-exporter: %s\n", instance->problem);
	}
}

void mt_instances_fini(struct mt_instances *instances)
{
	for (size_t i = 0; i < instances->count; i++)
		mt_counters_reader_close(instances->instance[i].reader);
	instances->count = 0;
}

void mt_instances_write_metrics(const struct mt_instances *instances, FILE *out,
				enum mt_exposition_format format)
{
	struct mt_exposition_source sources[MT_INSTANCES_MAX];

	for (size_t i = 0; i < instances->count; i++)
		sources[i] = (struct mt_exposition_source){.name = instances->instance[i].name,
							   .snapshot = instances->instance[i].snapshot};
	mt_exposition_write_metrics(out, format, sources, instances->count);
}

int mt_instances_write_json(const struct mt_instances *instances, FILE *out)
{
	int result = 0;

	fputs("{\"instances\":[", out);
	for (size_t i = 0; i < instances->count && result == 0; i++) {
		const struct mt_instance *instance = &instances->instance[i];

		if (i > 0)
			fputc(',', out);
		result = instance->snapshot != NULL
			     ? mt_exposition_write_json(out, instance->snapshot)
			     : mt_exposition_write_json_absent(out, instance->name, instance->problem);
	}
	fputs("]}\n", out);
	return result;
}

bool mt_instances_write_health(const struct mt_instances *instances, FILE *out)
{
	char health[MT_COUNTERS_HEALTH_SIZE];
	bool are_healthy = true;

	for (size_t i = 0; i < instances->count; i++) {
		const struct mt_instance *instance = &instances->instance[i];

		if (instance->snapshot == NULL) {
			are_healthy = false;
			fprintf(out, "%s\n", instance->problem);
			continue;
		}
		are_healthy &= mt_counters_health(instance->snapshot, health);
		fprintf(out, "counters %s: %s\n", instance->name, health);
		if (instance->problem[0] != 0)
			fprintf(out, "%s\n", instance->problem);
	}
	return are_healthy;
}
