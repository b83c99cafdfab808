"""gRPC: grpc.health.v1.Health/Check says SERVING.

As much HTTP/2 as one question needs (RFC 9113): literal header fields without Huffman (RFC 7541 §6.2.2) are written,
none are read. So an answer without a message, such as an error of gRPC's own, is told by its lack alone.
"""

from haagent.config.checks import GrpcCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Broken, Dialogue, Octets, Script
from haagent.probes.exchange import Conversation
from haagent.probes.tls import TlsConversation
from haagent.probes.words import plain, shown

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
FRAME_LIMIT = 16384  # SETTINGS_MAX_FRAME_SIZE, unless we said otherwise
FRAMES = 200
SERVING = 1
STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
ERRORS = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip


def conversation(check: GrpcCheck, address: str, port: int) -> Conversation:
    inner = Dialogue(script(check, address, port))
    if check.tls == "none":
        return inner
    return TlsConversation(inner, check, check.sni, protocols=("h2",))


def script(check: GrpcCheck, address: str, port: int) -> Script:
    yield question(check, address, port)
    message = b""
    for number in range(FRAMES):
        head = yield Octets(9, "the answer")
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if length > FRAME_LIMIT or (number == 0 and kind != SETTINGS):  # RFC 9113 §3.4
            raise Broken(f"not HTTP/2: the answer begins with {shown(head)}")
        payload = yield Octets(length, "the answer")
        match kind:
            case _ if kind == SETTINGS and not flags & ACK:
                yield frame(SETTINGS, ACK, 0, b"")
            case _ if kind == PING and not flags & ACK and length == 8:
                yield frame(PING, ACK, 0, payload)
            case _ if kind == GOAWAY:
                raise Broken(f"the server takes leave: {error(payload[4:8])}")
            case _ if kind == RST_STREAM and stream == 1:
                raise Broken(f"the server resets the question: {error(payload[:4])}")
            case _ if kind == DATA and stream == 1:
                message += payload[1 : length - payload[0]] if flags & PADDED and payload else payload
                if len(message) >= 5 and len(message) >= 5 + int.from_bytes(message[1:5], "big"):
                    return judge(message)
        if kind in (DATA, HEADERS) and stream == 1 and flags & END_STREAM:
            raise Broken(
                f'no health of "{plain(check.service)}": the answer has no message (not a gRPC health service, '
                "or it does not know the name)"
            )
    raise Broken(f"more than {FRAMES} frames without an answer")


def judge(message: bytes) -> ProbeResult:
    """A length-prefixed HealthCheckResponse."""
    length = int.from_bytes(message[1:5], "big")
    if message[0]:
        return ProbeResult(False, "the health is compressed, which was not asked for")
    body = message[5 : 5 + length]
    status = 0  # protobuf: a field that is missing
    if len(body) >= 2 and body[0] == 0x08:  # field 1, varint
        status = body[1]
    elif body:
        return ProbeResult(False, f"the health cannot be read: {shown(body)}")
    return ProbeResult(status == SERVING, f"health is {STATES.get(status, f'status {status}')}")


def question(check: GrpcCheck, address: str, port: int) -> bytes:
    host = f"[{address}]" if ":" in address else address
    service = check.service.encode()
    fields = (
        b"\x83"  # RFC 7541 Appendix A: :method POST
        + (b"\x87" if check.tls != "none" else b"\x86")  # :scheme
        + b"\x04" + text(b"/grpc.health.v1.Health/Check")  # :path
        + b"\x01" + text((check.authority or f"{host}:{port}").encode())  # :authority
        + b"\x0f\x10" + text(b"application/grpc")  # content-type, index 31 = 15 + 16
        + b"\x00" + text(b"te") + text(b"trailers")
        + b"\x0f\x2b" + text(b"haagent")  # user-agent, index 58 = 15 + 43
    )  # fmt: skip
    asked = b"\x0a" + varint(len(service)) + service if service else b""
    return (
        PREFACE
        + frame(SETTINGS, 0, 0, b"")
        + frame(HEADERS, END_HEADERS, 1, fields)
        + frame(DATA, END_STREAM, 1, b"\0" + len(asked).to_bytes(4, "big") + asked)
    )


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def text(octets: bytes) -> bytes:
    """RFC 7541 §5.2, without Huffman."""
    if len(octets) < 127:
        return bytes((len(octets),)) + octets
    return b"\x7f" + varint(len(octets) - 127) + octets


def varint(number: int) -> bytes:
    """Seven bits an octet, the low ones first: HPACK's continuation and protobuf's integers are the same."""
    encoded = b""
    while number >= 0x80:
        encoded += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return encoded + bytes((number,))


def error(octets: bytes) -> str:
    code = int.from_bytes(octets, "big")
    return ERRORS[code] if code < len(ERRORS) else f"error {code}"
