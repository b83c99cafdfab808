"""What was heard on a segment, as plain records: what `capture.py` makes of frames and everything else works on.

Addresses are packed octets: 4 or 16 for IP, 6 for Ethernet. Instants are wall-clock seconds, as in a pcap file.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VrrpHeard:
    """One IP datagram of protocol 112."""

    at: float
    mac: bytes  # source of the frame
    source: bytes
    destination: bytes
    ttl: int  # or hop limit
    message: bytes  # the IP payload, cut to the IP length


@dataclass(frozen=True, slots=True)
class ArpHeard:
    """RFC 826: one request or reply over Ethernet for IPv4. RFC 5227: a request without sender address is a probe."""

    at: float
    is_reply: bool
    sender_mac: bytes
    sender: bytes
    target_mac: bytes
    target: bytes


@dataclass(frozen=True, slots=True)
class SolicitationHeard:
    """RFC 4861 section 4.3. RFC 4862 section 5.4.2: from the unspecified address it is a probe for a duplicate."""

    at: float
    mac: bytes  # the source link-layer address option, else source of the frame
    source: bytes
    target: bytes


@dataclass(frozen=True, slots=True)
class NeighbourHeard:
    """RFC 4861 section 4.4: an advertisement of `target` at `mac`."""

    at: float
    mac: bytes  # the target link-layer address option, else source of the frame
    target: bytes
    is_solicited: bool
    is_override: bool


Record = VrrpHeard | ArpHeard | SolicitationHeard | NeighbourHeard
