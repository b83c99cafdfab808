"""`make demo`: a director pair does its job while a client looks on, and every claim is checked as it is made.

    python -m haagent.lab.demo containerlab/pair-dr.clab.yml [--keep]

Needs nodes labelled `role: director`, `real-server` and `client`, the directors' configuration bound into them, and
real servers whose page says `served by NAME`. On a kernel without IPVS all of it happens inside the user-mode kernel.
Ends with 0, or with 1 and a sentence that says what did not happen.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from haagent.config.load import load
from haagent.config.model import Config
from haagent.lab.namespaces import Lab, LabError
from haagent.lab.observed import active_director, in_service, is_settled
from haagent.lab.outage import Outage, measure, servers
from haagent.lab.shell import explore
from haagent.lab.stage import REQUEST_INTERVAL, REQUEST_TIMEOUT, DemoFailed, Stage, client, show_page
from haagent.lab.topology import Node, Topology, parse
from haagent.lab.uml import inside_uml, kernel_has_ipvs, stream_in_uml, uml_available


def play(stage: Stage) -> None:
    """The story, step by step; DemoFailed where it does not go as told."""
    real = stage.names("real-server")
    rightful = max(stage.configs, key=lambda name: max(r.priority for r in stage.configs[name].virtual_routers))
    service = stage.configs[rightful].virtual_services[0]
    stage.say(f"waiting for {' and '.join(stage.configs)} to elect, and for {', '.join(real)} to prove themselves")
    stage.until(
        f"{', '.join(real)} in service on every director",
        lambda: all(in_service(stage.statuses[name]) == set(real) for name in stage.configs),
    )
    stage.until(
        f"{rightful} Active, the other Backup", lambda: is_settled(stage.statuses) and stage.active() == rightful
    )
    stage.say(f"{rightful} is Active and sends clients to {', '.join(sorted(stage.served()))}")

    with client(stage, service.address, service.port):
        show_page(stage, service.address, service.port, stage.served())
        stage.say(f"from here on the client loads that page {1 / REQUEST_INTERVAL:.0f} times a second")
        stage.until("the client is answered", lambda: stage.is_answered(stage.started_at))
        with stage.event("nothing (for comparison)"):
            began = stage.calm()
        expect_answers(stage, began, set(real))
        real_server_dies_and_returns(stage, real[1], set(real))
        director_is_cut_off_and_returns(stage, rightful)
        time.sleep(2 * REQUEST_TIMEOUT)  # the last requests end


def real_server_dies_and_returns(stage: Stage, victim: str, real: set[str]) -> None:
    stage.say(f"--- killing the web server on {victim}")
    with stage.event(f"{victim}'s web server killed"):
        stage.lab.kill_node(victim)
        stage.until(f"{victim} taken out of service", lambda: stage.served() == real - {victim})
        began = stage.calm()
    expect_answers(stage, began, real - {victim})
    stage.say(f"--- starting the web server on {victim} again")
    with stage.event(f"{victim}'s web server started"):
        result = stage.lab.run(victim, ["nginx"], timeout=30)
        if result.returncode != 0:
            raise DemoFailed(f"{victim}: nginx did not start: {result.stderr.strip()}")
        stage.until(f"{victim} back in service", lambda: stage.served() == real)
        began = stage.calm()
    expect_answers(stage, began, real)


def director_is_cut_off_and_returns(stage: Stage, rightful: str) -> None:
    cut = stage.active()
    others = [name for name in stage.configs if name != cut]
    interfaces = [end.interface for link in stage.lab.topology.links for end in (link.a, link.b) if end.node == cut]
    stage.say(f"--- cutting {cut}, the Active director, off the network ({', '.join(interfaces)} unplugged)")
    with stage.event(f"{cut} cut off"):
        cut_at = time.monotonic()
        for interface in interfaces:
            stage.lab.link_down(cut, interface)

        def is_taken_over() -> bool:
            return active_director({name: stage.statuses.get(name) for name in others}) is not None

        stage.until(f"the address taken over from {cut}", is_taken_over)
        stage.until("the client answered again", lambda: stage.is_answered(max(cut_at, time.monotonic() - 1)))
        began = stage.calm()
    expect_answers(stage, began, set(stage.names("real-server")))
    stage.say(f"--- plugging {cut} in again")
    with stage.event(f"{cut} plugged in again"):
        for interface in interfaces:
            stage.lab.link_up(cut, interface)
        stage.until(
            f"{rightful} Active again, the other Backup",
            lambda: is_settled(stage.statuses) and stage.active() == rightful,
        )
        began = stage.calm()
    expect_answers(stage, began, set(stage.names("real-server")))


def expect_answers(stage: Stage, since: float, expected: set[str]) -> None:
    """Since then exactly the expected servers answered the client."""
    counts = servers(list(stage.requests), since)
    stage.say("client: " + (", ".join(f"{counts[name]} answers from {name}" for name in sorted(counts)) or "no answer"))
    if set(counts) != expected:
        raise DemoFailed(f"the client should be answered by {', '.join(sorted(expected))} and by no other")


def table(events: list[tuple[str, Outage]]) -> str:
    width = max(len(name) for name, _ in events)
    rows = [f"{'event':<{width}}  longest time without an answer  requests sent  lost"]
    for name, outage in events:
        rows.append(f"{name:<{width}}  {outage.longest * 1000:>27.0f} ms  {outage.sent:>13}  {outage.lost:>4}")
    return "\n".join(rows)


def closing(stage: Stage) -> str:
    """The table, and honestly where its figures come from."""
    measured = [(event.name, measure(stage.requests, event.since, event.until)) for event in stage.events]
    interval = next(iter(stage.configs.values())).virtual_routers[0].advertisement_interval
    note = (
        f"A request every {REQUEST_INTERVAL * 1000:.0f} ms, given up after {REQUEST_TIMEOUT * 1000:.0f} ms. "
        f"Advertisements every {interval * 1000:.0f} ms:\na director that is cut off is missed after three of them "
        "and the skew.\n"
    )
    if inside_uml():
        note += (
            "The figures come from the user-mode kernel: one CPU for nine hosts, a coarse clock, slow system calls.\n"
            "They show that the pair works, not how fast it is on real hosts."
        )
    else:
        note += f"The figures come from this host's own kernel ({os.uname().release}), all nodes on one machine."
    return f"\n{table(measured)}\n\n{note}\n"


def configurations(topology: Topology) -> dict[str, Config]:
    """The directors' configurations, from the directory that each has bound to /etc/haagent/haagent.conf.d."""
    found: dict[str, Config] = {}
    for node in topology.nodes:
        if node.labels.get("role") == "director":
            config = load(_configuration_directory(node), node.name)
            if isinstance(config, list):
                raise DemoFailed("\n".join(str(error) for error in config))
            found[node.name] = config
    roles = {node.labels.get("role") for node in topology.nodes}
    if len(found) < 2 or not {"client", "real-server"} <= roles:
        raise DemoFailed("the demo needs nodes with the labels role: director (two), real-server and client")
    return found


def _configuration_directory(node: Node) -> Path:
    for bind in node.binds:
        if bind.target.name == "haagent.conf.d":
            return bind.source
    raise DemoFailed(f"{node.name}: no haagent.conf.d is bound into this director")


def run(file: Path, *, keep: bool) -> int:
    """Plays the demo on this very kernel."""
    try:
        topology = parse(file.read_text(), file)
    except (OSError, UnicodeDecodeError) as error:
        print(f"{file}: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}", file=sys.stderr)
        return 1
    if not isinstance(topology, Topology):
        print("\n".join(str(problem) for problem in topology), file=sys.stderr)
        return 1
    started_at = time.monotonic()
    try:
        configs = configurations(topology)
        with Lab(topology) as lab:
            stage = Stage(lab, configs, 60.0 if inside_uml() else 20.0, started_at)
            stage.say(f"the lab {topology.name} is up: {', '.join(node.name for node in topology.nodes)}")
            try:
                play(stage)
            except DemoFailed:
                _show_logs(stage)
                raise
            print(closing(stage), flush=True)
            if keep:
                explore(lab)
    except (DemoFailed, LabError) as error:
        print(f"\nThe demo failed: {error}", flush=True)
        return 1
    return 0


def _show_logs(stage: Stage) -> None:
    for name in stage.configs:
        print(f"\nThe last lines of {name}'s log:", *stage.lab.log(name).splitlines()[-15:], sep="\n  ")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path, metavar="FILE.clab.yml")
    parser.add_argument("--keep", action="store_true", help="leave the topology up with a shell to explore")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if inside_uml() or kernel_has_ipvs():
            return run(arguments.file, keep=arguments.keep)
        missing = uml_available()
        if missing is not None:
            print(f"This kernel has no IPVS, and {missing}", file=sys.stderr)
            return 1
        print(
            "This kernel has no IPVS: the demo runs inside the user-mode kernel, which boots in some seconds.",
            flush=True,
        )
        command = [sys.executable, "-m", "haagent.lab.demo", str(arguments.file)] + ["--keep"] * arguments.keep
        return stream_in_uml(command, interactive=arguments.keep)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
