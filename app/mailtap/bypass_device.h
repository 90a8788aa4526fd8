/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The bypass table's hands: which ports' drivers take its rules, what a rule looks like, and the word to the
 * worker. A rule is for one direction of one connection, by addresses and ports, and not for packets with
 * SYN, FIN or RST: the end of a connection is always seen, and so is the beginning of the next one. A driver
 * that cannot match flags gets none.
 */
#ifndef MT_BYPASS_DEVICE_H
#define MT_BYPASS_DEVICE_H

#include "bypass.h"
#include "worker.h"

struct mt_bypass_device {
	const struct mt_run *run;
	unsigned count; /* ports that take rules */
	struct {
		uint16_t id;   /* DPDK's number */
		bool takes[2]; /* rules for IPv4; for IPv6 */
	} port[MT_PORTS_MAX];
};

/** The table's calls; their context is a struct mt_bypass_device. */
extern const struct mt_bypass_hands mt_bypass_device_hands;

/**
 * Ask the driver of every port, once for each version of IP, and say the answer on standard error, a line a
 * port. Nothing is changed.
 * run    kept
 * Owner  main, when ports and workers are there
 */
void mt_bypass_device_open(struct mt_bypass_device *ret, const struct mt_run *run);

/** Remove what a driver would not remove rule by rule. All zero is legal. */
void mt_bypass_device_close(struct mt_bypass_device *device);

#endif
