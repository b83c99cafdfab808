"""The director's shell: sockets and files around `core/`. It decides nothing.

control socket ─┐                                   ┌─ SetVirtualServices ── TableKeeper (a thread)
vrrp, prober  ──┼─> event, now ─> core.handle ──────┼─ SetRouters, SetTracking ── vrrp
table keeper  ──┤                                   ├─ SetProbes ── prober
SIGHUP        ──┘                                   ├─ Record ── history, log
                                                    └─ Notify, snapshots ── observer
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from haagent.config.error import ConfigError
from haagent.config.load import check, load
from haagent.config.model import Config, WatchedTrack
from haagent.control import requests
from haagent.control.paths import (
    control_socket,
    history_file,
    internal_socket,
    kernel_file,
)
from haagent.control.server import ControlServer
from haagent.core.core import Core
from haagent.core.effects import (
    AgreementTransitioned,
    AnnounceAgain,
    AskOwners,
    Effect,
    Notify,
    Record,
    ServiceTransitioned,
    SetArpTests,
    SetOwnerTests,
    SetProbes,
    SetRouters,
    SetTracking,
    SetVirtualServices,
    StoreOverrides,
    TellPeers,
)
from haagent.core.events import (
    ArpObserved,
    ConfigLoaded,
    DeadlinePassed,
    Event,
    HealthChanged,
    MaintenanceObserved,
    OperatorChanged,
    PeerHeard,
    PeerSaw,
    ProcessConnected,
    ProcessLost,
    RoutersObserved,
    RouterTransitioned,
    TableAdopted,
    TableObserved,
    TracksObserved,
)
from haagent.core.hearing import absolute, relative
from haagent.ipvs.plan import Owned
from haagent.linux import nftables
from haagent.linux.ipvs import Ipvs
from haagent.linux.netlink import NetlinkFailure
from haagent.pool.arp_leak import ArpAnswer
from haagent.pool.operator import Overrides, merge
from haagent.pool.sysctls import wanted_sysctls
from haagent.preview import preview
from haagent.processes import accepted, messages, vrrp_messages
from haagent.processes.answers import Answers, Lent
from haagent.processes.arp_watch import ArpWatch
from haagent.processes.children import Children, Name
from haagent.processes.history import History
from haagent.processes.history_stream import HistoryStream
from haagent.processes.kernel_settings import KernelSettings
from haagent.processes.log import open_log
from haagent.processes.maintenance_watch import MaintenanceWatch
from haagent.processes.owner_watch import OwnerWatch
from haagent.processes.peers import PeerExchange, read_secret
from haagent.processes.recollection import Recollection
from haagent.processes.recorder import Recorder, notification
from haagent.processes.router_reports import RouterReports, hearing
from haagent.processes.state_files import StateFiles
from haagent.processes.supervisor import EXIT_CONFIGURATION
from haagent.processes.table_keeper import Level, TableKeeper
from haagent.processes.trackers import Trackers
from haagent.snapshot import ProcessStatus, Snapshot
from haagent.version import VERSION
from haagent.view import Clock, snapshot

SNAPSHOT_INTERVAL = 0.2  # seconds: changes nearer together reach the observer as one
SNAPSHOT_COST = 50  # building snapshots may use one fiftieth of the time
REFRESH_INTERVAL = 2.0  # counters move without events
HEARTBEAT_INTERVAL = 1.0
DEADLINE_PAUSE = 0.05  # at least, between two deadlines
DEADLINE_CHECK_INTERVAL = 60.0
HOOK_GRACE = 2.0  # when we stop, commands may run this long
LAST_WORDS_TIME = 0.05  # when we stop, what vrrp said last is still on its socket
FRESH_COUNTS_TIMEOUT = 2.0  # `status` waits this long for the kernel's counts


@dataclass(frozen=True, slots=True)
class Options:
    directory: Path
    name: str
    alive: int  # descriptor; its end of file means that the supervisor is gone
    words: int  # descriptor to the supervisor


class Director:
    """One instance, one loop. `run` returns the exit code."""

    def __init__(self, options: Options, config: Config, history: History) -> None:
        self._options, self._config = options, config
        self._core = Core()
        self._reports = RouterReports()
        self._log = open_log(config.director.name)
        stream = HistoryStream(history)
        self._recorder = Recorder(config.director.name, stream, self._log)
        self._files = StateFiles(config, self._complain)
        self._children = Children(internal_socket(config.director), self, self._complain)
        self._owner_watch = OwnerWatch(self._deliver, self._reports.other_actives)
        self._arp_watch = ArpWatch(self._arp_observed, self._reports.other_active)
        self._recollection = Recollection(lambda asked: self._children.send("prober", messages.encode(asked)))
        answers = Answers(
            Lent(
                core=self._core,
                config=lambda: self._config,
                history=stream,
                recollection=self._recollection,
                snapshot=self._snapshot,
                refresh_counts=self._refresh_counts,
                reload=self._reload,
                plan=self._plan,
                store=self._store,
                operator_changed=self._deliver,
                tell_vrrp=lambda payload: self._children.send("vrrp", payload),
                record=self._recorder.record,
            )
        )
        self._control = ControlServer(control_socket(config.director), config.director.control_group, answers.answer)
        self._keeper: TableKeeper | None = None
        self._keeper_task: asyncio.Task[None] | None = None
        self._settings: KernelSettings | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._secret_problem = ""
        self._peers: PeerExchange | None = None
        self._observer_says = ""
        self._connected_at: dict[Name, float] = {}
        self._started_at = time.time()
        self._maintenance = MaintenanceWatch(
            lambda: self._config.director.maintenance_directory, lambda files: self._deliver(MaintenanceObserved(files))
        )
        self._stop = asyncio.Event()
        self._dirty = asyncio.Event()
        self._observed = asyncio.Event()
        self._trackers = Trackers(lambda observed: self._deliver(TracksObserved(observed)))
        self._reloading = asyncio.Lock()
        self._reloads: set[asyncio.Task[tuple[str, ...]]] = set()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        loop.add_reader(self._options.alive, self._stop.set)
        self._recorder.hooks.set_hooks(self._config.hooks)
        await self._maintenance.look()
        if refusal := await self._adopt():
            print(f"haagent: {refusal}", file=sys.stderr, flush=True)
            return EXIT_CONFIGURATION
        self._deliver(ConfigLoaded(self._config))
        self._trackers.set_tracks(watched_tracks(self._config))
        self._files.remember_accepted(self._config)
        try:
            await self._children.start()
            sentence = await self._control.start()
        except OSError as error:
            place = control_socket(self._config.director).parent
            self._complain(f"no socket can be made in {place}: {error.strerror}; this is tried again")
            return 1
        if sentence:
            self._complain(sentence)
        self._say("LISTENING")
        self._meet_peers()
        tasks = [
            asyncio.create_task(self._beat()),
            asyncio.create_task(self._feed_observer()),
            asyncio.create_task(self._arp_watch.run()),
            asyncio.create_task(self._maintenance.run()),
        ]
        self._say("READY")
        await self._stop.wait()
        await asyncio.sleep(LAST_WORDS_TIME)
        await self._trackers.close()
        await self._recorder.hooks.close(HOOK_GRACE)
        for task in [*tasks, *([self._keeper_task] if self._keeper_task else [])]:
            task.cancel()
        self._owner_watch.close()
        await self._control.close()
        await self._children.close()
        if self._peers:
            await self._peers.close()
        for sentence in await asyncio.to_thread(self._settings.release) if self._settings else ():
            self._complain(sentence)
        return 0

    # ------------------------------------------------------------------ start

    async def _adopt(self) -> str | None:
        """Take over what the kernel holds. A sentence: why this director cannot do its work."""
        owned = self._files.read_owned()
        self._deliver(OperatorChanged(self._files.read_overrides()))
        if not self._config.virtual_services and not owned.services:
            return None
        return await self._open_table(owned)

    async def _open_table(self, owned: Owned) -> str | None:
        ipvs = await asyncio.to_thread(Ipvs.open)
        if isinstance(ipvs, str):
            return ipvs if self._config.virtual_services else None
        observed = await asyncio.to_thread(ipvs.observe)
        if isinstance(observed, NetlinkFailure):
            return f"the kernel's IPVS table cannot be read: {observed.text}"
        marks = await asyncio.to_thread(nftables.observe)  # where it fails, the keeper says so
        self._deliver(TableAdopted(observed[0], owned, marks if isinstance(marks, frozenset) else frozenset()))
        self._settings = KernelSettings(ipvs, kernel_file(self._config.director))
        self._keeper = TableKeeper(ipvs, self._config.director.audit_interval, self._table_observed, self._settings)
        self._keeper_task = asyncio.create_task(self._keeper.run())
        self._keeper_task.add_done_callback(self._keeper_ended)
        return None

    def _keeper_ended(self, task: asyncio.Task[None]) -> None:
        """A defect in the worker must not leave a director that serves an old table: start anew."""
        if not task.cancelled() and task.exception():
            self._log.critical("the table keeper failed; the director starts again", error=repr(task.exception()))
            os._exit(1)

    # ------------------------------------------------------------------ events in, effects out

    def _deliver(self, event: Event) -> None:
        for effect in self._core.handle(event, time.monotonic()):
            self._execute(effect)
        self._dirty.set()
        self._arm()

    def _arm(self) -> None:
        """Wake up at the core's deadline. It is the wall clock's, which may be set: look again every minute."""
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
        deadline, instant = self._core.next_deadline(), self._core.next_instant()
        pauses = [] if deadline is None else [min(deadline - time.time(), DEADLINE_CHECK_INTERVAL)]
        pauses += [] if instant is None else [instant - time.monotonic()]
        if pauses:
            pause = max(DEADLINE_PAUSE, min(pauses))
            self._deadline = asyncio.get_running_loop().call_later(pause, self._wake)

    def _wake(self) -> None:
        self._deliver(DeadlinePassed(time.time()))

    def _execute(self, effect: Effect) -> None:
        match effect:
            case SetVirtualServices(table, owned, marks, settings, policy):
                self._files.remember_owned(owned)
                if self._keeper:
                    self._keeper.want(Level(table, owned, marks, settings, policy))
            case StoreOverrides(overrides):
                self._store(overrides)
            case SetProbes(probes, has_paths):
                self._children.send("prober", messages.encode(messages.SetProbes(probes, has_paths)))
            case SetArpTests(tests):
                self._arp_watch.want(tests)
            case SetOwnerTests(questions):
                self._owner_watch.want(questions)
            case AskOwners(interface, after):
                self._owner_watch.ask(interface, after)
            case AnnounceAgain(router):
                self._children.send("vrrp", vrrp_messages.encode(vrrp_messages.Announce(router)))
            case SetRouters(routers):
                self._children.send("vrrp", vrrp_messages.encode(vrrp_messages.SetRouters(routers)))
            case SetTracking(tracking):
                self._children.send("vrrp", vrrp_messages.encode(vrrp_messages.SetTracking(dict(tracking))))
            case Record():
                self._recorder.record(effect)
            case Notify(transition):
                self._notify(transition)
            case TellPeers():
                if self._peers:
                    self._peers.changed()
            case _:
                assert_never(effect)

    def _notify(self, transition: RouterTransitioned | ServiceTransitioned | AgreementTransitioned) -> None:
        if told := notification(transition, self._reports.of):
            self._children.send("observer", told)

    def _store(self, overrides: Overrides) -> str | None:
        """Why operators' words are not on disk; None: they are."""
        sentence = self._files.store_overrides(overrides)
        if self._peers:
            self._peers.changed()
        return sentence

    def _meet_peers(self) -> None:
        """As the configuration has them."""
        peers = self._config.peers
        self._secret_problem = ""
        if not peers.addresses:
            return
        secret = read_secret(Path(peers.secret_file))
        if isinstance(secret, str):
            self._secret_problem = secret
            self._complain(secret)
            return
        name = self._config.director.name
        self._peers = PeerExchange(
            name,
            peers,
            secret,
            lambda: self._core.words.overrides,
            self._hear_peer,
            self._complain,
            healths=lambda: self._core.standings.healths(),
            saw=lambda director, healths: self._deliver(PeerSaw(director, healths)),
            hearings=lambda: relative(self._core.hearings(), time.monotonic()),
            heard_there=lambda director, told: self._deliver(PeerHeard(director, absolute(told, time.monotonic()))),
        )
        self._peers.start()

    def _hear_peer(self, theirs: Overrides) -> None:
        """What cannot be stored is done nevertheless: the peer has it too, and says it again."""
        merged = merge(self._core.words.overrides, theirs)
        if merged == self._core.words.overrides:
            return
        self._deliver(OperatorChanged(merged))
        self._store(merged)

    def _arp_observed(self, answers: tuple[ArpAnswer, ...], troubles: dict[str, str]) -> bool:
        """Whether something was heard that the next round should confirm."""
        self._deliver(ArpObserved(answers, self._reports.active_addresses(), troubles))
        return any(each.strangers and not each.sentence for each in self._core.arp.verdicts.values())

    def _table_observed(self, event: TableObserved) -> None:
        self._deliver(event)
        self._observed.set()

    # ------------------------------------------------------------------ children

    def child_connected(self, hello: messages.Hello) -> None:
        self._connected_at[hello.process] = time.time()
        self._deliver(ProcessConnected(hello.process, hello.detail))

    def child_lost(self, process: Name) -> None:
        self._connected_at[process] = time.time()
        if process == "vrrp":
            self._reports.orphan()
        self._deliver(ProcessLost(process))

    def child_said(self, process: Name, payload: bytes) -> None:
        match process:
            case "vrrp":
                self._hear_vrrp(payload)
            case "prober":
                said = messages.decode_from_prober(payload)
                match said:
                    case messages.HealthReported():
                        self._deliver(
                            HealthChanged(said.id, said.health, said.detail, said.failure, said.cause, said.weight)
                        )
                    case messages.Remembered():
                        self._recollection.hear(said)
            case "observer":
                told = messages.decode_from_observer(payload)
                if isinstance(told, messages.ObserverReported):
                    self._observer_says = told.detail
                    self._log.info(f"snmp: {told.detail}", connected=told.connected)

    def _hear_vrrp(self, payload: bytes) -> None:
        match vrrp_messages.decode_from_vrrp(payload):
            case vrrp_messages.RoutersReported(routers):
                self._reports.heard(routers)
                states = {report.name: report.state for report in routers}
                self._deliver(RoutersObserved(states, tuple(hearing(report) for report in routers)))
                for report in routers:
                    heard = report.counters.get("advertisements_received", 0)
                    self._recorder.hooks.router_reported(report.name, report.state, report.reason, heard)
                self._dirty.set()
            case vrrp_messages.Transitioned(router=name, previous=previous, state=state, reason=reason):
                self._deliver(RouterTransitioned(name, previous, state, reason))
            case vrrp_messages.Malformed(sentence):
                self._complain(f"vrrp said something unknown: {sentence}")

    # ------------------------------------------------------------------ what can be asked for

    async def _refresh_counts(self) -> None:
        if not self._keeper or time.monotonic() - self._keeper.observed_at < 1.0:
            return
        self._observed.clear()
        self._keeper.audit_now()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FRESH_COUNTS_TIMEOUT):
                await self._observed.wait()

    def _reload_soon(self) -> None:
        task = asyncio.create_task(self._reload())
        self._reloads.add(task)  # the loop itself would forget it
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> tuple[str, ...]:
        """Sentences: nothing changed. Empty: the new configuration runs."""
        async with self._reloading:  # one after the other: the last one reads the newest files
            self._say("RELOADING")
            errors = await self._switch()
            if errors:
                self._log.error("reload refused; the running configuration stays", errors=list(errors))
            self._say("READY")
        return errors

    async def _switch(self) -> tuple[str, ...]:
        loaded = await asyncio.to_thread(load_for_all, self._options)
        if isinstance(loaded, list):
            return tuple(str(error) for error in loaded)
        if sentence := needs_restart(self._config, loaded):
            return (sentence,)
        previous, self._config = self._config, loaded
        if loaded.virtual_services and not self._keeper and (refusal := await self._open_table(self._files.owned)):
            self._config = previous
            return (refusal,)
        self._reports.keep(router.name for router in loaded.virtual_routers)
        self._recorder.hooks.set_hooks(loaded.hooks)
        self._deliver(ConfigLoaded(loaded))
        self._trackers.set_tracks(watched_tracks(loaded))
        self._files.remember_accepted(self._config)
        if loaded.peers != previous.peers or self._secret_problem:
            if self._peers:
                await self._peers.close()
                self._peers = None
            self._meet_peers()
        return ()

    async def _plan(self) -> requests.PlanAnswer:
        loaded = await asyncio.to_thread(load_for_all, self._options)
        if isinstance(loaded, list):
            return requests.PlanAnswer(errors=tuple(str(error) for error in loaded))
        await self._refresh_counts()
        settings = await asyncio.to_thread(self._settings.look, wanted_sysctls(loaded)) if self._settings else None
        return requests.PlanAnswer(steps=preview(self._core, loaded, time.monotonic(), settings))

    # ------------------------------------------------------------------ snapshots

    def _snapshot(self) -> Snapshot:
        clock = Clock(time.monotonic(), time.time())
        return snapshot(
            self._core,
            self._reports.statuses(self._config.virtual_routers, clock, self._started_at),
            self._process_statuses(),
            clock,
            version=VERSION,
            started_at=self._started_at,
            problems=(
                *self._files.problems,
                *filter(None, (self._secret_problem, self._maintenance.problem)),
                *(self._peers.problems() if self._peers else ()),
            ),
            peers=self._peers.statuses() if self._peers else (),
        )

    def _process_statuses(self) -> list[ProcessStatus]:
        statuses = [ProcessStatus(name="director", running=True, pid=os.getpid(), since=self._started_at)]
        for name in ("vrrp", "prober", "observer"):
            hello = self._children.hello_of(name)
            detail = hello.detail if hello else ""
            statuses.append(
                ProcessStatus(
                    name=name,
                    running=hello is not None,
                    pid=hello.pid if hello else 0,
                    since=self._connected_at.get(name, self._started_at),
                    detail=self._observer_says if name == "observer" and hello else detail,
                )
            )
        return statuses

    async def _feed_observer(self) -> None:
        """Changes at once but coalesced, counters every REFRESH_INTERVAL; never more than a fiftieth of the time."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_INTERVAL):
                    await self._dirty.wait()
            self._dirty.clear()
            begun = time.monotonic()
            if self._children.hello_of("observer") and not self._children.is_behind("observer"):
                self._children.send("observer", messages.encode(messages.SnapshotTaken(self._snapshot())))
            await asyncio.sleep(max(SNAPSHOT_INTERVAL, SNAPSHOT_COST * (time.monotonic() - begun)))

    # ------------------------------------------------------------------ words to others

    async def _beat(self) -> None:
        while True:
            self._say("ALIVE")
            self._recorder.hooks.look_for_rivals(self._reports.state_of)
            await asyncio.sleep(HEARTBEAT_INTERVAL)

    def _say(self, word: str) -> None:
        try:
            os.write(self._options.words, word.encode() + b"\n")
        except OSError:  # the supervisor is gone: `alive` says so too
            self._stop.set()

    def _complain(self, sentence: str) -> None:
        self._log.warning(sentence)


def load_for_all(options: Options) -> Config | list[ConfigError]:
    """As `load`; but an error that only the peer would meet is refused here too, before both run into it."""
    return check(options.directory, None) or load(options.directory, options.name)


def watched_tracks(config: Config) -> list[WatchedTrack]:
    return [track for router in config.virtual_routers for track in router.track if isinstance(track, WatchedTrack)]


def needs_restart(running: Config, loaded: Config) -> str | None:
    """What a reload cannot change: it was given to the processes when they were started."""
    if running.director.name != loaded.director.name:
        return "director.name cannot change by a reload: restart haagent"
    for key in ("runtime_directory", "state_directory", "control_group", "user", "audit_interval"):
        if getattr(running.director, key) != getattr(loaded.director, key):
            return f"director.{key} cannot change by a reload: restart haagent"
    if running.snmp != loaded.snmp:
        return "snmp.agentx cannot change by a reload: restart haagent"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="haagent.processes.director")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--accepted", type=Path, required=True, help="the configuration that ran last")
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--words-fd", type=int, required=True)
    given = parser.parse_args()
    options = Options(given.config, given.name, given.alive_fd, given.words_fd)
    config = load_for_all(options)
    if isinstance(config, list):
        print(*config, sep="\n", file=sys.stderr, flush=True)
        before = accepted.read(given.accepted)
        if before is None:
            return EXIT_CONFIGURATION
        print("haagent: the configuration that ran before goes on", file=sys.stderr, flush=True)
        config = before
    try:
        history = History(history_file(config.director))
    except OSError as error:
        print(f"haagent: {error.filename}: {error.strerror}: make state_directory writable", file=sys.stderr)
        return EXIT_CONFIGURATION
    return asyncio.run(run(options, config, history))


async def run(options: Options, config: Config, history: History) -> int:
    return await Director(options, config, history).run()


if __name__ == "__main__":
    raise SystemExit(main())
