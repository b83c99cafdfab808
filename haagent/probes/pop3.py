"""POP3: greeting, STLS and the login where they are asked for (RFC 1939, RFC 2595)."""

from haagent.config.checks import Pop3Check
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Broken, Closed, Dialogue, Line, Part, Script, secured
from haagent.probes.exchange import Conversation, Upgrade
from haagent.probes.words import line


def conversation(check: Pop3Check) -> Conversation:
    return secured(Dialogue(script(check), (check.password,)), check.tls, check, check.sni)


def script(check: Pop3Check) -> Script:
    greeting = yield from positive("the greeting")
    said = f"ready: {line(greeting)}"
    if check.tls == "starttls":
        yield b"STLS\r\n"
        yield from positive("the answer to STLS")
        yield Upgrade.START_TLS
    if check.user:
        yield f"USER {check.user}\r\n".encode()
        yield from positive("the answer to USER")
        yield f"PASS {check.password}\r\n".encode()
        answer = yield Line("the answer to PASS")
        if not answer.startswith(b"+OK"):
            raise Broken(f"the login is refused: {line(answer)}")
        said = "logged in"
    yield b"QUIT\r\n"
    try:
        yield Line("the answer to QUIT")
    except Closed:
        pass
    return ProbeResult(True, said)


def positive(what: str) -> Part:
    answer = yield Line(what)
    if not answer.startswith(b"+OK"):
        raise Broken(f"{what} is {line(answer)}, wanted +OK")
    return answer
