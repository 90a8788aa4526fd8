/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What an operator may want to know beside the sentences that everybody is told: DPDK's log, with types of
 * our own, so that `--log-level=mailtap.*:debug` shows it. Never from the loop of a worker.
 */
#ifndef MT_LOG_H
#define MT_LOG_H

#include <rte_log.h>

/* DPDK's numbers of the types, set before main() begins. */
extern int mt_log_ports;   /* mailtap.ports: devices, their queues and buffers */
extern int mt_log_workers; /* mailtap.workers: who runs where and polls what */
extern int mt_log_control; /* mailtap.control: phases of the run, reloading */

/** A line of a type (ports, workers, control) at a level (DEBUG, INFO, NOTICE ...), without its end. */
#define MT_LOG(type, level, format, ...)                                                                     \
	rte_log(RTE_LOG_##level, (uint32_t)mt_log_##type, "mailtap." #type ": " format "\n", __VA_ARGS__)

#endif
