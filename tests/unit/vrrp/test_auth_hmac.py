"""Modes, key rotation, replays and clocks of signed advertisements; then the same through the speaker."""

from dataclasses import replace

import pytest

from haagent.vrrp.advertisement import GROUPS, Advertisement, Discard, encode
from haagent.vrrp.auth_hmac import MOST_SENDERS, Authenticator, AuthHmac, KeyFile, Secrets, renewed, why_no_key
from haagent.vrrp.effects import SendAdvertisement
from haagent.vrrp.outgoing import Outgoing
from haagent.vrrp.router import Active, Backup
from haagent.vrrp.settings import Interface, RouterSettings
from haagent.vrrp.speaker import Speaker, Transition
from haagent.vrrp.trailer import read, split

OURS, PEER = bytes((192, 0, 2, 2)), bytes((192, 0, 2, 1))
VIRTUAL, GROUP = bytes((192, 0, 2, 100)), GROUPS[4]
OLD, NEW, FOREIGN = bytes(range(32)), bytes(range(32, 64)), bytes(40)
ONE, BOTH = (KeyFile(1, "/one"),), (KeyFile(1, "/one"), KeyFile(2, "/two"))
SECRETS: Secrets = {"/one": OLD, "/two": NEW}
ENFORCE = AuthHmac(ONE, 1)
NOW = 1_800_000_000.0
MESSAGE = encode(Advertisement(51, 100, 1.0, (VIRTUAL,)), PEER, GROUP)


def authenticator(settings: AuthHmac = ENFORCE, secrets: Secrets = SECRETS) -> Authenticator:
    made = renewed(None, settings, secrets)
    assert made is not None
    return made


def said(sender: Authenticator, utc: float = NOW, source: bytes = PEER) -> tuple[bytes, bytes]:
    (only,) = sender.sign((Outgoing("eth0", source, GROUP, MESSAGE),), utc)
    return split(only.message, 4)


def heard(receiver: Authenticator, what: tuple[bytes, bytes], utc: float = NOW, source: bytes = PEER) -> Discard | None:
    return receiver.refusal(*what, source, utc)


@pytest.mark.parametrize("sender", ["enforce", "permissive", "receive_only"])
@pytest.mark.parametrize("receiver", ["enforce", "permissive", "receive_only"])
def test_modes(sender: str, receiver: str) -> None:
    """Each step of a migration: receive_only everywhere, permissive everywhere, enforce everywhere."""
    message, trailer = said(authenticator(replace(ENFORCE, mode=sender)))  # type: ignore[arg-type]
    assert bool(trailer) is (sender != "receive_only")
    refusal = heard(authenticator(replace(ENFORCE, mode=receiver)), (message, trailer))  # type: ignore[arg-type]
    expected = Discard.SIGNATURE_MISSING if (sender, receiver) == ("receive_only", "enforce") else None
    assert refusal is expected


@pytest.mark.parametrize("mode", ["enforce", "permissive", "receive_only"])
def test_a_wrong_signature_is_refused_in_every_mode(mode: str) -> None:
    receiver = authenticator(replace(ENFORCE, mode=mode))  # type: ignore[arg-type]
    message, trailer = said(authenticator(secrets={"/one": FOREIGN}))
    assert heard(receiver, (message, trailer)) is Discard.SIGNATURE_WRONG
    message, trailer = said(authenticator())
    assert heard(receiver, (message, b"\2" + trailer[1:])) is Discard.SIGNATURE_TYPE
    assert heard(receiver, (message, trailer[:3] + b"\1" + trailer[4:])) is Discard.SIGNATURE_TYPE
    assert heard(receiver, (message, trailer[:1] + b"\7" + trailer[2:])) is Discard.SIGNATURE_KEY
    assert heard(receiver, (message, trailer), source=OURS) is Discard.SIGNATURE_WRONG
    assert receiver.marks == {}  # nothing forged moves what is remembered
    assert heard(receiver, (message, trailer)) is None


def test_the_longest_way_of_a_rotation_step_by_step() -> None:
    """Both keys everywhere, then the other one signs, then the old one goes: each is believed at each step."""
    a, b = authenticator(), authenticator()
    steps = (ENFORCE, AuthHmac(BOTH, 1), AuthHmac(BOTH, 2), AuthHmac((KeyFile(2, "/two"),), 2))
    utc = NOW
    for step in steps:
        for host in (a, b):
            assert renewed(host, step, SECRETS) is host
            utc += 1
            assert heard(b, said(a, utc), utc) is None
            assert heard(a, said(b, utc, OURS), utc, OURS) is None
    assert heard(a, said(authenticator(), utc + 1), utc + 1) is Discard.SIGNATURE_KEY


def test_a_rotation_does_not_make_replays_believed() -> None:
    receiver, sender = authenticator(AuthHmac(BOTH, 1)), authenticator(AuthHmac(BOTH, 1))
    captured = said(sender)
    assert heard(receiver, captured) is None
    assert renewed(receiver, AuthHmac(BOTH, 2), SECRETS) is receiver
    assert heard(receiver, captured) is Discard.SIGNATURE_REPLAYED


@pytest.mark.parametrize("anti_replay", ["time", "monotonic"])
def test_replays(anti_replay: str) -> None:
    settings = replace(ENFORCE, anti_replay=anti_replay)  # type: ignore[arg-type]
    receiver, sender = authenticator(settings), authenticator(settings)
    first, second, third = (said(sender) for _ in range(3))  # the clock stands still: the counter does not
    assert [heard(receiver, each) for each in (first, second)] == [None, None]
    for each in (first, second):
        assert heard(receiver, each) is Discard.SIGNATURE_REPLAYED
    assert heard(receiver, third) is None
    assert heard(receiver, said(sender, source=OURS), source=OURS) is None  # each sender has its own


def test_who_restarts_hears_and_is_heard() -> None:
    """Nothing is stored: the clock has moved on."""
    receiver = authenticator()
    assert heard(receiver, said(authenticator(), NOW)) is None
    assert heard(receiver, said(authenticator(), NOW + 0.001), NOW + 0.001) is None
    assert heard(authenticator(), said(authenticator(), NOW + 2), NOW + 2) is None


def test_an_old_capture_against_a_fresh_receiver() -> None:
    """What `time` is for: `monotonic` believes the first that it hears of anybody."""
    captured = said(authenticator(), NOW - 31)
    assert heard(authenticator(), captured) is Discard.SIGNATURE_STALE
    assert heard(authenticator(), said(authenticator(), NOW + 31)) is Discard.SIGNATURE_STALE
    assert heard(authenticator(), said(authenticator(), NOW - 29)) is None
    assert heard(authenticator(replace(ENFORCE, anti_replay="monotonic")), captured) is None


def test_a_clock_that_was_wrong_for_a_while() -> None:
    """keepalived before 2.4.3 stayed with two Active routers for ever."""
    receiver, sender = authenticator(), authenticator()
    assert heard(receiver, said(sender)) is None
    assert heard(receiver, said(sender, NOW + 3601), NOW + 1) is Discard.SIGNATURE_STALE
    assert heard(receiver, said(sender, NOW + 2), NOW + 2) is None  # the sender's was set right: it follows its clock
    assert heard(receiver, said(sender, NOW + 3603), NOW + 3603) is None  # the receiver's goes wrong with it
    assert heard(receiver, said(sender, NOW + 4), NOW + 4) is None  # both are right again


def test_a_clock_that_was_set_back_a_little_or_under_monotonic_counts_on() -> None:
    for settings in (ENFORCE, replace(ENFORCE, anti_replay="monotonic")):
        receiver, sender = authenticator(settings), authenticator(settings)
        assert heard(receiver, said(sender)) is None
        assert heard(receiver, said(sender, NOW - 3), NOW) is None
    assert heard(receiver, said(sender, NOW - 3600), NOW) is None


def test_senders_are_remembered_in_bounds_and_the_least_recent_goes() -> None:
    receiver, sender = authenticator(), authenticator()
    captured = said(sender)
    assert heard(receiver, captured) is None
    for number in range(MOST_SENDERS):
        source = bytes((198, 51, 100, number))
        assert heard(receiver, said(sender, source=source), source=source) is None
    assert len(receiver.marks) == MOST_SENDERS
    assert PEER not in receiver.marks


def test_one_advertisement_to_many_is_one_sequence() -> None:
    sender = authenticator()
    sent = sender.sign(tuple(Outgoing("eth0", PEER, bytes((192, 0, 2, n)), MESSAGE) for n in (7, 8)), NOW)
    assert len({each.message for each in sent}) == 1


def test_each_path_has_its_own_source_and_signature() -> None:
    sender, receiver, far = authenticator(), authenticator(), bytes((203, 0, 113, 1))
    for each in sender.sign((Outgoing("eth0", PEER, GROUP, MESSAGE), Outgoing("eth2", far, OURS, MESSAGE)), NOW):
        assert heard(receiver, split(each.message, 4), source=each.source) is None


def test_no_secret_shows() -> None:
    assert str(OLD) not in repr(authenticator())
    assert why_no_key(ENFORCE, {}) == "the key /one was not read"
    assert why_no_key(ENFORCE, {"/one": "the key /one cannot be read"}) == "the key /one cannot be read"
    assert why_no_key(ENFORCE, SECRETS) == ""


# ---------------------------------------------------------------------------------------------- the speaker

WEB = RouterSettings("web", "eth0", 51, 100, 1.0, ((VIRTUAL, 24),), auth_hmac=ENFORCE, checksum="rfc9568")
ETH0 = Interface("eth0", 2, True, b"\2\0\0\0\0\2", ((OURS, 24),))


def speaker(settings: RouterSettings = WEB, secrets: Secrets = SECRETS) -> Speaker:
    made = Speaker()
    made.utc_offset = NOW
    made.set_interfaces([ETH0], 0.0)
    made.set_routers([settings], 0.0, secrets)
    return made


def peer_says(priority: int, utc: float, key: bytes | None = OLD) -> bytes:
    message = encode(Advertisement(51, priority, 1.0, (VIRTUAL,)), PEER, GROUP)
    if key is None:
        return message
    (only,) = authenticator(secrets={"/one": key}).sign((Outgoing("eth0", PEER, GROUP, message),), utc)
    return only.message


def test_only_a_signed_advertisement_deposes() -> None:
    router = speaker()
    router.pass_time(10.0)
    machine = router.machines["web"]
    assert isinstance(machine.state, Active)
    for message, reason in (
        (peer_says(254, NOW + 11, None), Discard.SIGNATURE_MISSING),
        (peer_says(254, NOW + 11, FOREIGN), Discard.SIGNATURE_WRONG),
        (peer_says(254, NOW - 60), Discard.SIGNATURE_STALE),
    ):
        effects = router.receive("eth0", message, 255, PEER, GROUP, 11.0)
        assert router.discarded["eth0"][reason] == 1
        assert [type(each) for each in effects] == [Transition]
        assert isinstance(machine.state, Active)
    router.receive("eth0", peer_says(254, NOW + 11), 255, PEER, GROUP, 11.0)
    assert isinstance(machine.state, Backup)


def test_what_goes_out_is_signed_and_every_twin_has_a_sequence_of_its_own() -> None:
    router = speaker(replace(WEB, checksum="auto"))
    router.pass_time(10.0)
    sequences = []
    for _ in range(3):
        sent = router.utterance("web", 100, 10.0)
        assert len(sent) == 2
        sequences += [read(split(each.message, 4)[1]).sequence for each in sent]
    assert sequences == sorted(set(sequences))
    assert split(router.utterance("web", 0, 10.5)[0].message, 4)[1]


def test_another_key_moves_no_state() -> None:
    router = speaker()
    router.pass_time(10.0)
    assert router.set_routers([replace(WEB, auth_hmac=AuthHmac(BOTH, 2))], 11.0, SECRETS) == []
    assert read(split(router.utterance("web", 100, 11.0)[0].message, 4)[1]).key_id == 2


def test_without_its_key_a_router_has_a_fault_and_lets_go() -> None:
    router = speaker(secrets={"/one": "the key /one cannot be read: no such file"})
    assert router.machines["web"].state_name == "initialize"
    assert router.machines["web"].reason == "the key /one cannot be read: no such file"
    router.set_routers([WEB], 1.0, SECRETS)
    router.pass_time(11.0)
    assert router.machines["web"].state_name == "active"
    effects = router.set_routers([replace(WEB, auth_hmac=AuthHmac(BOTH, 2))], 12.0, {"/one": OLD, "/two": "gone"})
    assert SendAdvertisement("web", 0) in effects
    assert split(router.utterance("web", 0, 12.0)[0].message, 4)[1]  # the farewell is signed with what was there


def test_who_has_no_keys_says_so() -> None:
    router = speaker(replace(WEB, auth_hmac=None))
    router.receive("eth0", peer_says(254, NOW), 255, PEER, GROUP, 0.0)
    assert router.discarded["eth0"] == {Discard.LENGTH: 1}
    assert router.machines["web"].reason.startswith("192.0.2.1 signs its advertisements, and this router has no auth")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (peer_says(9, NOW, None), '192.0.2.1 does not sign its advertisements; auth_hmac with mode = "enforce"'),
        (peer_says(9, NOW, FOREIGN), "192.0.2.1 signs with another key under the same id, or somebody forges"),
        (peer_says(9, NOW - 99), "the clocks of 192.0.2.1 and of this host are more than 30 s apart"),
    ],
)
def test_the_reason_of_a_refusal_is_told(message: bytes, sentence: str) -> None:
    router = speaker()
    router.receive("eth0", message, 255, PEER, GROUP, 0.0)
    assert router.machines["web"].reason.startswith(sentence)


def test_an_unknown_key_and_a_replay_are_told() -> None:
    router = speaker(replace(WEB, auth_hmac=AuthHmac((KeyFile(2, "/two"),), 2)))
    router.receive("eth0", peer_says(9, NOW), 255, PEER, GROUP, 0.0)
    assert router.machines["web"].reason.startswith("192.0.2.1 signs with key 1, which auth_hmac does not have here")
    router = speaker()
    for _ in range(2):
        router.receive("eth0", message := peer_says(9, NOW), 255, PEER, GROUP, 0.0)
    router.receive("eth0", message, 255, PEER, GROUP, 0.0)
    assert router.machines["web"].reason == "somebody replays advertisements of 192.0.2.1, or its clock was set back"
