/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "record.h"

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int mt_record_compare(const struct mt_report *a, const struct mt_report *b)
{
	const struct mt_mail_ends *left = &a->ends, *right = &b->ends;
	/* The first that is not 0 decides. */
	const int keys[] = {
	    compare_numbers(a->end.over_ns, b->end.over_ns),
	    compare_numbers(a->end.end_ns, b->end.end_ns),
	    compare_numbers(left->ip_version, right->ip_version),
	    memcmp(left->client_addr, right->client_addr, sizeof(left->client_addr)),
	    compare_numbers(left->client_port, right->client_port),
	    memcmp(left->server_addr, right->server_addr, sizeof(left->server_addr)),
	    compare_numbers(left->server_port, right->server_port),
	    compare_numbers(left->vlan_count, right->vlan_count),
	    compare_numbers(left->vlan[0], right->vlan[0]),
	    compare_numbers(left->vlan[1], right->vlan[1]),
	    compare_numbers(a->facts.start_ns, b->facts.start_ns),
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(keys); i++)
		if (keys[i] != 0)
			return keys[i];
	return 0;
}
