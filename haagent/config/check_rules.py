"""What no single value of a check shows: keys that exclude each other, or that have no effect."""

from collections.abc import Iterable, Iterator
from typing import Any

from haagent.config.checks import RedisCheck, TcpCheck, UdpCheck
from haagent.config.error import Found
from haagent.config.reading import Draft


def check_rules(checks: Iterable[Draft]) -> Iterator[Found]:
    """Every contradiction within one check."""
    for check in checks:
        interval, timeout = check.get("interval"), check.get("timeout")
        if interval is not None and timeout is not None and timeout > interval:
            yield Found(
                check.at("timeout"), f"timeout {timeout:g} is longer than interval {interval:g}; expected at most that"
            )
        yield from _bodies(check)
        yield from _payloads(check)
        yield from _certificates(check)
        yield from _dns(check)
        yield from _logins(check)
        command: Any = check.get("command")
        if command and not command[0].startswith("/"):
            yield Found((*check.at("command"), 0), "expected an absolute path of the program; no shell and no PATH")
        if command and check.get("user") == "root":
            yield Found(check.at("user"), "a check's program runs unprivileged; expected another user than root")


def _bodies(check: Draft) -> Iterator[Found]:
    if check.get("method") == "HEAD":
        for key in ("body", "body_regex", "json"):
            if check.get(key):
                yield Found(check.at(key), 'an answer to HEAD has no body; expected method = "GET"')
    if check.get("request_body") and check.get("method") in ("GET", "HEAD"):
        yield Found(check.at("request_body"), 'a GET or HEAD carries no body; expected method = "POST"')


def _payloads(check: Draft) -> Iterator[Found]:
    if check.get("send") and check.get("send_hex"):
        yield Found(check.at("send_hex"), "stands beside send; leave one of them out")
    wanted = [
        key for key in ("expect", "expect_regex", "expect_hex") if "expect_hex" in check.values and check.get(key)
    ]
    if not wanted and check.table.struct is TcpCheck:
        for key in ("send", "send_hex"):
            if check.get(key):
                yield Found(check.at(key), "nothing is heard after it; give it an expect, expect_regex or expect_hex")
    if check.table.struct is UdpCheck and check.get("send") == "" and check.get("send_hex") == "":
        yield Found(check.at("send"), "what is asked? Give it a send or a send_hex")
    for key in wanted[1:]:
        yield Found(check.at(key), f"stands beside {wanted[0]}; leave one of them out")


def _certificates(check: Draft) -> Iterator[Found]:
    verify = check.get("verify")
    if check.get("tls") == "none":
        for key in ("sni", "ca_file", "minimum_certificate_days"):
            if check.get(key):
                yield Found(check.at(key), 'has no effect without TLS; expected tls = "on_connect"')
        if verify not in (None, "none"):
            yield Found(check.at("verify"), 'has no effect without TLS; expected tls = "on_connect"')
        return
    if verify == "none" and check.get("ca_file"):
        yield Found(check.at("ca_file"), 'has no effect; expected verify = "chain" or "chain_and_name"')
    if verify == "chain_and_name" and check.get("sni") == "" and not check.get("host"):
        hint = "give it a host or an sni" if "host" in check.values else "give it an sni"
        yield Found(check.at("verify"), f"which name? {hint}")


def _dns(check: Draft) -> Iterator[Found]:
    if check.get("minimum_serial") and check.get("record_type") not in (None, "SOA"):
        yield Found(check.at("minimum_serial"), 'only an SOA record has a serial; expected record_type = "SOA"')
    if check.get("rcode") not in (None, "NOERROR") and isinstance(check.get("expect"), tuple) and check.get("expect"):
        yield Found(check.at("expect"), 'only NOERROR comes with answers; expected rcode = "NOERROR"')


def _logins(check: Draft) -> Iterator[Found]:
    if check.get("password") and check.get("user") == "" and not _is_password_alone(check):
        yield Found(check.at("password"), "has no effect without a user")
    if check.get("password") and check.get("bind_dn") == "":
        yield Found(check.at("password"), "has no effect without a bind_dn")


def _is_password_alone(check: Draft) -> bool:
    return check.table.struct is RedisCheck  # the default user's
