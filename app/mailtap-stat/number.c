/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "stat.h"

#define EXACT_MOST 9999

const char *mt_stat_number(char ret[MT_STAT_NUMBER_SIZE], double value)
{
	static const char suffixes[] = {'k', 'M', 'G', 'T', 'P', 'E'};
	size_t i = 0;

	if (value < 0)
		return "-";
	if (value == 0)
		return "0";
	if (value < 9.95 && value != (double)(uint64_t)value)
		snprintf(ret, MT_STAT_NUMBER_SIZE, value < 0.1 ? "%.2f" : "%.1f", value);
	else if (value <= EXACT_MOST)
		snprintf(ret, MT_STAT_NUMBER_SIZE, "%.0f", value);
	if (value <= EXACT_MOST)
		return ret;
	for (value /= 1000; value >= 999.5 && i + 1 < sizeof(suffixes); i++)
		value /= 1000;
	snprintf(ret, MT_STAT_NUMBER_SIZE, "%.*f%c",
		 value < 9.995	 ? 2
		 : value < 99.95 ? 1
				 : 0,
		 value, suffixes[i]);
	return ret;
}
