"""What drain, disable, enable and weight have in common: whom, how long, and the question to the daemon.

Exit 0 done, 1 refused or no answer. With --wait: 0 when the drain has ended.
"""

import argparse
import re
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from haagent.cli.durations import duration
from haagent.cli.options import add_daemon, find_socket
from haagent.control.client import Unreachable, ask
from haagent.control.requests import Operate, OperateAnswer, Refused, Status, StatusAnswer
from haagent.snapshot import RealServerStatus, Snapshot

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400  # seconds
WATCH_INTERVAL = 2.0  # seconds; the kernel is read no more often


def seconds(text: str) -> float:
    """ "90", "90s", "20m", "2h" or "1d". Raises ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", text)
    value = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < value <= _LONGEST:
        raise argparse.ArgumentTypeError(f"expected a time as in 90s, 20m, 2h or 1d (at most a year), got {text!r}")
    return value


def instant(text: str, now: datetime | None = None) -> float:
    """ "23:30" (the next one) or "2026-11-24 23:30", local time; wall-clock seconds. Raises ArgumentTypeError."""
    now = now or datetime.now().astimezone()
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", text):
            hour, minute = map(int, text.split(":"))
            today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return (today if today > now else today + timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f'expected a time of day or a date, as in 23:30 or "2026-11-24 23:30", got {text!r}'
        ) from None


def add_whom(parser: argparse.ArgumentParser, *, lasts: bool = True, may_empty: bool = True) -> None:
    add_daemon(parser)
    parser.add_argument(
        "server", nargs="?", default="", metavar="SERVER", help="a real server, in all its services; or SERVICE/SERVER"
    )
    parser.add_argument("--service", default="", help="all real servers of this service, or SERVER in this one alone")
    if may_empty:
        parser.add_argument(
            "--force", action="store_true", help="also where nobody would be left and there is no sorry server"
        )
    if lasts:
        ends = parser.add_mutually_exclusive_group()
        ends.add_argument(
            "--for", dest="lasting", type=seconds, metavar="TIME", help="enabled again after 90s, 20m, 2h"
        )
        ends.add_argument("--until", type=instant, metavar="WHEN", help="enabled again at 23:30 or a date and time")


def end(options: argparse.Namespace) -> float | None:
    """Of --for and --until, wall-clock seconds."""
    lasting: float | None = options.lasting
    until: float | None = options.until
    return time.time() + lasting if lasting is not None else until


def say(options: argparse.Namespace, request: Operate) -> tuple[Path, OperateAnswer] | None:
    """The daemon's answer, printed; None: it was refused, and why has been printed."""
    path = find_socket(options)
    if path is None:
        return None
    match ask(path, request):
        case OperateAnswer() as answer:
            for server in answer.servers:
                print(f"{server} is {answer.state}")
            return path, answer
        case Refused(reason) | Unreachable(reason):
            print(f"haagent: {reason}", file=sys.stderr)
        case other:
            print(f"haagent: the daemon answered {type(other).__name__} to {request.verb}", file=sys.stderr)
    return None


def watch(path: Path, servers: tuple[str, ...]) -> int:
    """Prints what is left until no drain is under way any more."""
    try:
        while True:
            answer = ask(path, Status())
            if not isinstance(answer, StatusAnswer):
                reason = answer.reason if isinstance(answer, Refused) else getattr(answer, "sentence", "no status")
                print(f"haagent: {reason}", file=sys.stderr)
                return 1
            under_way = draining(answer.snapshot, servers)
            for name, server in under_way.items():
                print(progress(name, server, answer.snapshot.at), flush=True)
            if not under_way:
                print("drained: no connections are left, or the deadline has passed")
                return 0
            time.sleep(WATCH_INTERVAL)
    except KeyboardInterrupt:
        return 1


def draining(snapshot: Snapshot, servers: tuple[str, ...]) -> dict[str, RealServerStatus]:
    return {
        f"{service.name}/{server.name}": server
        for service in snapshot.services
        for server in service.real_servers
        if f"{service.name}/{server.name}" in servers and server.admin == "drained"
    }


def progress(name: str, server: RealServerStatus, now: float) -> str:
    deadline = server.override.deadline if server.override else 0.0
    rest = f", disabled in {duration(deadline - now)}" if deadline else ""
    return (
        f"{name}: {server.active_connections} active, {server.inactive_connections} inactive, "
        f"{server.persistent_connections} persistent{rest}"
    )
