"""What haagent, keepalived and ldirectord make of the same failures: steps, tables, and differences as data.

`inside_twins.py` plays it on a real kernel; docs/twins.md is `render()` of it (test_twins_document.py).

A table is written as `service: server weight, ...`; "web" takes a dead server out, "calm" gives it weight 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Twin = Literal["haagent", "keepalived", "ldirectord"]
TWINS: tuple[Twin, ...] = ("haagent", "keepalived", "ldirectord")
Pool = Mapping[str, int]  # weight by server
Pools = Mapping[str, Pool]  # by service
SERVICES = {"web": ("198.51.100.100", "wrr"), "calm": ("198.51.100.101", "wrr")}
SERVERS = {"rs1": "192.0.2.11", "rs2": "192.0.2.12", "rs3": "192.0.2.13", "rs4": "192.0.2.14", "sorry": "192.0.2.99"}


@dataclass(frozen=True, slots=True)
class Difference:
    pools: Pools  # of the services that differ
    reason: str


@dataclass(frozen=True, slots=True)
class Passing:
    """What a twin's table may hold on the way: entries of neither end, or "service/nobody" where both ends serve."""

    entries: frozenset[str]  # "service/server"
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    what: str
    web: Pool
    calm: Pool
    servers: Mapping[str, str] = field(default_factory=dict)  # what each does from now on: "fine", "dead", "500"
    configured: Mapping[str, int] | None = None  # a new configuration, read by a reload: weight by server
    differences: Mapping[Twin, Difference] = field(default_factory=dict)
    passing: Mapping[Twin, Passing] = field(default_factory=dict)

    def pools(self, twin: Twin) -> Pools:
        other = self.differences[twin].pools if twin in self.differences else {}
        return {"web": self.web, "calm": self.calm} | dict(other)


NEW = frozenset({"web/rs4", "calm/rs4"})
NOBODY = frozenset({"web/nobody", "calm/nobody"})
START = {"rs1": 1, "rs2": 2, "rs3": 1}
HEAVIER = START | {"rs3": 5}
STEPS = (
    Step("start, three servers answer", START, START, {"rs4": "dead"}),
    Step("rs1 killed", {"rs2": 2, "rs3": 1}, START | {"rs1": 0}, {"rs1": "dead"}),
    Step("rs1 back", START, START, {"rs1": "fine"}),
    Step("rs2 answers 500", {"rs1": 1, "rs3": 1}, START | {"rs2": 0}, {"rs2": "500"}),
    Step("rs2 answers 200 again", START, START, {"rs2": "fine"}),
    Step("reload: rs3 weighs 5", HEAVIER, HEAVIER, configured=HEAVIER),
    Step(
        "reload: rs4 added, which is dead",
        HEAVIER,
        HEAVIER | {"rs4": 0},
        configured=HEAVIER | {"rs4": 1},
        passing={
            "keepalived": Passing(NEW, "a new real server serves until its first check fails (no `alpha`)"),
            "ldirectord": Passing(NEW, "a new real server gets its full weight, is taken out, and is checked then"),
        },
    ),
    Step(
        "rs4 answers",
        HEAVIER | {"rs4": 1},
        HEAVIER | {"rs4": 1},
        {"rs4": "fine"},
    ),
    Step("reload: rs4 removed", HEAVIER, HEAVIER, configured=HEAVIER),
    Step(
        "all killed",
        {"sorry": 1},
        {"rs1": 0, "rs2": 0, "rs3": 0, "sorry": 1},
        {"rs1": "dead", "rs2": "dead", "rs3": "dead"},
        passing={
            "keepalived": Passing(NOBODY, "takes the last real server out before it puts the sorry server in"),
            "ldirectord": Passing(
                NOBODY,
                "takes the last real server out before it puts the fallback in: clients are refused in between",
            ),
        },
    ),
    Step(
        "rs2 back",
        {"rs2": 2},
        {"rs1": 0, "rs2": 2, "rs3": 0},
        {"rs2": "fine"},
        passing={
            "keepalived": Passing(NOBODY, "takes the sorry server out before it puts the real server in"),
        },
    ),
    Step("all back", HEAVIER, HEAVIER, {"rs1": "fine", "rs3": "fine"}),
)


def lines(pools: Pools) -> list[str]:
    """As `ipvsadm -Sn` says it, sorted."""
    found = []
    for service, servers in pools.items():
        address, scheduler = SERVICES[service]
        found.append(f"-A -t {address}:80 -s {scheduler}")
        found += [f"-a -t {address}:80 -r {SERVERS[name]}:80 -m -w {weight}" for name, weight in servers.items()]
    return sorted(found)


def words(pool: Pool) -> str:
    return ", ".join(f"{server} {weight}" for server, weight in sorted(pool.items())) or "nobody"


def render() -> str:
    """docs/twins.md."""
    text = """# Twins: haagent, keepalived and ldirectord on the same pools

`tests/kernel/inside_twins.py` runs Debian's keepalived and ldirectord beside haagent, each in a network namespace of
its own, with the same real servers, and plays these steps. After each one the kernel's tables (`ipvsadm -Sn`) are
compared; between them they are sampled every 50 ms. This page is made from the test's own data
(`tests/kernel/twins.py`) and checked against it.

Two services: *web* takes a dead real server out (`when_down = "remove"`; ldirectord `quiescent = no`), *calm* gives it
weight 0 (`when_down = "quiesce"`; keepalived `inhibit_on_failure`; ldirectord `quiescent = yes`). Both are `wrr`,
masqueraded, with a sorry server (ldirectord: `fallback`). Entries are `server weight`.

| step | web | calm | another end | on the way |
|---|---|---|---|---|
"""
    for step in STEPS:
        ends = [
            f"{twin}: {'; '.join(f'{name} {words(pool)}' for name, pool in each.pools.items())} ({each.reason})"
            for twin, each in step.differences.items()
        ]
        ways = [f"{twin}: {', '.join(sorted(each.entries))} ({each.reason})" for twin, each in step.passing.items()]
        cells = [step.what, words(step.web), words(step.calm), "<br>".join(ends), "<br>".join(ways)]
        text += f"| {' | '.join(cells)} |\n"
    return (
        text
        + """
*Another end*: where a twin's table settles elsewhere; an empty cell is equality of all three. *On the way*: what a
twin's table was seen to hold, in one run or the other, between two steps: entries of neither end, or "nobody" where
both ends serve. haagent is granted neither: a new real server is in the table only once it is proven, and the sorry
server comes before the last real server goes.
"""
    )
