"""Signed advertisements between real processes: an election, forgers and replayers without the key, a rotation, and a
keepalived that knows nothing of it. (One that does: docs/decisions/0007; what it sent is in tests/vectors.)"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from haagent.linux.vrrp_socket import packet
from haagent.processes.vrrp_messages import SetRouters
from haagent.vrrp.advertisement import GROUPS, Advertisement, encode
from haagent.vrrp.auth_hmac import AuthHmac, KeyFile
from haagent.vrrp.trailer import is_signed_by, sequence_at, signed, split
from tests.netns.segment import ROOT, Segment, Vrrp, address, end, inside, router, wait_until

pytestmark = pytest.mark.root

VIRTUAL = address("192.0.2.100")[0]
KEY, OTHER = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", "b", "c", prefix="hs") as each:
        yield each


@pytest.fixture
def auth(tmp_path: Path) -> AuthHmac:
    keys = []
    for number, key in ((1, KEY), (2, OTHER)):
        file = tmp_path / f"key{number}"
        file.write_text(f"hex:{key.hex()}\n")
        file.chmod(0o600)
        keys.append(KeyFile(number, str(file)))
    return AuthHmac((keys[0],), 1)


def both(auth: AuthHmac, active: int) -> AuthHmac:
    second = KeyFile(2, auth.keys[0].file.replace("key1", "key2"))
    return replace(auth, keys=(auth.keys[0], second), active_key=active)


def discarded(vrrp: Vrrp, reason: str) -> int:
    report = vrrp.director.report()
    return report.discarded.get(reason, 0) if report else 0


def shout(segment: Segment, host: str, source: str, *messages: bytes) -> None:
    """From `host`, with whatever source address, to the group."""
    with inside(segment.hosts[host].netns):
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        index = socket.if_nametoindex("eth0")
    with sock:
        sock.setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + index.to_bytes(4, "little")
        )  # struct ip_mreqn
        for message in messages:
            sock.sendto(packet(message, socket.inet_aton(source)), ("224.0.0.18", 0))


def captured(segment: Segment, host: str, source: str, count: int) -> list[bytes]:
    """The next VRRP messages of `source` on the segment."""
    with inside(segment.hosts[host].netns):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        sock.bind(("eth0", 0x0800))
    found: list[bytes] = []
    with sock:
        sock.settimeout(5.0)
        while len(found) < count:
            octets = sock.recv(2048)
            if octets[9] == 112 and octets[12:16] == socket.inet_aton(source):
                found.append(octets[20 : int.from_bytes(octets[2:4], "big")])
    return found


def forged(priority: int, source: str, key: bytes | None) -> bytes:
    packed = socket.inet_aton(source)
    message = encode(Advertisement(51, priority, 0.1, (VIRTUAL,)), packed)
    return message if key is None else signed(message, packed, GROUPS[4], 1, key, sequence_at(time.time()))


def test_an_election_a_forger_and_a_replayer(segment: Segment, tmp_path: Path, auth: AuthHmac) -> None:
    settings = router(priority=200, auth_hmac=auth)
    a = segment.start_vrrp("a", tmp_path, settings)
    assert wait_until(lambda: a.director.state() == "active")
    b = segment.start_vrrp("b", tmp_path, replace(settings, priority=100))
    assert wait_until(lambda: b.director.state() == "backup")
    recorded = captured(segment, "c", "192.0.2.1", 5)
    assert all(len(split(each, 4)[1]) == 28 for each in recorded)
    assert segment.owners() == ["a"]

    # Without the key: unsigned, signed with another, as the peer and as a stranger; a farewell of a to b.
    for _ in range(5):
        for source in ("192.0.2.2", "192.0.2.3"):
            shout(segment, "c", source, forged(254, source, None), forged(254, source, OTHER))
        shout(segment, "c", "192.0.2.1", forged(0, "192.0.2.1", None), forged(0, "192.0.2.1", OTHER))
        time.sleep(0.05)
    assert wait_until(lambda: discarded(a, "signature_missing") >= 10 and discarded(a, "signature_wrong") >= 10)
    assert wait_until(lambda: discarded(b, "signature_missing") >= 5 and discarded(b, "signature_wrong") >= 5)
    assert (a.director.state(), b.director.state()) == ("active", "backup")

    # The Active director dies; its recorded advertisements do not keep the Backup from taking over.
    end(a.process, 9)
    for _ in range(10):
        shout(segment, "c", "192.0.2.1", *recorded)
        time.sleep(0.05)
    assert wait_until(lambda: b.director.state() == "active")
    assert wait_until(lambda: discarded(b, "signature_replayed") >= 5)
    shout(segment, "c", "192.0.2.1", *recorded)  # nor do they depose it
    restarted = segment.restart_vrrp("a", a.director)  # who restarts goes on where the clock is
    assert wait_until(lambda: restarted.director.state() == "active" and b.director.state() == "backup")
    assert wait_until(lambda: segment.owners() == ["a"])


def test_a_rotation_moves_nothing(segment: Segment, tmp_path: Path, auth: AuthHmac) -> None:
    settings = {"a": router(priority=200, auth_hmac=auth), "b": router(priority=100, auth_hmac=auth)}
    hosts = {name: segment.start_vrrp(name, tmp_path, each) for name, each in settings.items()}
    assert wait_until(lambda: [each.director.state() for each in hosts.values()] == ["active", "backup"])
    before = {name: len(each.director.transitions()) for name, each in hosts.items()}
    new = AuthHmac((both(auth, 2).keys[1],), 2)
    for step in (both(auth, 1), both(auth, 2), new):
        for name, each in hosts.items():
            each.director.say(SetRouters((replace(settings[name], auth_hmac=step),)))
            time.sleep(0.4)  # longer than an Active_Down_Interval
    (last,) = captured(segment, "c", "192.0.2.1", 1)
    assert split(last, 4)[1][1] == 2
    assert {name: len(each.director.transitions()) for name, each in hosts.items()} == before
    assert segment.owners() == ["a"]


def test_without_its_key_a_router_says_why(segment: Segment, tmp_path: Path, auth: AuthHmac) -> None:
    Path(auth.keys[0].file).chmod(0o644)
    a = segment.start_vrrp("a", tmp_path, router(auth_hmac=auth))
    assert wait_until(lambda: a.director.transitions())
    assert a.director.transitions()[-1][1] == (
        f"the key {auth.keys[0].file} may be read by others: chmod 600 {auth.keys[0].file}"
    )
    Path(auth.keys[0].file).chmod(0o600)
    a.director.say(SetRouters((router(auth_hmac=auth),)))
    assert wait_until(lambda: a.director.state() == "active")


def test_with_a_keepalived_that_does_not_sign(segment: Segment, tmp_path: Path, auth: AuthHmac) -> None:
    """`receive_only` is heard and hears; `permissive` hears, and refuses nothing that it must not."""
    keepalived = segment.start_keepalived("b", tmp_path, 100)
    assert wait_until(lambda: segment.owners() == ["b"])
    receiving = router(priority=200, auth_hmac=replace(auth, mode="receive_only"))
    a = segment.start_vrrp("a", tmp_path, receiving)
    assert wait_until(lambda: segment.owners() == ["a"])
    a.director.say(SetRouters((router(priority=50, auth_hmac=replace(auth, mode="permissive")),)))
    assert wait_until(lambda: segment.owners() == ["b"] and a.director.state() == "backup")
    a.director.say(SetRouters((router(priority=50, auth_hmac=auth),)))  # enforce: it is alone in its world
    assert wait_until(lambda: a.director.state() == "active" and discarded(a, "signature_missing") > 0)
    assert end(keepalived) == 0


def test_the_daemon_reads_its_configuration_and_no_secret_leaves(
    segment: Segment, tmp_path: Path, auth: AuthHmac
) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "all.toml").write_text(
        f'[director]\nnames = ["d1"]\nruntime_directory = "{tmp_path}/run"\nstate_directory = "{tmp_path}/state"\n'
        '[virtual_router.web]\ninterface = "eth0"\nvrid = 51\nadvertisement_interval = 0.1\n'
        'virtual_addresses = ["192.0.2.100/24"]\n'
        f'[virtual_router.web.auth_hmac]\nkeys = [{{ id = 1, file = "{auth.keys[0].file}" }}]\nactive_key = 1\n'
    )
    command = (sys.executable, "-m", "haagent")
    where = ("-c", str(folder), "--name", "d1")
    daemon = segment.start("a", *command, "run", *where, cwd=ROOT, stderr=subprocess.PIPE)
    (said,) = captured(segment, "c", "192.0.2.1", 1)
    message, trailer = split(said, 4)
    assert is_signed_by(message, socket.inet_aton("192.0.2.1"), trailer, KEY)
    shout(segment, "c", "192.0.2.2", forged(254, "192.0.2.2", None))

    def status() -> str:
        return segment.hosts["a"].run("env", f"PYTHONPATH={ROOT}", *command, "status", "--json", *where)

    assert wait_until(lambda: '"signature_missing":1' in status().replace(" ", ""))
    told = status()
    assert "does not sign its advertisements" in told
    end(daemon)
    assert daemon.stderr is not None
    told += daemon.stderr.read().decode()
    kept = b"".join(each.read_bytes() for each in (tmp_path / "state").rglob("*") if each.is_file())
    assert KEY.hex() not in told
    assert KEY.hex().encode() not in kept
    assert KEY not in kept
