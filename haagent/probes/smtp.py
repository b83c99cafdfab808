"""SMTP: greeting, EHLO, and STARTTLS where it is asked for (RFC 5321, RFC 3207)."""

from haagent.config.checks import SmtpCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Broken, Closed, Dialogue, Line, Part, Script, numbered, secured
from haagent.probes.exchange import Conversation, Upgrade
from haagent.probes.words import line


def conversation(check: SmtpCheck) -> Conversation:
    return secured(Dialogue(script(check)), check.tls, check, check.sni)


def script(check: SmtpCheck) -> Script:
    greeting = yield from wanted("the greeting", 220)
    hello = f"EHLO {check.hello}\r\n".encode()
    yield hello
    yield from wanted("the answer to EHLO", 250)
    if check.tls == "starttls":
        yield b"STARTTLS\r\n"
        yield from wanted("the answer to STARTTLS", 220)
        yield Upgrade.START_TLS
        yield hello
        yield from wanted("the answer to EHLO after STARTTLS", 250)
    yield b"QUIT\r\n"
    try:
        yield Line("the answer to QUIT")
    except Closed:
        pass
    return ProbeResult(True, f"ready: {line(greeting)}")


def wanted(what: str, code: int) -> Part:
    reply = yield from numbered(what)
    if reply[:3] != str(code).encode():
        raise Broken(f"{what} is {line(reply)}, wanted {code}")
    return reply
