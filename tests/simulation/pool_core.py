"""The director process and the prober without their sockets: the production `core.Core` and `health.core.ProberCore`.

Messages between the processes take a moment, as on a socket pair; a message to a process that is gone is lost. The
executor of the table is the shell's: the newest level wins, a plan is applied, the result observed; an audit looks for
what somebody else did.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from haagent.config import model
from haagent.core.core import Core
from haagent.core.effects import SetProbes, SetTracking, SetVirtualServices
from haagent.core.events import (
    ConfigLoaded,
    HealthChanged,
    ProcessConnected,
    ProcessLost,
    RouterTransitioned,
    TableAdopted,
    TableObserved,
)
from haagent.health.core import ProberCore
from haagent.health.effects import Report, StartProbe, StopProbe
from haagent.health.events import DeadlinePassed, ProbeFinished, ProbesSet
from haagent.health.probe import Probe, ProbeResult
from haagent.ipvs.plan import apply, plan
from haagent.pool.desired import destination_key, service_key
from haagent.vrrp.speaker import Transition
from tests.simulation.director import RETRY, TICK

if TYPE_CHECKING:
    from tests.simulation.director import Director

MESSAGE = 0.001  # seconds, at most, from process to process
AUDIT_INTERVAL = 10.0
CHECK = model.TcpCheck(name="tcp", interval=2.0, timeout=1.0, fall=3, rise=2)
SORRY = "198.51.100.99"


def service(servers: list[str]) -> model.VirtualService:
    """The one virtual service of the simulated world, for real servers at these addresses."""
    return model.VirtualService(
        name="web",
        address="198.51.100.100",
        port=80,
        forwarding_method="direct_routing",
        checks=("tcp",),
        sorry_server=model.SorryServer(address=SORRY, port=80, forwarding_method="direct_routing"),
        real_servers=tuple(
            model.RealServer(name=f"s{number}", address=address, port=80, forwarding_method="direct_routing")
            for number, address in enumerate(servers)
        ),
    )


def config(host: Director, track: model.PoolTrack) -> model.Config:
    """The same for both directors, as the contract wants it, with this host's own priorities."""
    routers = tuple(
        model.VirtualRouter(
            name=each.name,
            interface=each.interface,
            vrid=each.vrid,
            priority=each.priority,
            virtual_addresses=(model.InterfaceAddress("198.51.100.100", 24),),
            track=(track,),
        )
        for each in host.settings
    )
    return model.Config(
        director=model.Director(name=f"d{host.index}", names=("d0", "d1", "d2")),
        virtual_routers=routers,
        checks=(CHECK,),
        virtual_services=(service([each.address for each in host.world.real_servers]),),
    )


class PoolCore:
    """One run of the daemon: a Core, and a ProberCore that may be killed and started again."""

    def __init__(self, host: Director, track: model.PoolTrack) -> None:
        self._host = host
        self._world = host.world
        self._core = Core()
        self._prober: ProberCore | None = None
        self._lives = 0  # of the prober: results of an earlier life are nobody's
        self._wake_at = inf
        self._wanted: SetVirtualServices | None = None
        self._adopted = dict(host.kernel.table)
        self.results: dict[str, deque[bool]] = defaultdict(
            lambda: deque(maxlen=CHECK.rise)
        )  # by address, the last ones
        self._config = config(host, track)
        self._service = self._config.virtual_services[0]
        self.key = service_key(self._service)
        self._arrived = 0.0  # when the last message between the processes arrives
        self.counters: Counter[str] = Counter()

    def start(self) -> None:
        self._tell_core(TableAdopted(self._host.kernel.table, self._host.owned))
        self._tell_core(ConfigLoaded(self._config))
        self._tell_core(ProcessConnected("vrrp", ""))
        self.start_prober()
        self._world.at(self._world.now + AUDIT_INTERVAL, self._later, self._audit)

    # ------------------------------------------------------------------------------- the director's process

    def transition(self, effect: Transition) -> None:
        """The vrrp process says so."""
        event = RouterTransitioned(effect.router, effect.previous, effect.state, effect.reason)
        self._send(self._tell_core, event)

    def _tell_core(self, event: Any) -> None:
        for effect in self._core.handle(event, self._host.local()):
            match effect:
                case SetVirtualServices():
                    self._judge(effect)
                    self._wanted = effect
                    self._host.owned = effect.owned.with_table(effect.table)
                    self._begin()
                case SetProbes():
                    probes = tuple(Probe(p.id, p.check, p.address, p.port, p.health) for p in effect.probes)
                    self._send(self._tell_prober, ProbesSet(probes))
                case SetTracking():
                    self._send(self._host.set_tracking, effect.tracking)
                case _:
                    self.counters[type(effect).__name__] += 1

    def _begin(self) -> None:
        if self._host.kernel.latency:
            self._world.at(self._world.now + self._host.kernel.latency, self._later, self._apply)
        else:
            self._apply()

    def _apply(self) -> None:
        """What the kernel has becomes what is wanted; whatever was on its way before is part of it."""
        kernel, wanted = self._host.kernel, self._wanted
        assert wanted is not None
        if kernel.refusing:
            self._send(self._tell_core, TableObserved(kernel.table, {}, 0, ("refused",)))
            self._world.at(self._world.now + RETRY, self._later, self._apply)
            return
        kernel.table = apply(kernel.table, plan(kernel.table, wanted.table, wanted.owned))
        self._send(self._tell_core, TableObserved(kernel.table, {}, 0, ()))

    def _audit(self) -> None:
        kernel, wanted = self._host.kernel, self._wanted
        if wanted is not None and not kernel.refusing:
            repairs = plan(kernel.table, wanted.table, wanted.owned)
            kernel.table = apply(kernel.table, repairs)
            self._send(self._tell_core, TableObserved(kernel.table, {}, len(repairs), ()))
        self._world.at(self._world.now + AUDIT_INTERVAL, self._later, self._audit)

    def _judge(self, wanted: SetVirtualServices) -> None:
        """No real server gets a weight that it had not, before `rise` good results in a row."""
        before = self._wanted.table if self._wanted is not None else self._adopted
        had = {at for at, each in before[self.key].destinations.items() if each.weight} if self.key in before else set()
        destinations = wanted.table[self.key].destinations
        for server in self._world.real_servers:
            at = destination_key(server.address, 80)
            if at in destinations and destinations[at].weight and at not in had:
                seen = self.results[server.address]
                if len(seen) < CHECK.rise or not all(seen):
                    self._world.watch.violated(
                        f"{server.name} came into service of {self._host.index} after {list(seen)}"
                    )
        if not any(each.weight for each in destinations.values()):
            self._world.watch.violated(f"director {self._host.index} wants an empty pool and has a sorry server")

    # --------------------------------------------------------------------------------------- the prober's

    def start_prober(self) -> None:
        if self._prober is None:
            self._prober = ProberCore()
            self._lives += 1
            self._tell_core(ProcessConnected("prober", ""))

    def kill_prober(self) -> None:
        if self._prober is not None:
            self._prober = None
            self._send(self._tell_core, ProcessLost("prober"))

    def _tell_prober(self, event: Any) -> None:
        if self._prober is None:
            return
        for effect in self._prober.handle(event, self._host.local()):
            match effect:
                case StartProbe(probe):
                    server = next(each for each in self._world.real_servers if each.address == probe.address)
                    server.probe(self._host.index, probe.check.timeout, self._finisher(probe, self._lives))
                case StopProbe():
                    self.counters["stopped"] += 1
                case Report(id=id_, health=health, detail=detail):
                    self._send(self._tell_core, HealthChanged(id_, health, detail))
        self._arm()

    def _finisher(self, probe: Probe, life: int) -> Callable[[ProbeResult], None]:
        def done(result: ProbeResult) -> None:
            if life == self._lives and self._prober is not None:
                self._later(self._finish, probe, result, life)

        return done

    def _finish(self, probe: Probe, result: ProbeResult, life: int) -> None:
        if life == self._lives and self._prober is not None:
            self.results[probe.address].append(result.passed)
            self._tell_prober(ProbeFinished(probe.id, result))

    def _arm(self) -> None:
        due = self._prober.next_deadline() if self._prober is not None else None
        if due is not None:
            at = max(self._host.to_world(due) + TICK, self._world.now)
            if at < self._wake_at:
                self._wake_at = at
                self._world.at(at, self._wake, at)

    def _wake(self, at: float) -> None:
        if at == self._wake_at:
            self._wake_at = inf
            self._later(self._tell_prober, DeadlinePassed())

    # ------------------------------------------------------------------------------------------- either's

    def _send(self, deliver: Callable[..., None], message: Any) -> None:
        """A socket pair: nothing overtakes."""
        when = max(self._world.now + self._world.random.random() * MESSAGE, self._arrived)
        self._arrived = when
        self._world.at(when, self._later, deliver, message)

    def _later(self, action: Callable[..., None], *arguments: Any) -> None:
        """Now; after the stall, if the host has one; never, if the daemon is gone."""
        if self._host.pool is not self:
            return
        if self._host.is_stalled:
            self._world.at(self._host.stalled_until, self._later, action, *arguments)
        else:
            action(*arguments)
