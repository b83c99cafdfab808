"""What the keys of one check say about each other; and that every type can be configured."""

from pathlib import Path

import pytest

from haagent.config.check_shape import TYPES
from haagent.config.checks import (
    DnsCheck,
    ExecCheck,
    HttpCheck,
    HttpsCheck,
    IcmpCheck,
    LdapCheck,
    MysqlCheck,
    RadiusCheck,
    RedisCheck,
    secrets_of,
)
from haagent.config.load import load
from haagent.config.model import Config

HEAD = '[director]\nnames = ["d1"]\n[check.c]\n'


def loaded(folder: Path, lines: str) -> Config | list[str]:
    (folder / "a.toml").write_text(HEAD + lines)
    result = load(folder, "d1")
    return [str(error).partition("check.c")[2] for error in result] if isinstance(result, list) else result


NEEDED = {
    "udp": 'send = "x"', "exec": 'command = ["/bin/true"]', "radius": 'secret = "x"',
}  # fmt: skip


@pytest.mark.parametrize("type", TYPES)
def test_every_type_needs_little(tmp_path: Path, type: str) -> None:
    config = loaded(tmp_path, f'type = "{type}"\n{NEEDED.get(type, "")}\n')
    assert isinstance(config, Config), config
    (check,) = config.checks
    assert check.name == "c"
    assert (check.interval, check.timeout, check.fall, check.rise) == (2.0, 1.0, 3, 2)


def test_a_check_with_many_keys(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        'type = "https"\nport = 8443\nstatus = [200, "300-308"]\nheaders = { X-Probe = "1" }\n'
        'json = { "db.ok" = true }\nbody_regex = "^{"\nfollow_redirects = 2\nhost = "www.example.com"\n'
        'verify = "chain_and_name"\nca_file = "/etc/ssl/ca.pem"\nsource = "2001:DB8::1"\ndevice = "eth0"\nmark = 7\n',
    )
    assert isinstance(config, Config), config
    assert config.checks == (
        HttpsCheck(
            name="c",
            port=8443,
            status=(200, "300-308"),
            headers=(("X-Probe", "1"),),
            json=(("db.ok", "true"),),
            body_regex="^{",
            follow_redirects=2,
            host="www.example.com",
            verify="chain_and_name",
            ca_file="/etc/ssl/ca.pem",
            source="2001:db8::1",
            device="eth0",
            mark=7,
        ),
    )


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        (
            'type = "http"\nmethod = "HEAD"\nbody = "x"',
            ['.body: an answer to HEAD has no body; expected method = "GET"'],
        ),
        (
            'type = "http"\nrequest_body = "x"',
            ['.request_body: a GET or HEAD carries no body; expected method = "POST"'],
        ),
        (
            'type = "tcp"\nsend = "x"',
            [".send: nothing is heard after it; give it an expect, expect_regex or expect_hex"],
        ),
        ('type = "udp"', [".send: what is asked? Give it a send or a send_hex"]),
        (
            'type = "udp"\nsend = "x"\nsend_hex = "00"\nexpect = "y"\nexpect_hex = "00"',
            [
                ".send_hex: stands beside send; leave one of them out",
                ".expect_hex: stands beside expect; leave one of them out",
            ],
        ),
        ('type = "tcp"\nsni = "x"', ['.sni: has no effect without TLS; expected tls = "on_connect"']),
        ('type = "smtp"\nverify = "chain"', ['.verify: has no effect without TLS; expected tls = "on_connect"']),
        (
            'type = "https"\nca_file = "/x"',
            ['.ca_file: has no effect; expected verify = "chain" or "chain_and_name"'],
        ),
        ('type = "https"\nverify = "chain_and_name"', [".verify: which name? give it a host or an sni"]),
        ('type = "tcp"\ntls = "starttls"', ['.tls: unknown moment "starttls"; one of none, on_connect']),
        (
            'type = "dns"\nminimum_serial = 7',
            ['.minimum_serial: only an SOA record has a serial; expected record_type = "SOA"'],
        ),
        (
            'type = "dns"\nrcode = "NXDOMAIN"\nexpect = ["192.0.2.1"]',
            ['.expect: only NOERROR comes with answers; expected rcode = "NOERROR"'],
        ),
        ('type = "imap"\npassword = "x"', [".password: has no effect without a user"]),
        ('type = "ldap"\npassword = "x"', [".password: has no effect without a bind_dn"]),
        (
            'type = "exec"\ncommand = ["/bin/true"]\nuser = "root"',
            [".user: a check's program runs unprivileged; expected another user than root"],
        ),
        (
            'type = "exec"\ncommand = ["true"]',
            [".command[0]: expected an absolute path of the program; no shell and no PATH"],
        ),
        (
            'type = "icmp"\nport = 7',
            [".port: unknown key; one of type, interval, timeout, fall, rise, source, device, mark, size"],
        ),
        ('type = "radius"', [".secret: missing; expected a string of at least one character"]),
        ('type = "tcp"\ntimeout = 3', [".timeout: timeout 3 is longer than interval 2; expected at most that"]),
    ],
)
def test_contradictions(tmp_path: Path, lines: str, errors: list[str]) -> None:
    assert loaded(tmp_path, lines) == errors


def test_a_password_alone_is_that_of_the_default_user_in_redis(tmp_path: Path) -> None:
    assert isinstance(loaded(tmp_path, 'type = "redis"\npassword = "x"'), Config)


def test_secrets() -> None:
    assert secrets_of(RedisCheck(name="c", password="a")) == ("a",)
    assert secrets_of(LdapCheck(name="c", password="b", bind_dn="x")) == ("b",)
    assert secrets_of(MysqlCheck(name="c")) == ()
    assert secrets_of(RadiusCheck(name="c", secret="d")) == ("d",)
    assert secrets_of(HttpCheck(name="c", headers=(("Authorization", "Bearer e"),))) == ("Bearer e",)
    for other in (DnsCheck(name="c"), IcmpCheck(name="c"), ExecCheck(name="c", command=("/x",))):
        assert secrets_of(other) == ()
