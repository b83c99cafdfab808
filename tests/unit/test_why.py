"""The answer to `haagent why NAME`, from the core and what the prober remembers; and how it is printed."""

import pytest
from msgspec.structs import replace

from haagent.cli.why import lines
from haagent.config.model import PoolTrack
from haagent.control.requests import Refused
from haagent.core.core import Core
from haagent.core.events import ConfigLoaded, HealthChanged
from haagent.health.transcript import Transcript, difference, step
from haagent.processes.history import Entry
from haagent.snapshot import RouterCounters, RouterStatus
from haagent.view import Clock, snapshot
from haagent.why import probe_ids, subjects, why
from tests.unit.build import config, real_server, router, service

WEB = replace(service(real_server(1), real_server(2)), name="pages")
TRACKED = router(track=(PoolTrack(pool="pages", when="empty", priority=-110),))
CLOCK = Clock(100.0, 1_000_100.0)
OK = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: x\r\n\r\nfine"
GOOD = Transcript(
    passed=True, detail="HTTP 200", at=90.0, target="198.51.100.11:80", connected_after=0.001, first_octet_after=0.002,
    ended_after=0.002, sent=b"GET / HTTP/1.1\r\n\r\n", received=OK, received_octets=len(OK),
)  # fmt: skip
FAILED = replace(
    GOOD,
    passed=False,
    detail="HTTP 503, wanted 200",
    at=95.0,
    received=b"HTTP/1.1 503 No\r\nServer: nginx\r\nRetry-After: 5\r\nDate: y\r\n\r\n",
    first_octet_after=0.4,
)
SILENT = Transcript(passed=False, detail="no answer", at=96.0, target="198.51.100.11:80", error="ETIMEDOUT")
STATUS = RouterStatus(
    name="web", interface="eth0", ifindex=2, vrid=51, state="backup", reason="a higher priority is heard", since=1e6,
    priority=200, effective_priority=90, preempt=True, advertisement_interval=1.0, primary_address="198.51.100.1",
    active_address="198.51.100.2", virtual_addresses=("198.51.100.100/24",),
    counters=RouterCounters(advertisements_received=7, discarded={"ttl": 3}),
)  # fmt: skip
ENTRIES = [
    Entry(sequence=1, at=1e6, subject="router", name="web", previous="active", state="backup", cause="outranked"),
    Entry(sequence=2, at=1e6, subject="real_server", name="pages/rs1", previous="up", state="down", cause="HTTP 503"),
    Entry(sequence=3, at=1e6, subject="path", name="pages/rs1", previous="up", state="down", cause="silent"),
    Entry(sequence=4, at=1e6, subject="real_server", name="pages/rs2", previous="up", state="down", cause="HTTP 503"),
]


@pytest.fixture
def core():
    core = Core()
    core.handle(ConfigLoaded(config(WEB, routers=(TRACKED,))), 80.0)
    return core


def answer(core, name, transcripts=()):
    meant = subjects(core, name)
    assert not isinstance(meant, Refused), meant
    routers, servers = meant
    seen = snapshot(core, (STATUS,), (), CLOCK, version="1", started_at=0.0)
    tries = {id_: tuple(transcripts) for id_ in probe_ids(core, servers)}
    return why(core, seen, routers, servers, tries, ENTRIES, CLOCK)


@pytest.mark.parametrize(
    ("name", "routers", "servers"),
    [
        ("rs1", [], ["rs1"]),
        ("pages/rs2", [], ["rs2"]),
        ("pages", [], ["rs1", "rs2"]),
        ("web", ["web"], []),
    ],
)
def test_what_a_name_means(core, name, routers, servers):
    found = answer(core, name)
    assert [each.status.name for each in found.routers] == routers
    assert [each.status.name for each in found.servers] == servers


def test_a_name_of_nobody_is_refused_with_one_that_is_near(core):
    found = subjects(core, "pages/rs3")
    assert isinstance(found, Refused)
    assert 'no virtual router "pages/rs3"; did you mean "pages/rs' in found.reason
    assert "haagent status" in subjects(core, "zzz").reason  # type: ignore[union-attr]
    assert isinstance(subjects(Core(), "rs1"), Refused)


def test_a_failing_server(core):
    core.handle(HealthChanged(core.probing.probes_of["pages", "rs1"][0], "down", FAILED.detail), 95.0)
    found = answer(core, "pages/rs1", [GOOD, FAILED])
    [server] = found.servers
    [probe] = server.probes
    assert (probe.health, probe.failing_step, probe.target) == ("down", "judgement", "198.51.100.11:80")
    assert probe.difference == (
        "it answered after 400 ms, 2 ms then",
        "first line: HTTP/1.1 503 No, then: HTTP/1.1 200 OK",
        "retry-after: 5, then: absent",
        "body: empty, then: fine",
    )
    assert [each.at for each in probe.tries] == [1_000_090.0, 1_000_095.0]
    assert [(each.subject, each.state) for each in server.history] == [("real_server", "down"), ("path", "down")]
    text = "\n".join(lines(found))
    for words in (
        "real server  pages/rs1 (198.51.100.11)   DOWN for 5.0 s, out of the kernel's table",
        "path         not tested: path not tested: the service has no path_check",
        "first failing step: judgement: the answer came, and is not what was wanted",
        "differs from the last good one: retry-after: 5, then: absent",
        "        > GET / HTTP/1.1\\r\\n",
        "        < HTTP/1.1 503 No\\r\\n",
        "connected after 1.0 ms, first octet after 400.0 ms",
    ):
        assert words in text


def test_a_server_that_is_well_again_has_no_failing_step(core):
    [server] = answer(core, "pages/rs1", [FAILED, replace(GOOD, at=97.0)]).servers
    assert (server.probes[0].failing_step, server.probes[0].difference) == ("", ())


def test_what_the_octets_mean_is_told_before_them(core):
    then, now = (
        replace(each, notes=(f"tls TLSv1.{minor} X, asked for a; nothing was verified",))
        for minor, each in ((3, GOOD), (2, FAILED))
    )
    found = answer(core, "pages/rs1", [then, now])
    assert "tls TLSv1.2 X, asked for a; nothing was verified, not then" in found.servers[0].probes[0].difference
    text = "\n".join(lines(found))
    assert "        tls TLSv1.2 X, asked for a; nothing was verified\n        > GET / HTTP/1.1" in text


def test_without_the_prober_there_are_no_tries(core):
    assert "no try is remembered" in "\n".join(lines(answer(core, "rs1")))


def test_a_router(core):
    found = answer(core, "web")
    assert found.routers[0].priority_terms == (
        "200 as configured",
        "-110 while the pool pages is empty: so it is: pool pages is empty: none of its real servers is in service",
        "= 90 now",
        "a preemption would wait, for at most 60 s: not every check has given its first verdict",
    )
    text = "\n".join(lines(found))
    for words in (
        "a higher priority is heard",
        "advertisements received 7; discarded for ttl 3",
        "router: active -> backup: outranked",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("tried", "failing"),
    [
        (GOOD, ""),
        (SILENT, "connection"),
        (replace(SILENT, local=True), "start"),
        (replace(SILENT, connected_after=0.1), "answer"),
        (FAILED, "judgement"),
    ],
)
def test_the_first_step_that_failed(tried, failing):
    assert step(tried) == failing


def test_silence_beside_the_last_good_one():
    assert difference(SILENT, GOOD) == (
        "it connected after 1 ms then, not at all now",
        "it answered after 2 ms then, not at all now",
    )
