"""What a read-only subagent answers to each request of the master: RFC 2741 §7.2.3 and §7.2.4."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeGuard

from haagent.agentx.pdu import Bare, Body, Error, Get, GetBulk, GetNext, PduType, Response, Varbinds
from haagent.agentx.varbind import Kind, Oid, SearchRange, Varbind

BULK_LIMIT: Final = 80  # varbinds in one answer to GetBulk: snmpd refuses PDUs above 64 kB, and §7.2.3.3 lets us stop

Request = Get | GetNext | GetBulk | Varbinds | Bare


class Answers(Protocol):
    """What a session serves; `haagent.mib.tree.Tree` is one."""

    def get(self, name: Oid) -> Varbind: ...

    def get_next(self, start: Oid, include: bool = False, end: Oid = ()) -> Varbind | None: ...


def is_request(body: Body) -> TypeGuard[Request]:
    """Whether a master may send this and waits for a response."""
    match body:
        case Get() | GetNext() | GetBulk():
            return True
        case Varbinds(kind) | Bare(kind):
            return kind in (PduType.TEST_SET, PduType.COMMIT_SET, PduType.UNDO_SET)
    return False


def answer(tree: Answers, request: Request) -> Response:
    match request:
        case GetNext(ranges):
            return Response(varbinds=tuple(_next(tree, wanted) for wanted in ranges))
        case Get(ranges):
            return Response(varbinds=tuple(tree.get(wanted.start) for wanted in ranges))
        case GetBulk(non_repeaters, max_repetitions, ranges):
            return Response(varbinds=_bulk(tree, non_repeaters, max_repetitions, ranges))
        case Varbinds():
            return Response(error=Error.NOT_WRITABLE, index=1)
        case Bare(PduType.COMMIT_SET):
            return Response(error=Error.COMMIT_FAILED, index=1)  # no TestSet ever succeeded
        case Bare():
            return Response()  # UndoSet: nothing was done


def _next(tree: Answers, wanted: SearchRange) -> Varbind:
    found = tree.get_next(wanted.start, wanted.include, wanted.end)
    return Varbind(wanted.start, Kind.END_OF_MIB_VIEW) if found is None else found


def _bulk(
    tree: Answers, non_repeaters: int, max_repetitions: int, ranges: Sequence[SearchRange]
) -> tuple[Varbind, ...]:
    """§7.2.3.3: the first ranges once, then row by row of the others."""
    found = [_next(tree, wanted) for wanted in ranges[:non_repeaters]]
    repeated = list(ranges[non_repeaters:])
    for repetition in range(max_repetitions if repeated else 0):
        if repetition and len(found) + len(repeated) > BULK_LIMIT:
            break
        row = [_next(tree, wanted) for wanted in repeated]
        found += row
        if all(varbind.kind is Kind.END_OF_MIB_VIEW for varbind in row):
            break
        repeated = [
            SearchRange(varbind.name, include=False, end=wanted.end)
            for varbind, wanted in zip(row, repeated, strict=True)
        ]
    return tuple(found)
