"""AgentX protocol data units and their octets: RFC 2741 §6.

`decode` is total: any octets give a Pdu or a Malformed, never an exception. Each PDU is read in the byte order that its
own flag names (§6.1.1). One deviation from §6.1.1: a context is read from *every* type that carries the
NON_DEFAULT_CONTEXT flag, Responses too, because Net-SNMP writes and expects it there.
"""

import struct
from typing import Final

from haagent.agentx.pdu import (
    AddAgentCaps,
    Bare,
    Body,
    Close,
    Get,
    GetBulk,
    GetNext,
    Malformed,
    Open,
    Pdu,
    PduType,
    Register,
    RemoveAgentCaps,
    Response,
    Unregister,
    Varbinds,
)
from haagent.agentx.varbind import (
    Cursor,
    Fault,
    Refused,
    encode_octets,
    encode_oid,
    encode_search_range,
    encode_varbind,
)

VERSION: Final = 1
HEADER_LENGTH: Final = 20
PAYLOAD_LIMIT: Final = 1 << 16  # as snmpd: more than it ever sends or takes

OTHER_FLAGS: Final = 0x07  # INSTANCE_REGISTRATION, NEW_INDEX, ANY_INDEX
NON_DEFAULT_CONTEXT: Final = 0x08
NETWORK_BYTE_ORDER: Final = 0x10


def decode(data: bytes) -> Pdu | Malformed:
    """One whole PDU, header and payload."""
    if len(data) < HEADER_LENGTH:
        return Malformed(Fault.TRUNCATED)
    if data[0] != VERSION:
        return Malformed(Fault.VERSION)
    code, flags = data[1], data[2]
    big_endian = bool(flags & NETWORK_BYTE_ORDER)
    order = ">" if big_endian else "<"
    session_id, transaction_id, packet_id, length = struct.unpack_from(order + "4I", data, 4)
    try:
        if length % 4 or length != len(data) - HEADER_LENGTH:
            raise Refused(Fault.LENGTH)
        cursor = Cursor(data, order, HEADER_LENGTH)
        context = cursor.octets() if flags & NON_DEFAULT_CONTEXT else None
        body = _decode_body(code, cursor)
        if not cursor.at_end:
            raise Refused(Fault.TRAILING)
    except Refused as refused:
        return Malformed(refused.fault, code, session_id, transaction_id, packet_id, big_endian)
    return Pdu(body, session_id, transaction_id, packet_id, big_endian, flags & OTHER_FLAGS, context)


def _decode_body(code: int, cursor: Cursor) -> Body:
    match code:
        case PduType.GET_NEXT:
            return GetNext(cursor.search_ranges())
        case PduType.GET:
            return Get(cursor.search_ranges())
        case PduType.GET_BULK:
            non_repeaters, max_repetitions = cursor.fields("HH")
            return GetBulk(non_repeaters, max_repetitions, cursor.search_ranges())
        case PduType.RESPONSE:
            uptime_ticks, error, index = cursor.fields("IHH")
            return Response(uptime_ticks, error, index, cursor.varbinds())
        case PduType.OPEN:
            (timeout,) = cursor.fields("B3x")
            return Open(timeout, cursor.oid()[0], cursor.octets())
        case PduType.CLOSE:
            return Close(cursor.fields("B3x")[0])
        case PduType.REGISTER:
            timeout, priority, range_subid = cursor.fields("BBBx")
            subtree = cursor.oid()[0]
            return Register(subtree, timeout, priority, range_subid, cursor.fields("I")[0] if range_subid else 0)
        case PduType.UNREGISTER:
            priority, range_subid = cursor.fields("xBBx")
            subtree = cursor.oid()[0]
            return Unregister(subtree, priority, range_subid, cursor.fields("I")[0] if range_subid else 0)
        case PduType.TEST_SET | PduType.NOTIFY | PduType.INDEX_ALLOCATE | PduType.INDEX_DEALLOCATE:
            return Varbinds(PduType(code), cursor.varbinds())
        case PduType.COMMIT_SET | PduType.UNDO_SET | PduType.CLEANUP_SET | PduType.PING:
            return Bare(PduType(code))
        case PduType.ADD_AGENT_CAPS:
            return AddAgentCaps(cursor.oid()[0], cursor.octets())
        case PduType.REMOVE_AGENT_CAPS:
            return RemoveAgentCaps(cursor.oid()[0])
    raise Refused(Fault.TYPE)


def encode(pdu: Pdu) -> bytes:
    """The octets of a PDU. Numbers must fit their fields (struct.error): all of them are ours or were decoded."""
    order = ">" if pdu.big_endian else "<"
    code, payload = _encode_body(order, pdu.body)
    flags = pdu.flags | (NETWORK_BYTE_ORDER if pdu.big_endian else 0)
    if pdu.context is not None:
        flags |= NON_DEFAULT_CONTEXT
        payload = encode_octets(order, pdu.context) + payload
    ids = (pdu.session_id, pdu.transaction_id, pdu.packet_id)
    return struct.pack(order + "BBBx4I", VERSION, code, flags, *ids, len(payload)) + payload


def _encode_body(order: str, body: Body) -> tuple[PduType, bytes]:
    match body:
        case Response(uptime_ticks, error, index, varbinds):
            head = struct.pack(order + "IHH", uptime_ticks, error, index)
            return PduType.RESPONSE, head + b"".join([encode_varbind(order, varbind) for varbind in varbinds])
        case Get(ranges):
            return PduType.GET, b"".join([encode_search_range(order, wanted) for wanted in ranges])
        case GetNext(ranges):
            return PduType.GET_NEXT, b"".join([encode_search_range(order, wanted) for wanted in ranges])
        case GetBulk(non_repeaters, max_repetitions, ranges):
            head = struct.pack(order + "HH", non_repeaters, max_repetitions)
            return PduType.GET_BULK, head + b"".join([encode_search_range(order, wanted) for wanted in ranges])
        case Open(timeout, identity, description):
            head = struct.pack("B3x", timeout)
            return PduType.OPEN, head + encode_oid(order, identity) + encode_octets(order, description)
        case Close(reason):
            return PduType.CLOSE, struct.pack("B3x", reason)
        case Register(subtree, timeout, priority, range_subid, upper_bound):
            head = struct.pack("BBBx", timeout, priority, range_subid) + encode_oid(order, subtree)
            return PduType.REGISTER, head + (struct.pack(order + "I", upper_bound) if range_subid else b"")
        case Unregister(subtree, priority, range_subid, upper_bound):
            head = struct.pack("xBBx", priority, range_subid) + encode_oid(order, subtree)
            return PduType.UNREGISTER, head + (struct.pack(order + "I", upper_bound) if range_subid else b"")
        case Varbinds(code, varbinds):
            return code, b"".join([encode_varbind(order, varbind) for varbind in varbinds])
        case Bare(code):
            return code, b""
        case AddAgentCaps(identity, description):
            return PduType.ADD_AGENT_CAPS, encode_oid(order, identity) + encode_octets(order, description)
        case RemoveAgentCaps(identity):
            return PduType.REMOVE_AGENT_CAPS, encode_oid(order, identity)


class PduReader:
    """Cuts a stream into PDUs, however they were split or joined on the way."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.lost = False  # the frame boundaries are gone: only a new connection helps

    def feed(self, data: bytes) -> list[Pdu | Malformed]:
        self._buffer += data
        found: list[Pdu | Malformed] = []
        start = 0
        while not self.lost and len(self._buffer) - start >= HEADER_LENGTH:
            order = ">" if self._buffer[start + 2] & NETWORK_BYTE_ORDER else "<"
            (length,) = struct.unpack_from(order + "I", self._buffer, start + 16)
            if self._buffer[start] != VERSION or length > PAYLOAD_LIMIT:
                self.lost = True
                found.append(Malformed(Fault.LENGTH if self._buffer[start] == VERSION else Fault.VERSION))
                break
            end = start + HEADER_LENGTH + length
            if len(self._buffer) < end:
                break
            found.append(decode(bytes(self._buffer[start:end])))
            start = end
        del self._buffer[: len(self._buffer) if self.lost else start]
        return found
