"""NTP: a time server answers, has a time, and is not far away from ours (RFC 5905)."""

import os
import socket
import struct
import time

from haagent.config.checks import NtpCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Way, way_of
from haagent.probes.one_reply import OneReply

CLIENT, SERVER = 3, 4
UNSYNCHRONIZED_LEAP, UNSYNCHRONIZED_STRATUM = 3, 16
KISSES = ("DENY", "RSTR", "RATE")  # §7.4; other codes, as INIT and STEP, tell of the server itself
EPOCH = 2208988800  # of NTP, in seconds before that of Unix
ERA = 1 << 32  # seconds


def conversation(check: NtpCheck) -> Conversation:
    cookie = os.urandom(8)  # in the place of our time: the server repeats it, and it tells nothing
    asked_at = time.time()
    request = bytes((4 << 3 | CLIENT,)) + bytes(39) + cookie

    def judge_datagram(octets: bytes) -> ProbeResult | None:
        if len(octets) < 48 or octets[24:32] != cookie or octets[0] & 7 != SERVER:
            return None
        return judge(check, octets, asked_at, time.time())

    return OneReply(request, judge_datagram)


def judge(check: NtpCheck, octets: bytes, asked_at: float, answered_at: float) -> ProbeResult:
    """`octets` is an answer to our question; the instants are of the wall clock."""
    leap, stratum = octets[0] >> 6, octets[1]
    code = "".join(chr(each) if 32 < each < 127 else "." for each in octets[12:16])
    if stratum == 0 and code in KISSES:
        return ProbeResult(False, f"the server refuses to serve us: {code}")
    if stratum == 0:
        return ProbeResult(False, f"the server's clock is not synchronized ({code})")
    if leap == UNSYNCHRONIZED_LEAP or stratum >= UNSYNCHRONIZED_STRATUM:
        return ProbeResult(False, "the server's clock is not synchronized")
    if stratum > check.maximum_stratum:
        return ProbeResult(False, f"stratum {stratum}, wanted at most {check.maximum_stratum}")
    received_at, sent_at = (timestamp(octets[at : at + 8], answered_at) for at in (32, 40))
    offset = ((received_at - asked_at) + (sent_at - answered_at)) / 2
    if check.maximum_offset and abs(offset) > check.maximum_offset:
        words = f"{offset:+.3f} s away from this director's, wanted at most {check.maximum_offset:g} s"
        return ProbeResult(False, f"the server's clock is {words}")
    return ProbeResult(True, f"stratum {stratum}")


def timestamp(octets: bytes, near: float) -> float:
    """Seconds since Unix's epoch, in the era that is nearest to `near` (RFC 5905 §6)."""
    seconds, fraction = struct.unpack("!2I", octets)
    instant = seconds - EPOCH + fraction / ERA
    return float(instant + round((near - instant) / ERA) * ERA)


def way(check: NtpCheck) -> Way:
    return way_of(check, socket.SOCK_DGRAM)
