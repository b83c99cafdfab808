"""FTP: greeting, AUTH TLS where it is asked for, and the login where there is a user (RFC 959, RFC 4217)."""

from haagent.config.checks import FtpCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Broken, Closed, Dialogue, Line, Script, numbered, secured
from haagent.probes.exchange import Conversation, Upgrade
from haagent.probes.smtp import wanted
from haagent.probes.words import line


def conversation(check: FtpCheck) -> Conversation:
    return secured(Dialogue(script(check), (check.password,)), check.tls, check, check.sni)


def script(check: FtpCheck) -> Script:
    greeting = yield from wanted("the greeting", 220)
    said = f"ready: {line(greeting)}"
    if check.tls == "starttls":
        yield b"AUTH TLS\r\n"
        yield from wanted("the answer to AUTH TLS", 234)
        yield Upgrade.START_TLS
    if check.user:
        yield f"USER {check.user}\r\n".encode()
        reply = yield from numbered("the answer to USER")
        if reply[:3] == b"331":
            yield f"PASS {check.password}\r\n".encode()
            reply = yield from numbered("the answer to PASS")
        if reply[:3] not in (b"230", b"232"):
            raise Broken(f"the login is refused: {line(reply)}")
        said = "logged in"
    yield b"QUIT\r\n"
    try:
        yield Line("the answer to QUIT")
    except Closed:
        pass
    return ProbeResult(True, said)
