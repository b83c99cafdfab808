"""What scripts, files and processes say about the virtual routers that follow them. Pure."""

from dataclasses import dataclass, replace

from haagent.config.model import FileTrack, ProcessTrack, ScriptTrack

LARGEST_TERM = 254  # of a number in a file


@dataclass(frozen=True, slots=True)
class Observation:
    """`cause` is empty while the condition does not hold."""

    cause: str = ""
    priority: int | None = None  # instead of the configured term


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one track, between two results."""

    shown: Observation = Observation()
    streak: int = 0  # script: results in a row against what is shown
    changes_at: float | None = None  # process: when what is shown gives way, if it stays as it is now


def after_run(track: ScriptTrack, memory: Memory, failure: str) -> Memory:
    """One run of the script; `failure` is empty, or how it failed."""
    if bool(failure) is bool(memory.shown.cause):
        return Memory(replace(memory.shown, cause=failure and _script(track, failure)))
    streak = memory.streak + 1
    if streak < (track.fall if failure else track.rise):
        return replace(memory, streak=streak)
    return Memory(Observation(failure and _script(track, failure)))


def _script(track: ScriptTrack, failure: str) -> str:
    return f"script {track.script[0]} {failure}"


def after_look(track: FileTrack, exists: bool, content: str) -> Observation:
    """The file as it is now; `content` is its beginning."""
    match track.when:
        case "exists":
            return Observation(f"file {track.file} exists" if exists else "")
        case "missing":
            return Observation("" if exists else f"file {track.file} is missing")
        case "value":
            term = _term(content)
            return Observation(f"file {track.file} says {term:+d}", term) if term else Observation()


def _term(content: str) -> int:
    """The number on the first line; what is none counts as 0."""
    words = content.split(maxsplit=1)
    try:
        return max(-LARGEST_TERM, min(LARGEST_TERM, int(words[0]))) if words and len(words[0]) < 12 else 0
    except ValueError:
        return 0


def after_count(track: ProcessTrack, memory: Memory, count: int, now: float) -> Memory:
    """So many processes of the name run at `now`."""
    cause = ""
    if count < track.least:
        cause = (
            f"{count} of {track.least} processes {track.process} run" if count else f"no process {track.process} runs"
        )
    if bool(cause) is bool(memory.shown.cause):
        return Memory(Observation(cause))
    changes_at = now + track.delay if memory.changes_at is None else memory.changes_at
    return Memory(Observation(cause)) if now >= changes_at else replace(memory, changes_at=changes_at)
