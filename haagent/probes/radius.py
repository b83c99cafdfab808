"""RADIUS: Status-Server with a Message-Authenticator, and an answer signed with the secret (RFC 5997, RFC 2865)."""

import hashlib
import hmac
import os
import socket

from haagent.config.checks import RadiusCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Way, way_of
from haagent.probes.one_reply import OneReply
from haagent.probes.words import masked

ACCESS_ACCEPT, ACCESS_REJECT, ACCOUNTING_RESPONSE, STATUS_SERVER = 2, 3, 5, 12
MESSAGE_AUTHENTICATOR = 80
NAMES = {ACCESS_ACCEPT: "Access-Accept", ACCOUNTING_RESPONSE: "Accounting-Response", ACCESS_REJECT: "Access-Reject"}


def conversation(check: RadiusCheck) -> Conversation:
    id, authenticator = os.urandom(1)[0], os.urandom(16)

    def judge_datagram(octets: bytes) -> ProbeResult | None:
        if len(octets) < 20 or octets[1] != id:
            return None
        return masked(judge(octets, authenticator, check.secret.encode()), (check.secret,))

    return OneReply(request(id, authenticator, check.secret.encode()), judge_datagram)


def request(id: int, authenticator: bytes, secret: bytes) -> bytes:
    head = bytes((STATUS_SERVER, id, 0, 38)) + authenticator
    attribute = bytes((MESSAGE_AUTHENTICATOR, 18))
    signature = hmac.digest(secret, head + attribute + bytes(16), "md5")  # RFC 3579 §3.2
    return head + attribute + signature


def judge(octets: bytes, authenticator: bytes, secret: bytes) -> ProbeResult:
    code, length = octets[0], int.from_bytes(octets[2:4], "big")
    if not 20 <= length <= len(octets):
        return ProbeResult(False, f"the answer is no RADIUS: {len(octets)} octets that call themselves {length}")
    signed = octets[:4] + authenticator + octets[20:length] + secret  # RFC 2865 §3, Response Authenticator
    if not hmac.compare_digest(hashlib.md5(signed, usedforsecurity=False).digest(), octets[4:20]):
        return ProbeResult(False, "the answer is signed with another secret")
    name = NAMES.get(code, f"code {code}")
    if code not in (ACCESS_ACCEPT, ACCOUNTING_RESPONSE):
        return ProbeResult(False, f"{name}, wanted Access-Accept or Accounting-Response")
    return ProbeResult(True, name)


def way(check: RadiusCheck) -> Way:
    return way_of(check, socket.SOCK_DGRAM)
