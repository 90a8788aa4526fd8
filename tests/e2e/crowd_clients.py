# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The clients of a crowd, a thread each, in whatever namespace this is run.

Standard input: {"pace": clients that begin a second, "members": as crowd.members() has them}. Standard output: a list
of what became of each: {"greeting": the server's first line in clear, or null, "failed": null or a sentence}.
"""
import json
import pathlib
import resource
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "record"))

import talk  # noqa: E402

PATIENCE = 60  # seconds for an answer: hundreds of servers begin at the same time


class Member(talk.Talk):
    def __init__(self, plan, meet):
        super().__init__(socket.create_connection((plan["host"], plan["dest_port"]), PATIENCE,
                                                  source_address=("", plan["src_port"])))
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.meet, self.greeting = meet, None

    def show(self, line):
        if self.greeting is None and not isinstance(self.sock, ssl.SSLSocket):
            self.greeting = line

    def do(self, step):
        if step == "! meet":
            self.meet()
        else:
            super().do(step)


class Crowd:
    def __init__(self, pace, plans):
        self.pace, self.plans = pace, plans
        self.begin = time.monotonic()
        self.barrier = threading.Barrier(len(plans), self.start_again)
        self.fates = [{"greeting": None, "failed": None} for _ in plans]

    def start_again(self):
        self.begin = time.monotonic()

    def take_turn(self, number):
        time.sleep(max(0.0, self.begin + number / self.pace - time.monotonic()))

    def meet(self, number):
        self.barrier.wait()
        self.take_turn(number)

    def play(self, number):
        plan, fate, step = self.plans[number], self.fates[number], "connect"
        self.take_turn(number)
        try:
            member = Member(plan, lambda: self.meet(number))
            for step in plan["steps"]:
                member.do(step)
                fate["greeting"] = member.greeting
            member.sock.close()
        except threading.BrokenBarrierError:
            fate["failed"] = "another one did not come to the meeting"
        except (OSError, EOFError) as reason:
            self.barrier.abort()
            fate["failed"] = f"{step.split(' ', 2)[:2]}: {reason!r}"

    def run(self):
        threads = [threading.Thread(target=self.play, args=(number,)) for number in range(len(self.plans))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.fates


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    threading.stack_size(1 << 18)
    order = json.load(sys.stdin)
    json.dump(Crowd(order["pace"], order["members"]).run(), sys.stdout)


if __name__ == "__main__":
    main()
