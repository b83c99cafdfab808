"""Every parser that hears something from outside, with inputs to start from and what may come out of it.

A target is a function (octets, random) that raises, mostly by an assertion, if anything but a declared value comes out.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec

from haagent.agentx.codec import PduReader
from haagent.agentx.codec import decode as decode_pdu
from haagent.agentx.codec import encode as encode_pdu
from haagent.agentx.events import BytesReceived, Connect, Connected, DeadlinePassed, Disconnect, Report, Send
from haagent.agentx.pdu import Malformed as MalformedPdu
from haagent.agentx.pdu import Pdu
from haagent.agentx.session import Serving, Session
from haagent.agentx.varbind import Kind, Varbind
from haagent.config.error import ConfigError
from haagent.config.load import load_all
from haagent.config.model import Config, Director, HttpCheck
from haagent.control.requests import decode_answer, decode_request
from haagent.health.probe import ProbeResult
from haagent.ipvs import message as ipvs
from haagent.ipvs.daemon import SyncRole
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import ServiceKey
from haagent.lab import topology
from haagent.lab.marks import Problem
from haagent.linux import netlink, rtnetlink
from haagent.linux.vrrp_socket import Datagram, packet, parse
from haagent.pool.operator import Override, Version, advance, merge, override_cause
from haagent.probes.http import HttpConversation, question
from haagent.processes import (
    accepted,
    kernel_settings,
    messages,
    operator_state,
    ownership,
    peer_message,
    vrrp_messages,
)
from haagent.processes.frames import FrameError, FrameReader, frame
from haagent.processes.history import Entry, History
from haagent.snapshot import Snapshot
from haagent.sniff import capture, spoken
from haagent.sniff import segment as sniff
from haagent.sniff.finding import Finding
from haagent.vrrp.advertisement import MULTICAST_GROUP, Advertisement, ChecksumForm, Discard, decode, encode
from haagent.vrrp.settings import Interface, RouterSettings, Term, TrackedInterface, Tracking
from haagent.vrrp.speaker import Speaker
from tests.frames import VECTORS, ipv4_datagram, vectors
from tests.fuzz.probes import PROBES
from tests.fuzz.vrrp import VRRP

ROOT = Path(__file__).parents[2]
OURS, PEER, VIRTUAL = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), bytes((192, 0, 2, 100))
WORDS = {("web", "rs1"): Override(admin="drained", deadline=99.5, until=3e3, weight=1, version=Version(3, "d1"))}
SECRET = b"0123456789abcdef"
SETTINGS = RouterSettings(
    "web", "eth0", 61, 100, 1.0, ((VIRTUAL, 24),), tracked_interfaces=(TrackedInterface("e", False, -5),)
)


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes, Random], None]


# -------------------------------------------------------------------------------------------------------- vrrp


def vrrp_messages_captured() -> tuple[bytes, ...]:
    frames = [each["frame_hex"] for name in ("vrrp.json", "vrrp-negative.json") for each in vectors(name).values()]
    captured = [ipv4_datagram(each).message for each in frames if each[24:28] == "0800"]
    many = encode(Advertisement(61, 100, 1.0, (VIRTUAL,) * 255, ChecksumForm.PSEUDO_HEADER), PEER)
    return (*captured, many)


def run_vrrp_decode(octets: bytes, random: Random) -> None:
    result = decode(octets, random.choice((255, 255, 254)), PEER, MULTICAST_GROUP)
    if isinstance(result, Advertisement):
        assert 1 <= result.vrid <= 255
        assert 0 < result.max_advertise_interval <= 40.95
        assert result.addresses
    else:
        assert isinstance(result, Discard)


def run_vrrp_speaker(octets: bytes, random: Random) -> None:
    """A router that hears it, its checksum repaired half of the time, and goes on with its life."""
    speaker, now = Speaker(), 0.0
    speaker.set_interfaces([Interface("eth0", 2, True, bytes(6), ((OURS, 24),))], now)
    speaker.set_routers([SETTINGS], now)
    if random.random() < 0.5:
        now = 5.0
        speaker.pass_time(now)
    for _ in range(random.randrange(1, 4)):
        message = repaired(octets) if random.random() < 0.5 else octets
        speaker.receive("eth0", message, 255, random.choice((PEER, OURS, VIRTUAL)), MULTICAST_GROUP, now)
        due = speaker.next_deadline()
        assert due is not None
        if random.random() < 0.5:
            now = max(now, due)
            speaker.pass_time(now)
            following = speaker.next_deadline()
            assert following is not None
            assert following > now


def repaired(message: bytes) -> bytes:
    """With a valid checksum, and octets enough for its count."""
    if len(message) < 8:
        return message
    fixed = bytearray((message + bytes(1024))[: 8 + 4 * message[3]])
    fixed[6:8] = bytes(2)
    total = int.from_bytes(fixed, "big") % 0xFFFF
    fixed[6:8] = (0xFFFF - total).to_bytes(2, "big")
    return bytes(fixed)


def run_ip_packet(octets: bytes, random: Random) -> None:
    result = parse(octets)
    assert result is None or isinstance(result, Datagram)
    if result is not None:
        assert len(result.payload) <= len(octets)
        run_vrrp_decode(result.payload, random)


# ------------------------------------------------------------------------------------------------------ agentx


def pdus() -> tuple[bytes, ...]:
    return tuple(
        bytes.fromhex(each["pdu_hex"]) for each in json.loads((VECTORS / "agentx.json").read_text())["vectors"]
    )


def run_agentx_decode(octets: bytes, random: Random) -> None:
    result = decode_pdu(octets)
    assert isinstance(result, Pdu | MalformedPdu)
    if isinstance(result, Pdu):
        assert isinstance(encode_pdu(result), bytes)  # what was understood can be said


def run_agentx_reader(octets: bytes, random: Random) -> None:
    reader = PduReader()
    for piece in pieces(octets, random):
        assert all(isinstance(each, Pdu | MalformedPdu) for each in reader.feed(piece))


class Tree:
    """Answers anything with an integer."""

    def get(self, name: tuple[int, ...]) -> Varbind:
        return Varbind(name, Kind.INTEGER, 1)

    def get_next(self, start: tuple[int, ...], include: bool = False, end: tuple[int, ...] = ()) -> Varbind | None:
        following = start if include else (*start, 0)
        return Varbind(following, Kind.INTEGER, 1) if len(following) < 128 else None


def run_agentx_session(octets: bytes, random: Random) -> None:
    """A session in service, or still opening, whose master says this."""
    session, now = Session((1, 3, 6, 1, 4, 1, 8072, 9999), "fuzz", Tree, Random(random.random()), 0.0), 0.0
    session.handle(DeadlinePassed(), now)
    session.handle(Connected(), now)
    if random.random() < 0.8:
        session.state = Serving(1, now + 30.0)
    for piece in pieces(octets, random):
        effects = session.handle(BytesReceived(piece), now)
        assert all(isinstance(each, Connect | Send | Disconnect | Report) for each in effects)
        assert session.next_deadline is not None
        now += 0.1


# ----------------------------------------------------------------------------------------------------- netlink


def genl() -> tuple[bytes, ...]:
    return tuple(
        bytes.fromhex(each["nlmsg_hex"]) for each in json.loads((VECTORS / "ipvs-genl.json").read_text())["vectors"]
    )


def rtnl() -> tuple[bytes, ...]:
    """Requests look like the answers: the same headers, the same attributes."""
    return (
        rtnetlink.add_address(2, (VIRTUAL, 24), False),
        rtnetlink.delete_address(2, (VIRTUAL, 24)),
        rtnetlink.get_links(),
        netlink.message(16, 0, bytes(16) + netlink.attribute(3, b"eth0\0") + netlink.attribute(1, bytes(6))),
        netlink.message(20, 0, b"\2\x18\0\0\2\0\0\0" + netlink.attribute(2, VIRTUAL) + netlink.attribute(1, VIRTUAL)),
        netlink.message(2, 0x300, (-17).to_bytes(4, "little", signed=True) + bytes(16) + netlink.attribute(1, b"no\0")),
    )


def run_ipvs_decode(octets: bytes, random: Random) -> None:
    assert isinstance(ipvs.decode(octets), ipvs.Reply)
    assert isinstance(ipvs.decode_family(octets), int | ipvs.Malformed)


def run_netlink(octets: bytes, random: Random) -> None:
    for message in netlink.split_messages(octets):
        assert isinstance(netlink.decode_error(message), netlink.NetlinkError)
        assert all(isinstance(payload, bytes) for _, payload in netlink.iterate_attributes(message.body))
        heard = rtnetlink.parse(message)
        assert heard is None or isinstance(
            heard,
            rtnetlink.LinkHeard | rtnetlink.LinkGone | rtnetlink.AddressHeard | rtnetlink.AddressGone,
        )


# -------------------------------------------------------------------------------------------------------- sniff


def captured_frames() -> tuple[bytes, ...]:
    """Whole Ethernet frames: VRRP of both versions and families, ARP, neighbour discovery."""
    return tuple(
        bytes.fromhex(each["frame_hex"])
        for name in ("vrrp.json", "vrrp-negative.json")
        for each in vectors(name).values()
    )


def run_sniff(octets: bytes, random: Random) -> None:
    """Somebody looks on at a segment where this is said, between things that make sense."""
    segment, at = sniff.Segment(), 1000.0
    for each in (random.choice(FRAMES), octets, random.choice(FRAMES)):
        record = capture.dissect(capture.Frame(at, each))
        if record is not None:
            assert all(isinstance(found, Finding) for found in segment.hear(record))
        at += random.choice((0.01, 1.0, 10.0))
    segment.pass_time(at)
    assert all(isinstance(line, str) for line in sniff.lines(segment.summary(), at))


def run_spoken(octets: bytes, random: Random) -> None:
    length = random.choice((4, 4, 16))
    result = spoken.read(octets, random.randbytes(length), random.randbytes(length))
    assert isinstance(result, spoken.Spoken | spoken.Malformed)


FRAMES = captured_frames()

# -------------------------------------------------------------------------------------------------------- http

ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nwebserverisworking",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
)


def run_http(octets: bytes, random: Random) -> None:
    check = HttpCheck(name="c", body=random.choice(("", "hello")), method=random.choice(("GET", "HEAD")))
    conversation = HttpConversation(question(check, "192.0.2.1", 80))
    conversation.connected()
    for piece in pieces(octets, random):
        result = conversation.feed(piece)
        assert isinstance(conversation.heard(), str)
        if result is not None:
            break
    else:
        result = conversation.ended()
    assert isinstance(result, ProbeResult)
    assert result.detail
    assert not result.local  # whatever a server says is no trouble of this director
    assert result.detail.isprintable(), result.detail
    conversation.close()


# ---------------------------------------------------------------------------------------- between the processes


def run_frames(octets: bytes, random: Random) -> None:
    reader = FrameReader()
    try:
        payloads = [each for piece in pieces(octets, random) for each in reader.feed(piece)]
    except FrameError:
        return  # declared: the connection is beyond repair
    assert sum(len(each) + 4 for each in payloads) <= len(octets)


def to_and_from_vrrp() -> tuple[bytes, ...]:
    report = vrrp_messages.RouterReport(
        "web", "eth0", 2, 61, "active", "why", 1.5, 100, 100, True, 1.0, "192.0.2.1", "", ("192.0.2.100/24",), {"a": 1}
    )
    return tuple(
        vrrp_messages.encode(each)
        for each in (
            vrrp_messages.SetRouters((SETTINGS,)),
            vrrp_messages.SetTracking({"web": Tracking("empty", (Term("x", -5),))}),
            vrrp_messages.Resync(),
            vrrp_messages.Hello(1, "x"),
            vrrp_messages.Transitioned("web", "backup", "active", "why", 1.5),
            vrrp_messages.RoutersReported((report,)),
        )
    )


def run_vrrp_messages(octets: bytes, random: Random) -> None:
    to_vrrp = vrrp_messages.decode_to_vrrp(octets)
    assert isinstance(
        to_vrrp,
        vrrp_messages.SetRouters | vrrp_messages.SetTracking | vrrp_messages.Resync | vrrp_messages.Malformed,
    )
    if isinstance(to_vrrp, vrrp_messages.SetRouters):  # what passed is fit for use
        speaker = Speaker()
        speaker.set_interfaces([Interface("eth0", 2, True, bytes(6), ((OURS, 24),))], 0.0)
        speaker.set_routers(to_vrrp.routers, 0.0)
    from_vrrp = vrrp_messages.decode_from_vrrp(octets)
    assert isinstance(
        from_vrrp,
        vrrp_messages.Hello | vrrp_messages.Transitioned | vrrp_messages.RoutersReported | vrrp_messages.Malformed,
    )


def packed_messages() -> tuple[bytes, ...]:
    check = HttpCheck(name="c", body="hello")
    probe = messages.Probe(id=1, check=check, address="192.0.2.1", port=80)
    return tuple(
        messages.encode(each)
        for each in (
            messages.Hello(process="prober", pid=1),
            messages.SetProbes((probe,)),
            messages.HealthReported(id=1, health="up", detail="x", at=1.0),
            messages.SnapshotTaken(Snapshot(director="d1", version="0", at=1.0, started_at=0.0)),
            messages.ObserverReported(connected=True, detail="x"),
        )
    )


# Declared: msgspec's own error and that of octets that are no UTF-8, both ValueErrors; depth without end.
UNDECODABLE = (ValueError, RecursionError)


def run_packed_messages(octets: bytes, random: Random) -> None:
    for decoder in (
        messages.decode_to_prober,
        messages.decode_from_prober,
        messages.decode_to_observer,
        messages.decode_from_observer,
    ):
        with suppress(*UNDECODABLE):
            assert isinstance(decoder(octets), msgspec.Struct)


def run_control(octets: bytes, random: Random) -> None:
    for decoder in (decode_request, decode_answer):
        with suppress(*UNDECODABLE):
            assert isinstance(decoder(octets), msgspec.Struct)


# ------------------------------------------------------------------------------------------------------- files


def texts(folder: str, pattern: str) -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in sorted((ROOT / folder).glob(pattern)))


@contextmanager
def scratch() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="haagent-fuzz-"))
    try:
        yield place
    finally:
        shutil.rmtree(place)


def run_config(octets: bytes, random: Random) -> None:
    with scratch() as directory:
        (directory / "10-a.toml").write_bytes(octets)
        if random.random() < 0.3:
            (directory / "20-b.toml").write_bytes(random.choice(CONFIGS))
        result = load_all(directory, None)
    if isinstance(result, dict):
        assert all(isinstance(each, Config) for each in result.values())
    else:
        assert result
        assert all(isinstance(each, ConfigError) and each.line >= 0 and str(each).isprintable() for each in result)


def stored_files() -> tuple[bytes, ...]:
    with scratch() as directory:
        ownership.write(directory / "owned", Owned(frozenset({ServiceKey(6, VIRTUAL, 80)})))
        History(directory / "history").append(1.0, "router", "web", "backup", "active", "why")
        accepted.write(directory / "accepted", Config(director=Director(name="d1", names=("d1",))))
        operator_state.write(directory / "operator", WORDS)
        kernel_settings.write(directory / "kernel", kernel_settings.Memory("b", {"net.a": "1"}, (SyncRole.SENDER,)))
        names = ("owned", "history", "accepted", "operator", "kernel")
        return tuple((directory / name).read_bytes() for name in names)


def run_stored_files(octets: bytes, random: Random) -> None:
    """What a crash, a full disk or an editor made of the files that we keep."""
    with scratch() as directory:
        path = directory / "file"
        path.write_bytes(octets)
        assert isinstance(ownership.read(path), Owned | str)
        assert isinstance(accepted.read(path), Config | None)
        words, problem = operator_state.read(path, puts_aside=False)
        assert isinstance(problem, str)
        assert all(isinstance(override_cause(each), str) for each in words.values())
        assert isinstance(kernel_settings.read(path), kernel_settings.Memory)
        assert all(isinstance(each, Entry) for each in History(path).entries())


def run_peer(octets: bytes, random: Random) -> None:
    """Also what the holder of the secret may say."""
    for told in (octets, peer_message.tag("call", SECRET, bytes(32), octets) + octets):
        opened = peer_message.opened("call", SECRET, bytes(32), told)
        assert isinstance(opened, peer_message.Told | str)
        if isinstance(opened, peer_message.Told):
            merged = merge(WORDS, opened.overrides)
            assert advance(merged, 100.0, "d1") == advance(advance(merged, 100.0, "d1"), 100.0, "d1")


def run_topology(octets: bytes, random: Random) -> None:
    result = topology.parse(octets.decode(errors="replace"), Path("/nowhere/fuzz.clab.yml"))
    if not isinstance(result, topology.Topology):
        assert result
        assert all(isinstance(each, Problem) for each in result)


PEER_CALL = peer_message.sealed("call", SECRET, bytes(32), "d2", bytes(32), WORDS)
CONFIGS = texts("haagent.conf.d", "*.toml")


def pieces(octets: bytes, random: Random) -> list[bytes]:
    """Cut as a stream may cut it."""
    if random.random() < 0.3:
        return [octets]
    cuts = sorted(random.randrange(len(octets) + 1) for _ in range(random.randrange(1, 6)))
    return [octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True) if start < end]


TARGETS = {
    each.name: each
    for each in (
        Target("vrrp_decode", vrrp_messages_captured(), run_vrrp_decode),
        Target("vrrp_speaker", vrrp_messages_captured(), run_vrrp_speaker),
        Target("ip_packet", tuple(packet(each, PEER) for each in vrrp_messages_captured()), run_ip_packet),
        Target("agentx_decode", pdus(), run_agentx_decode),
        Target("agentx_reader", pdus(), run_agentx_reader),
        Target("agentx_session", pdus(), run_agentx_session),
        Target("ipvs_decode", genl(), run_ipvs_decode),
        Target("netlink", (*genl(), *rtnl()), run_netlink),
        Target("sniff", FRAMES, run_sniff),
        Target("spoken", tuple(each[34:] for each in FRAMES) + tuple(each[54:] for each in FRAMES), run_spoken),
        Target("http", ANSWERS, run_http),
        *(Target(name, seeds, run) for name, (seeds, run) in (PROBES | VRRP).items()),
        Target("frames", (frame(b"hello") + frame(b""), frame(bytes(300))), run_frames),
        Target("vrrp_messages", to_and_from_vrrp(), run_vrrp_messages),
        Target("packed_messages", packed_messages(), run_packed_messages),
        Target("control", (b'{"request":"status"}', b'{"answer":"refused","reason":"x"}'), run_control),
        Target("config", (*CONFIGS, b"".join(CONFIGS)), run_config),
        Target("stored_files", stored_files(), run_stored_files),
        Target("peer", (PEER_CALL, PEER_CALL[peer_message.TAG_SIZE :]), run_peer),
        Target("topology", texts("containerlab", "*.clab.yml"), run_topology),
    )
}
