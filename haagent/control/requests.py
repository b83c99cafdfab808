"""What a client may ask on the control socket, and what comes back: one JSON object a line, each way.

Stable: fields are only ever added. `Follow` is answered by entries until the client goes away.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from haagent.processes.history import Entry
from haagent.snapshot import Snapshot


class Status(Struct, frozen=True, tag_field="request", tag="status"):
    """Answered by StatusAnswer."""


class Reload(Struct, frozen=True, tag_field="request", tag="reload"):
    """Validate, then switch. Answered by ReloadAnswer."""


class History(Struct, frozen=True, kw_only=True, tag_field="request", tag="history"):
    """Answered by HistoryAnswer: the last `limit` entries, oldest first; with `follow` then one EntryAdded each."""

    limit: int = 100
    follow: bool = False


class Plan(Struct, frozen=True, tag_field="request", tag="plan"):
    """What a reload of the files on disk would change now. Answered by PlanAnswer or Refused."""


class Refused(Struct, frozen=True, tag_field="answer", tag="refused"):
    """One sentence that says what to do."""

    reason: str


class StatusAnswer(Struct, frozen=True, tag_field="answer", tag="status"):
    snapshot: Snapshot


class ReloadAnswer(Struct, frozen=True, kw_only=True, tag_field="answer", tag="reload"):
    """`errors` is empty: the new configuration runs. Otherwise nothing changed."""

    errors: tuple[str, ...] = ()


class HistoryAnswer(Struct, frozen=True, tag_field="answer", tag="history"):
    entries: tuple[Entry, ...]


class EntryAdded(Struct, frozen=True, tag_field="answer", tag="entry"):
    entry: Entry


class Step(Struct, frozen=True, kw_only=True):
    """One change to the kernel. `subject` is "service", "destination", "mark" (an nftables rule) or "address"."""

    action: Literal["add", "set", "remove"]
    subject: Literal["service", "destination", "mark", "address"]
    name: str  # "tcp 198.51.100.100:80", "tcp 198.51.100.100:80 -> 198.51.100.11:80", "198.51.100.100/24 on eth0"
    before: str = ""
    after: str = ""


class PlanAnswer(Struct, frozen=True, kw_only=True, tag_field="answer", tag="plan"):
    steps: tuple[Step, ...] = ()
    errors: tuple[str, ...] = ()


Request = Status | Reload | History | Plan
Answer = Refused | StatusAnswer | ReloadAnswer | HistoryAnswer | EntryAdded | PlanAnswer

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Request).decode
decode_answer = msgspec.json.Decoder(Answer).decode
