# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""flows.py FLOWS [--rounds N] [--packets N] [--most N] [--json]: what the flow table costs a packet.

FLOWS is the program. Cycles a packet, in bursts of 32 as a worker takes them: from decoded headers to fingerprint and
prefetch ("prepare"), and the look-up with what a decided flow's packet touches ("find"), for 1 thousand to 16 million
flows (--most) that packets belong to uniformly or by Zipf's law, in huge pages, and uniformly in small ones. "apart" is
both together, with the prefetches of a burst behind its last fingerprint instead of one behind each. "memory" is what
it takes to ask for lines of the table at random and to read them, with nothing to compute: what this machine leaves to
be gained. "none" is a look-up of what is not there. "set-up" is a first payload: prepared, not found, its handshake
taken from the cache, entered in a full table; "SYN" and "SYN-ACK" are the packets before it, "removal" is the flow's
end; all with their preparation. Crafted: a million tuples picked to have one CRC32C, one Toeplitz hash or both, beside
a million random ones.
"""
import argparse
import json
import statistics

import rounds

COUNTS = (1024, 100_000, 1_000_000, 4_000_000, 16_000_000)
SPREADS = {"uniform": COUNTS[-1], "zipf": COUNTS[-1], "small": 4_000_000}  # and the most flows
FIGURES = ("prepare", "find", "prepare_apart", "find_apart", "memory", "find_none", "fill", "syn", "syn_ack", "set_up",
           "removal")
SHOWN = {"prepare": "prepare", "find": "find", "memory": "memory", "find_none": "none", "syn": "SYN", "syn_ack": "SYN-ACK",
         "set_up": "set-up", "removal": "removal"}
HASHES = ("crc32c", "toeplitz", "both", "random")
GOALS = {"slow_down": 1.6, "crafted": 2, "set_up_per_second": {"cache": 8e6, "memory": 5e6}}


def combine(runs):
    """One configuration over all rounds."""
    first = runs[0]
    figures = {name: rounds.summary([run[name] for run in runs]) for name in FIGURES}
    path = [run["prepare"] + run["find"] for run in runs]
    apart = [run["prepare_apart"] + run["find_apart"] for run in runs]
    return {**{name: first[name] for name in ("flows", "packets", "table_bytes", "tsc_hz", "hash")},
            "pages": sorted({run["pages"] for run in runs}), "cycles": figures, "look_up": rounds.summary(path),
            "look_up_apart": rounds.summary(apart),
            "look_up_ns": statistics.median(path) / first["tsc_hz"] * 1e9,
            "set_up_per_second": first["tsc_hz"] / figures["set_up"]["median"],
            "handshakes_per_second": first["tsc_hz"] / sum(figures[name]["median"] for name in ("syn", "syn_ack", "set_up"))}


def combine_crafted(runs):
    cost = {name: [run[name]["prepare"] + run[name]["find"] for run in runs] for name in HASHES}
    return {"flows": runs[0]["flows"], "pages": runs[0]["pages"], "look_up": {n: rounds.summary(c) for n, c in cost.items()},
            "ratio": {name: statistics.median(a / b for a, b in zip(cost[name], cost["random"])) for name in HASHES},
            "fill_ratio": {name: statistics.median(run[name]["fill"] / run["random"]["fill"] for run in runs)
                           for name in HASHES}}


def measure(options):
    wanted = [(count, spread) for count in COUNTS for spread, most in SPREADS.items() if count <= min(options.most, most)]
    commands = [[options.flows, str(count), spread, str(options.packets)] for count, spread in wanted]
    results, dropped = rounds.interleave([*commands, [options.flows, "crafted", str(options.packets)]], options.rounds)
    runs = [[json.loads(out) for out, _, _ in result] for result in results]
    rows = {spread: [combine(run) for (_, s), run in zip(wanted, runs) if s == spread] for spread in SPREADS}
    slow_down = {spread: {way: rows[spread][-1][way]["median"] / rows[spread][1][way]["median"]
                          for way in ("look_up", "look_up_apart")} for spread in SPREADS if len(rows[spread]) > 1}
    return {"goals": GOALS, "rounds": options.rounds, "dropped_rounds": dropped, "spreads": rows, "slow_down": slow_down,
            "crafted": combine_crafted(runs[-1])}


def print_row(spread, row):
    cycles = " ".join(f"{row['cycles'][name]['median']:7.0f}" for name in SHOWN)
    print(f"{row['flows']:>9} {spread:8} {row['table_bytes'] >> 20:6} {'/'.join(row['pages']):11} "
          f"{row['look_up']['median']:7.0f} {row['look_up']['spread']:6.2f} {row['look_up_ns']:6.1f} "
          f"{row['look_up_apart']['median']:7.0f} {cycles} "
          f"{row['set_up_per_second'] / 1e6:9.1f} {row['handshakes_per_second'] / 1e6:9.1f}")


def print_table(result):
    heads = " ".join(f"{head:>7}" for head in SHOWN.values())
    print(f"{'flows':>9} {'':8} {'MiB':>6} {'pages':11} {'look-up':>7} {'spread':>6} {'ns':>6} {'apart':>7} {heads} "
          f"{'set-ups/s':>9} {'with SYNs':>9}")
    for spread, rows in result["spreads"].items():
        for row in rows:
            print_row(spread, row)
    print(f"cycles a packet, medians; hash: {result['spreads']['uniform'][0]['hash']}; look-up: prepare + find; set-ups in millions a second, goals 8 in the cache, 5 in memory")
    for spread, ratio in result["slow_down"].items():
        rows = result["spreads"][spread]
        print(f"{spread}: {rows[-1]['flows']} flows cost {ratio['look_up']:.2f} times what {rows[1]['flows']} do, apart "
              f"{ratio['look_up_apart']:.2f}, goal {GOALS['slow_down']}")
    crafted = result["crafted"]
    print(f"crafted, {crafted['flows']} flows: " + "; ".join(
        f"{name} {crafted['look_up'][name]['median']:.0f} cycles, {crafted['ratio'][name]:.2f} of random"
        for name in HASHES[:-1]) + f"; random {crafted['look_up']['random']['median']:.0f}; goal at most {GOALS['crafted']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--packets", type=int, default=4_000_000)
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="flows")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options)
    print(json.dumps(result)) if options.json else print_table(result)


if __name__ == "__main__":
    main()
