"""Redis: PING, after AUTH where there is a password (RESP2)."""

from haagent.config.checks import RedisCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Broken, Dialogue, Line, Script, secured
from haagent.probes.exchange import Conversation
from haagent.probes.words import line


def conversation(check: RedisCheck) -> Conversation:
    return secured(Dialogue(script(check), (check.password,)), check.tls, check, check.sni)


def script(check: RedisCheck) -> Script:
    if check.password:
        user = (check.user,) if check.user else ()
        yield command("AUTH", *user, check.password)
        answer = yield Line("the answer to AUTH")
        if answer != b"+OK":
            raise Broken(f"the login is refused: {line(answer)}")
    yield command("PING")
    answer = yield Line("the answer to PING")
    if answer != b"+PONG":  # LOADING, MASTERDOWN, MISCONF, NOAUTH, BUSY say why
        raise Broken(f"the answer to PING is {line(answer)}, wanted +PONG")
    return ProbeResult(True, "PONG")


def command(*words: str) -> bytes:
    """An array of bulk strings, so that any octets may stand in them."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        octets = word.encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(octets), octets))
    return b"".join(parts)
