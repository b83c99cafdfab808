"""What went wrong in the field with other VRRP daemons, played on the simulated segment; each name cites the source."""

from dataclasses import replace

import pytest

from haagent.vrrp.router import Active
from haagent.vrrp.settings import RouterSettings
from tests.simulation.director import SpeakerCore
from tests.simulation.faults import Fault, Kind
from tests.simulation.world import VIRTUAL, World

WEB = RouterSettings("r0", "eth0", 51, 200, 1.0, ((VIRTUAL[0], 24),), announce_refresh=10.0)
FIRST, SECOND, THIRD = WEB, replace(WEB, priority=100), replace(WEB, priority=50)
SEEDS = range(20)


def world(seed: int, *faults: Fault, settings: tuple[RouterSettings, ...] = (FIRST, SECOND)) -> World:
    return World(seed, faults, len(settings), [(each,) for each in settings])


def roles(world: World) -> list[int]:
    """Who is Active."""
    return sorted(world.watch.active["r0"])


def caches(world: World) -> set[int | None]:
    return {world.segment.caches.get((client, VIRTUAL[0])) for client in world.segment.clients}


def changes(world: World) -> list[tuple[float, int, str]]:
    """A list that fills with (when, director, state) as the world runs."""
    seen: list[tuple[float, int, str]] = []
    watch, look_on = world.watch, world.watch.transition

    def transition(director: int, effect: object) -> None:
        seen.append((world.now, director, effect.state))  # type: ignore[attr-defined]
        look_on(director, effect)  # type: ignore[arg-type]

    watch.transition = transition  # type: ignore[method-assign]
    return seen


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("director", [0, 1])
@pytest.mark.parametrize("preempt", [True, False])
def test_keepalived_80_a_reload_makes_no_second_active_router(seed: int, director: int, preempt: bool) -> None:
    """Reloading a router under preempt_delay gave a split brain: the timer started over. Ours goes on."""
    priority = (FIRST, SECOND)[director].priority
    subject = world(seed, Fault("reload", 20.3, 20.3, director, value=priority, preempt=preempt))
    subject.run(20.0)
    seen = changes(subject)
    subject.run(60.0)
    assert roles(subject) == [0]
    assert seen == []
    assert subject.watch.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_keepalived_80_repeated_reloads_do_not_put_a_takeover_off(seed: int) -> None:
    """The Active director dies while the other is reloaded every second: the deadline is not started over."""
    reloads = [Fault("reload", 20.0 + at, 20.0, 1, value=100 + at % 2, preempt=True) for at in range(20)]
    subject = world(seed, Fault("power_loss", 20.5, 99.0, 0), *reloads)
    subject.run(20.5 + 3.7 * 1.02)
    assert roles(subject) == [1]


@pytest.mark.parametrize("seed", SEEDS)
def test_keepalived_166_clients_come_back_after_a_split_brain(seed: int) -> None:
    """Each side had its own Active router; after healing the clients kept the loser's MAC, as nobody announced."""
    sides = 0b1010  # director 1 and client 3 against director 0 and client 2
    subject = world(seed, Fault("partition", 20.0, 30.0, 0, value=sides))
    subject.run(29.9)
    assert roles(subject) == [0, 1]
    assert caches(subject) == {0, 1}
    subject.run(30.0 + 2.1 + 10.0)  # the election, then at the latest the refresh
    assert roles(subject) == [0]
    assert caches(subject) == {0}


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize(("kind", "sides"), [("partition", 0b1010), ("one_way", 0b0001)])
def test_keepalived_166_clients_do_not_wait_for_a_refresh(seed: int, kind: Kind, sides: int) -> None:
    """Whoever speaks first after healing: the winner hears a losing advertisement, if only the loser's last word.

    Without the last word the clients waited for the refresh in 151 of 400 schedules.
    """
    patient = tuple(replace(each, announce_refresh=3600.0) for each in (FIRST, SECOND))
    subject = world(seed, Fault(kind, 20.0, 30.0, 0, value=sides), settings=patient)
    subject.run(29.9)
    assert roles(subject) == [0, 1]
    assert 1 in caches(subject)
    subject.run(31.5)  # an advertisement and the spacing of announcements later
    assert roles(subject) == [0]
    assert caches(subject) == {0}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stall", [1.0, 3.0, 8.0])
def test_keepalived_2066_a_stalled_backup_takes_nothing_over(seed: int, stall: float) -> None:
    """Timers before queued packets gave a false takeover in 210 of 300 runs of a trial."""
    subject = world(seed, Fault("stall", 20.0, 20.0 + stall, 1))
    subject.run(20.0)
    seen = changes(subject)
    subject.run(40.0)
    assert roles(subject) == [0]
    assert seen == []


def test_keepalived_2066_timers_first_would_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario is one: with the shell's order reversed it fails."""

    def timers_first(self: SpeakerCore) -> None:
        self._execute(self.speaker.pass_time(self._host.local()))
        resume(self)

    resume = SpeakerCore.resume
    monkeypatch.setattr(SpeakerCore, "resume", timers_first)
    subject = world(0, Fault("stall", 20.0, 28.0, 1))
    subject.run(20.0)
    seen = changes(subject)
    subject.run(40.0)
    assert (28.0, 1, "active") in seen


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stalled_active_router_steps_down_before_it_sends(seed: int) -> None:
    """Its addresses are the other's by now; alone on the wire it would come back, but only after listening."""
    subject = world(seed, Fault("stall", 20.0, 28.0, 0), settings=(FIRST,))
    subject.run(20.0)
    seen = changes(subject)
    subject.run(40.0)
    assert [(director, state) for _, director, state in seen] == [(0, "backup"), (0, "active")]
    assert seen[0][0] == 28.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["power_loss", "clean_stop"])
def test_holo_lost_skew_backups_take_over_one_by_one(seed: int, kind: str) -> None:
    """Skew_Time truncated to whole seconds was 0 for all: every backup took over at once."""
    fault = Fault(kind, 20.0, 99.0, 0)  # type: ignore[arg-type]
    subject = world(seed, fault, settings=(FIRST, SECOND, THIRD))
    subject.run(20.0)
    seen = changes(subject)
    subject.run(40.0)
    assert [(director, state) for _, director, state in seen if director] == [(1, "active")]
    assert roles(subject) == [1]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_process_leaves_its_addresses_and_its_successor_sweeps_them(seed: int) -> None:
    subject = world(seed, Fault("crash", 20.0, 26.0, 0))
    subject.run(25.9)
    left, taken = (each.kernel.addresses for each in subject.directors)
    assert left == taken == {VIRTUAL[0]}  # nobody can help it before the restart
    subject.run(26.1)
    assert left == set()
    assert roles(subject) == [1]
    subject.run(40.0)
    assert (left, taken) == ({VIRTUAL[0]}, set())  # preempted
    assert caches(subject) == {0}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_address_that_somebody_deletes_comes_back_and_is_announced(seed: int) -> None:
    subject = world(seed, Fault("address_deleted", 20.0, 20.0, 0))
    subject.run(20.0)
    assert subject.directors[0].kernel.addresses == {VIRTUAL[0]}
    core = subject.directors[0].core
    assert core is not None
    assert isinstance(core.speaker.machines["r0"].state, Active)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_peer_that_cannot_hear_us_is_no_reason_to_flood_the_segment(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every losing advertisement is answered; the announcements keep their spacing."""
    quick = tuple(replace(each, advertisement_interval=0.01) for each in (FIRST, SECOND))
    subject = world(seed, Fault("one_way", 5.0, 7.0, 0, value=0b0001), settings=quick)
    subject.run(5.5)
    rounds: list[float] = []
    monkeypatch.setattr(subject.directors[0], "announce", lambda address, segment: rounds.append(subject.now))
    subject.run(6.5)
    assert 1 <= len(rounds) <= 6
