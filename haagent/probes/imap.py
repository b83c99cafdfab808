"""IMAP: greeting, STARTTLS and LOGIN where they are asked for (RFC 3501, RFC 9051)."""

from haagent.config.checks import ImapCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Broken, Closed, Dialogue, Line, Part, Script, secured
from haagent.probes.exchange import Conversation, Upgrade
from haagent.probes.words import line

UNTAGGED_LINES = 100  # before the answer to one command


def conversation(check: ImapCheck) -> Conversation:
    return secured(Dialogue(script(check), (check.password,)), check.tls, check, check.sni)


def script(check: ImapCheck) -> Script:
    greeting = yield Line("the greeting")
    if not greeting.upper().startswith((b"* OK", b"* PREAUTH")):
        raise Broken(f"the greeting is {line(greeting)}, wanted * OK")
    said = f"ready: {line(greeting)}"
    if check.tls == "starttls":
        yield from command(b"s", "STARTTLS", b"STARTTLS")
        yield Upgrade.START_TLS
    if check.user:
        login = b"LOGIN " + quoted(check.user) + b" " + quoted(check.password)
        answer = yield from tagged(b"l", "LOGIN", login)
        if answer.split(b" ")[1:2] != [b"OK"]:
            raise Broken(f"the login is refused: {line(answer[2:])}")
        said = "logged in"
    yield b"q LOGOUT\r\n"
    try:
        yield Line("the answer to LOGOUT")
    except Closed:
        pass
    return ProbeResult(True, said)


def command(tag: bytes, name: str, words: bytes) -> Part:
    answer = yield from tagged(tag, name, words)
    if answer.split(b" ")[1:2] != [b"OK"]:
        raise Broken(f"the answer to {name} is {line(answer)}, wanted OK")
    return answer


def tagged(tag: bytes, name: str, words: bytes) -> Part:
    """The line that completes the command."""
    yield tag + b" " + words + b"\r\n"
    for _ in range(UNTAGGED_LINES):
        answer = yield Line(f"the answer to {name}")
        if answer.startswith(tag + b" "):
            head, _, rest = answer[len(tag) + 1 :].partition(b" ")
            return tag + b" " + head.upper() + b" " + rest
        if not answer.startswith(b"*"):
            raise Broken(f"the answer to {name} is {line(answer)}")
    raise Broken(f"more than {UNTAGGED_LINES} lines before the answer to {name}")


def quoted(text: str) -> bytes:
    """A quoted string (RFC 3501 §4.3); control characters do not get here."""
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
