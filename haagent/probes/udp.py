"""The UDP check: a datagram is answered, with what is expected. Silence is never up: it proves nothing."""

import socket

from haagent.config.checks import UdpCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Way, way_of
from haagent.probes.one_reply import OneReply
from haagent.probes.pattern import pattern_of, payload
from haagent.probes.words import counted, shown


def conversation(check: UdpCheck) -> Conversation:
    pattern = pattern_of(check)

    def judge(reply: bytes) -> ProbeResult:
        words = f"{counted(len(reply), 'octet')} {shown(reply)}"
        if pattern is not None and (wrong := pattern.wrong(reply)):
            return ProbeResult(False, f"the reply of {words} {wrong}")
        return ProbeResult(True, f"answered {words}")

    # A datagram of no octets is sent too, so there is no request to be empty.
    return OneReply(payload(check), judge)


def way(check: UdpCheck) -> Way:
    return way_of(check, socket.SOCK_DGRAM)
