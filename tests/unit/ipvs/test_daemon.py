"""Connection sync daemons: what must change, and the netlink messages of ipvsadm 1.31 and a 6.1 kernel."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.ipvs import message
from haagent.ipvs.daemon import StartDaemon, StopDaemon, SyncDaemon, SyncRole, plan_daemons
from haagent.ipvs.message import DaemonSeen, Malformed

SENDER, RECEIVER = SyncRole
BODY, FAMILY = 16, 32
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "ipvs-genl.json").read_text())["vectors"]
WANTED, OTHER = SyncDaemon("d0", 5), SyncDaemon("d0", 6)
RUNNING = SyncDaemon("d0", 5, 1472, 8848, 1, bytes((224, 0, 0, 81)))


def octets_of(beginning: str) -> bytes:
    return next(bytes.fromhex(v["nlmsg_hex"]) for v in VECTORS if v["command"].startswith(beginning))


@pytest.mark.parametrize(
    ("command", "change"),
    [
        ("ipvsadm --start-daemon master", StartDaemon(SENDER, WANTED)),
        ("ipvsadm --start-daemon backup", StartDaemon(RECEIVER, WANTED)),
        ("ipvsadm --stop-daemon master", StopDaemon(SENDER)),
        ("ipvsadm --stop-daemon backup", StopDaemon(RECEIVER)),
    ],
)
def test_requests_equal_those_of_ipvsadm(command, change):
    assert message.encode_daemon(change, FAMILY)[BODY:].hex() == octets_of(command)[BODY:].hex()


def test_the_question_equals_that_of_ipvsadm():
    assert message.encode_get_daemons(FAMILY)[BODY:] == octets_of("GET_DAEMON")[BODY:]


def test_a_daemon_of_the_kernel_is_read():
    assert message.decode(octets_of("NEW_DAEMON reply")) == DaemonSeen(SENDER, RUNNING)


SIX = bytes.fromhex("ff02" + "00" * 13 + "81")
DAEMONS = st.builds(
    SyncDaemon,
    interface=st.text("abc0123", min_size=1, max_size=15),
    sync_id=st.integers(0, 255),
    maxlen=st.integers(0, 65535),
    port=st.integers(0, 65535),
    ttl=st.integers(0, 255),
    group=st.sampled_from((b"", bytes((224, 0, 0, 81)), SIX)),
)


@given(st.sampled_from(SyncRole), DAEMONS)
def test_what_is_started_is_what_is_read(role, daemon):
    assert message.decode(message.encode_daemon(StartDaemon(role, daemon), FAMILY)) == DaemonSeen(role, daemon)


@given(st.binary(max_size=80))
def test_any_octets_are_an_answer_or_malformed(octets):
    head = octets_of("NEW_DAEMON reply")[:20]
    assert isinstance(message.decode(head + octets), DaemonSeen | Malformed)


def test_a_value_that_does_not_fit_the_wire_is_refused():
    with pytest.raises(ValueError, match="maxlen=70000"):
        message.encode_daemon(StartDaemon(SENDER, SyncDaemon("d0", maxlen=70000)), FAMILY)


@pytest.mark.parametrize(
    ("observed", "wanted", "owned", "changes"),
    [
        ({}, {SENDER: WANTED}, (), [StartDaemon(SENDER, WANTED)]),
        ({SENDER: RUNNING}, {SENDER: WANTED}, (), []),  # adopted: what was not said is the kernel's
        ({SENDER: RUNNING}, {SENDER: OTHER}, (), [StopDaemon(SENDER), StartDaemon(SENDER, OTHER)]),
        ({SENDER: RUNNING}, {}, (), []),  # somebody else's
        ({SENDER: RUNNING}, {}, (SENDER,), [StopDaemon(SENDER)]),
        ({}, {}, (SENDER,), []),
        ({SENDER: RUNNING}, {RECEIVER: WANTED}, (), [StartDaemon(RECEIVER, WANTED)]),
    ],
)  # fmt: skip
def test_what_must_change(observed, wanted, owned, changes):
    assert plan_daemons(observed, wanted, owned) == changes
