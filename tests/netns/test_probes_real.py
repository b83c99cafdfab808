"""Every check against the real server of its protocol, across a wire: working, and broken as operators meet it."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from haagent.config.checks import (
    AgentCheck,
    DnsCheck,
    FtpCheck,
    HttpCheck,
    HttpsCheck,
    IcmpCheck,
    ImapCheck,
    LdapCheck,
    MysqlCheck,
    NtpCheck,
    Pop3Check,
    PostgresqlCheck,
    RadiusCheck,
    RedisCheck,
    SmtpCheck,
    TcpCheck,
    UdpCheck,
)
from tests.netns.real_stage import DIRECTOR, SERVER, SERVER_6, Stage, ip

pytestmark = pytest.mark.root

COMMON = {"name": "c", "timeout": 5.0}
Process = subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage("hp")
    try:
        stage.build()
        yield stage
    finally:
        stage.clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Daemons that give up root must get into it."""
    for parent in (tmp_path, *tmp_path.parents[:3]):  # one more where xdist has a folder for each worker
        if parent.name.startswith(("pytest-", "popen-", "test_")):
            parent.chmod(0o755)
    return tmp_path


def silent(port: int) -> str:
    return f"connection refused ({SERVER}:{port})"


# ------------------------------------------------------------------------------------------------------- nginx

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ }}
http {{
  access_log off; root {folder}/www; default_type text/plain;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 80; listen [::]:80; server_name _;
    location = /health {{ return 200 '{{"status": "ok", "db": {{"replicas": 2}}}}'; }}
    location = /sick {{ return 200 '{{"status": "degraded"}}'; }}
    location = /old {{ return 301 /health; }}
    location = /away {{ return 302 https://www.example.com/secure; }}
    location = /loop {{ return 302 /loop; }}
    location = /post {{ if ($request_method != POST) {{ return 405; }} return 201 created; }}
    location = /agent {{ return 200 $http_x_probe; }}
  }}
  server {{
    listen 443 ssl; listen [::]:443 ssl; server_name www.example.com;
    ssl_certificate {folder}/good.pem; ssl_certificate_key {folder}/good.key;
    location = /secure {{ return 200 secure; }}
  }}
  server {{
    listen 443 ssl; server_name soon.example.com;
    ssl_certificate {folder}/soon.pem; ssl_certificate_key {folder}/soon.key;
    location = /secure {{ return 200 secure; }}
  }}
  server {{
    listen 444 ssl; ssl_certificate {folder}/self.pem; ssl_certificate_key {folder}/self.key;
    location = /secure {{ return 200 secure; }}
  }}
}}
"""


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder, timeout=30)


def certificates(folder: Path) -> None:
    """An authority, two certificates of it (one that ends soon), and one that signs itself."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "30")
    openssl(folder, "req", "-x509", *key, "-keyout", "self.key", "-out", "self.pem", "-subj", "/CN=x", "-days", "30")
    for name, host, days in (("good", "www.example.com", "30"), ("soon", "soon.example.com", "3")):
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}")
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days, "-extfile", f"{name}.ext")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)


def nginx(stage: Stage, folder: Path) -> AbstractContextManager[Process]:
    (folder / "www").mkdir()
    certificates(folder)
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder))
    return stage.serve("nginx", "-c", str(file), folder=folder, ready=lambda: stage.ask(TcpCheck(**COMMON), 80)[0])


def test_http(stage: Stage, folder: Path) -> None:
    def ask(path: str, address: str = SERVER, port: int = 80, **changes: object) -> tuple[bool, str]:
        return stage.ask(HttpCheck(**COMMON, path=path, **changes), port, address)  # type: ignore[arg-type]

    with nginx(stage, folder):
        for address in (SERVER, SERVER_6):
            assert ask("/health", address) == (True, "HTTP 200")
            assert ask("/health", address, version="1.0", status=("200-299",)) == (True, "HTTP 200")
        assert ask("/health", body_regex=r'"status":\s*"ok"') == (True, "HTTP 200")
        assert ask("/health", json=(("status", '"ok"'), ("db.replicas", "2"))) == (True, "HTTP 200")
        assert ask("/sick", json=(("status", '"ok"'),)) == (False, 'HTTP 200 but status is "degraded", wanted "ok"')
        assert ask("/sick", json=(("db.replicas", "2"),)) == (False, "HTTP 200 but the JSON has no db.replicas")
        assert ask("/sick", body_regex="ok$")[1] == 'HTTP 200 but the body (22 octets) does not match "ok$"'
        assert ask("/post", method="POST", request_body="x=1", status=("200-204",)) == (True, "HTTP 201")
        assert ask("/post", status=(200, "201-204")) == (False, "HTTP 405, wanted 200 or 201-204")
        assert ask("/agent", headers=(("X-Probe", "haagent-7"),), body="haagent-7") == (True, "HTTP 200")
        assert ask("/old") == (False, "HTTP 301, wanted 200")
        assert ask("/old", follow_redirects=1) == (True, "HTTP 200 (redirected to http://192.0.2.11/health)")
        assert ask("/away", follow_redirects=1, host="www.example.com") == (
            True,
            "HTTP 200 (redirected to https://www.example.com/secure)",
        )
        assert ask("/loop", follow_redirects=2) == (
            False,
            'HTTP 302 to "http://192.0.2.11/loop", after 2 redirects already (redirected to http://192.0.2.11/loop)',
        )
        assert ask("/x", port=443)[1].startswith("HTTP 400, wanted 200")


def test_https(stage: Stage, folder: Path) -> None:
    def ask(port: int = 443, address: str = SERVER, **changes: object) -> tuple[bool, str]:
        check = HttpsCheck(**COMMON, path="/secure", **changes)  # type: ignore[arg-type]
        return stage.ask(check, port, address)

    ca = str(folder / "ca.pem")
    with nginx(stage, folder):
        assert ask(host="www.example.com") == (True, "HTTP 200")
        named = {"verify": "chain_and_name", "ca_file": ca}
        assert ask(host="www.example.com", **named) == (True, "HTTP 200")
        assert ask(address=SERVER_6, host="www.example.com", **named) == (True, "HTTP 200")
        assert ask(host="other.example.com", **named) == (False, "the certificate is not for other.example.com")
        assert ask(host="other.example.com", verify="chain", ca_file=ca)[0]
        assert ask(host="www.example.com", verify="chain") == (
            False,
            "the certificate is not trusted: unable to get local issuer certificate",
        )
        assert ask(444, verify="chain", ca_file=ca) == (
            False,
            "the certificate is not trusted: self-signed certificate",
        )
        assert ask(444) == (True, "HTTP 200")
        passed, words = ask(host="soon.example.com", **named)
        assert passed
        assert words.startswith("HTTP 200; the certificate expires in 2 days (")
        assert ask(host="soon.example.com", warn_certificate_days=1) == (True, "HTTP 200")
        passed, words = ask(host="soon.example.com", minimum_certificate_days=7)
        assert not passed
        assert words.startswith("the certificate expires in 2 days (")
        assert words.endswith("), wanted at least 7 days")
        assert ask(80) == (False, 'not TLS: the answer begins with "HTTP/1.1 400 Bad Request"')
        assert stage.ask(TcpCheck(**COMMON, tls="on_connect"), 443) == (True, "TLS handshake done")
        assert ask(host="www.example.com", verify="chain", ca_file="/nonexistent")[1] == (
            "this director cannot probe: ca_file /nonexistent: No such file or directory"
        )
        assert stage.local


# -------------------------------------------------------------------------------------------------------- bind

NAMED = """
options {{
  directory "{folder}"; pid-file none; listen-on {{ any; }}; listen-on-v6 {{ any; }}; recursion no;
  dnssec-validation no; session-keyfile "{folder}/session.key"; notify no;
}};
controls {{ }};
zone "example.com" {{ type primary; file "example.com.zone"; }};
zone "broken.example" {{ type primary; file "missing.zone"; }};
zone "2.0.192.in-addr.arpa" {{ type primary; file "reverse.zone"; }};
"""
ZONE = """$TTL 60
@ SOA ns1 admin 2026112401 3600 600 86400 60
@ NS ns1
@ MX 10 mail
ns1 A 192.0.2.11
www A 192.0.2.80
www A 192.0.2.81
www AAAA 2001:db8::80
mail A 192.0.2.25
alias CNAME www
_sip._udp SRV 0 5 5060 mail
text TXT "v=spf1 " "-all"
"""
REVERSE = """$TTL 60
@ SOA ns1.example.com. admin.example.com. 1 3600 600 86400 60
@ NS ns1.example.com.
80 PTR www.example.com.
"""


def named(stage: Stage, folder: Path) -> AbstractContextManager[Process]:
    big = "".join(f'big TXT "{number:03} {"x" * 200}"\n' for number in range(20))
    (folder / "named.conf").write_text(NAMED.format(folder=folder))
    (folder / "example.com.zone").write_text(ZONE + big)
    (folder / "reverse.zone").write_text(REVERSE)
    check = DnsCheck(**COMMON, query="example.com", record_type="SOA")
    return stage.serve(
        "named", "-g", "-c", str(folder / "named.conf"), folder=folder, setup="mkdir -p /run/named",
        ready=lambda: stage.ask(check, 53)[0],
    )  # fmt: skip


def test_dns(stage: Stage, folder: Path) -> None:
    def ask(query: str, record_type: str = "A", address: str = SERVER, **changes: object) -> tuple[bool, str]:
        check = DnsCheck(**COMMON, query=query, record_type=record_type, **changes)  # type: ignore[arg-type]
        return stage.ask(check, 53, address)

    with named(stage, folder) as process:
        passed, words = ask("www.example.com")
        assert passed
        assert sorted(words.removeprefix("www.example.com A is ").split(", ")) == ["192.0.2.80", "192.0.2.81"]
        for transport in ("udp", "tcp"):
            for address in (SERVER, SERVER_6):
                assert ask("www.example.com", "AAAA", address, transport=transport, expect=("2001:DB8::80",)) == (
                    True,
                    "www.example.com AAAA is 2001:db8::80",
                )
        assert ask("www.example.com", expect=("192.0.2.80", "192.0.2.81"), match="all")[0]
        assert ask("www.example.com", expect=("192.0.2.80", "192.0.2.9"))[0]
        passed, words = ask("www.example.com", expect=("192.0.2.80", "192.0.2.9"), match="all")
        assert not passed
        assert words.endswith(", wanted all of 192.0.2.80, 192.0.2.9")
        assert ask("example.com", "MX", expect=("10 mail.example.com.",)) == (
            True,
            "example.com MX is 10 mail.example.com",
        )
        assert ask("example.com", "NS", authoritative=True) == (True, "example.com NS is ns1.example.com")
        assert ask("alias.example.com", "CNAME")[1] == "alias.example.com CNAME is www.example.com"
        assert ask("alias.example.com", expect=("192.0.2.81",))[0]  # the alias is in the answer too
        assert ask("_sip._udp.example.com", "SRV")[1] == "_sip._udp.example.com SRV is 0 5 5060 mail.example.com"
        assert ask("text.example.com", "TXT", expect=("v=spf1 -all",))[0]
        assert ask("80.2.0.192.in-addr.arpa", "PTR")[1] == "80.2.0.192.in-addr.arpa PTR is www.example.com"
        assert ask("example.com", "SOA", minimum_serial=2026112401)[0]
        assert ask("example.com", "SOA", minimum_serial=2026112402) == (
            False,
            "the serial of example.com is 2026112401, wanted at least 2026112402",
        )
        passed, words = ask("big.example.com", "TXT")
        assert passed
        assert words.endswith(" and 16 more (by TCP)")
        assert ask("big.example.com", "TXT", edns=0, transport="tcp")[0]
        assert ask("broken.example") == (False, "SERVFAIL for broken.example A, wanted NOERROR")
        assert ask("www.example.org") == (False, "REFUSED for www.example.org A, wanted NOERROR")
        assert ask("none.example.com") == (False, "NXDOMAIN for none.example.com A, wanted NOERROR")
        assert ask("none.example.com", rcode="NXDOMAIN") == (True, "NXDOMAIN for none.example.com A")
        assert ask("mail.example.com", "AAAA") == (False, "NOERROR without an answer to mail.example.com AAAA")
        process.send_signal(signal.SIGSTOP)
        check = DnsCheck(name="c", timeout=0.5, query="www.example.com")
        assert stage.ask(check, 53) == (False, "no answer within 0.5 s")
    assert ask("www.example.com") == (False, f"port unreachable ({SERVER}:53)")
    assert ask("www.example.com", transport="tcp") == (False, silent(53))


# ------------------------------------------------------------------------------------------ redis, and plain tcp


def redis(stage: Stage, folder: Path, *more: str) -> AbstractContextManager[Process]:
    return stage.serve(
        "redis-server", "--bind", "0.0.0.0", "::", "--protected-mode", "no", "--save", "", *more, folder=folder,
        ready=lambda: stage.ask(TcpCheck(**COMMON), 6379)[0],
    )  # fmt: skip


def test_redis(stage: Stage, folder: Path) -> None:
    check = RedisCheck(**COMMON)
    with redis(stage, folder) as process:
        assert stage.ask(check, 6379) == (True, "PONG")
        assert stage.ask(check, 6379, SERVER_6) == (True, "PONG")
        expecting = TcpCheck(**COMMON, send="PING\r\n", expect="+PONG")
        assert stage.ask(expecting, 6379) == (True, 'answered "+PONG.."')
        wrong = TcpCheck(name="c", timeout=0.3, send="PING\r\n", expect_regex="^.HELLO")
        assert stage.ask(wrong, 6379) == (
            False,
            'no complete answer within 0.3 s (7 octets "+PONG..", which does not match "^.HELLO")',
        )
        assert stage.ask(TcpCheck(**COMMON, send_hex="50494e470d0a", expect_hex="2b??4f4e47"), 6379)[0]
        bad = TcpCheck(**COMMON, send_hex="50494e470d0a", expect_hex="2d??")
        assert stage.ask(bad, 6379) == (False, 'the answer "+PONG.." does not begin with 2d??')
        process.send_signal(signal.SIGSTOP)
        stopped = RedisCheck(name="c", timeout=0.3)
        assert stage.ask(stopped, 6379) == (False, "no complete answer within 0.3 s (waiting for the answer to PING)")
    assert stage.ask(check, 6379) == (False, silent(6379))


def test_redis_with_a_password(stage: Stage, folder: Path) -> None:
    with redis(stage, folder, "--requirepass", "sesame-7"):
        assert stage.ask(RedisCheck(**COMMON, password="sesame-7"), 6379) == (True, "PONG")
        passed, words = stage.ask(RedisCheck(**COMMON), 6379)
        assert (passed, words) == (False, 'the answer to PING is "-NOAUTH Authentication required.", wanted +PONG')
        passed, words = stage.ask(RedisCheck(**COMMON, password="sesame-8"), 6379)
        assert not passed
        assert words.startswith('the login is refused: "-WRONGPASS ')


def test_redis_replica_without_its_primary(stage: Stage, folder: Path) -> None:
    with redis(stage, folder, "--replicaof", "192.0.2.99 6379", "--replica-serve-stale-data", "no"):
        passed, words = stage.ask(RedisCheck(**COMMON), 6379)
        assert not passed
        assert words.startswith('the answer to PING is "-MASTERDOWN ')


# --------------------------------------------------------------------------------------------------- databases


def test_mariadb(stage: Stage, folder: Path) -> None:
    data = folder / "data"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=mysql",
         "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    init = folder / "init.sql"
    init.write_text(
        "CREATE USER probe@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('sesame-7');\n"
        "CREATE USER empty@'%';\nSET GLOBAL max_connections = 10;\n"
    )
    folder.chmod(0o777)
    command = (
        "mariadbd", "--no-defaults", f"--datadir={data}", "--user=mysql", "--bind-address=*", "--skip-name-resolve",
        f"--socket={folder}/sock", f"--init-file={init}", "--innodb-flush-log-at-trx-commit=0",
    )  # fmt: skip
    check = MysqlCheck(**COMMON)
    with stage.serve(*command, folder=folder, ready=lambda: stage.ask(check, 3306)[0]) as process:
        passed, words = stage.ask(check, 3306)
        assert passed
        assert words.startswith("ready: version ")
        for user, password in (("probe", "sesame-7"), ("empty", "")):
            passed, words = stage.ask(MysqlCheck(**COMMON, user=user, password=password), 3306, SERVER_6)
            assert passed, words
            assert words.startswith("logged in: version ")
        passed, words = stage.ask(MysqlCheck(**COMMON, user="probe", password="sesame-8"), 3306)
        assert not passed
        assert words.startswith("the login is refused: 1045 Access denied for user 'probe'@")
        process.send_signal(signal.SIGSTOP)
        stopped = MysqlCheck(name="c", timeout=0.3)
        assert stage.ask(stopped, 3306) == (False, "no complete answer within 0.3 s (waiting for the greeting)")
    assert stage.ask(check, 3306) == (False, silent(3306))


def postgres_folder() -> Path:
    return max(Path("/usr/lib/postgresql").iterdir()) / "bin"


def test_postgresql(stage: Stage, folder: Path) -> None:
    certificates(folder)
    data = folder / "data"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    password = folder / "password"
    password.write_text("sesame-7\n")
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
    subprocess.run(
        [*as_postgres, str(postgres_folder() / "initdb"), "-D", str(data), "-U", "probe", f"--pwfile={password}",
         "--auth=scram-sha-256", "--no-sync", "--no-locale"],
        check=True, capture_output=True, timeout=60, cwd="/",
    )  # fmt: skip
    for name in ("self.pem", "self.key"):
        shutil.copy(folder / name, data / name)
        shutil.chown(data / name, "postgres", "postgres")
        (data / name).chmod(0o600)
    with (data / "pg_hba.conf").open("a") as file:
        file.write("host all all 0.0.0.0/0 scram-sha-256\nhost all all ::/0 scram-sha-256\n")
    options = {"listen_addresses": "*", "unix_socket_directories": "", "ssl": "on", "fsync": "off",
               "ssl_cert_file": "self.pem", "ssl_key_file": "self.key", "max_connections": "4",
               "superuser_reserved_connections": "1"}  # fmt: skip
    command = [str(postgres_folder() / "postgres"), "-D", str(data)]
    command += [each for name, value in options.items() for each in ("-c", f"{name}={value}")]
    check = PostgresqlCheck(**COMMON)
    login = {**COMMON, "user": "probe", "password": "sesame-7", "database": "postgres"}
    with stage.serve(*command, folder=folder, user="postgres", ready=lambda: stage.ask(check, 5432)[0]) as process:
        assert stage.ask(check, 5432) == (True, "ready")
        assert stage.ask(PostgresqlCheck(**login), 5432) == (True, "logged in")
        assert stage.ask(PostgresqlCheck(**login, tls="starttls"), 5432, SERVER_6) == (True, "logged in")
        wrong = PostgresqlCheck(**{**login, "password": "sesame-8"})
        assert stage.ask(wrong, 5432) == (
            False,
            'the login is refused: password authentication failed for user "probe" (28P01)',
        )
        nowhere = PostgresqlCheck(**{**login, "database": "nowhere"})
        assert stage.ask(nowhere, 5432) == (False, 'the login is refused: database "nowhere" does not exist (3D000)')
        verified = PostgresqlCheck(**login, tls="starttls", verify="chain", ca_file=str(folder / "ca.pem"))
        assert stage.ask(verified, 5432)[1] == "the certificate is not trusted: self-signed certificate"
        process.send_signal(signal.SIGSTOP)
        stopped = PostgresqlCheck(name="c", timeout=0.3)
        assert stage.ask(stopped, 5432) == (
            False,
            "no complete answer within 0.3 s (waiting for the answer to the start-up message)",
        )
    assert stage.ask(check, 5432) == (False, silent(5432))


SLAPD = """
include /etc/ldap/schema/core.schema
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {folder}/self.pem
TLSCertificateKeyFile {folder}/self.key
database mdb
suffix "dc=example,dc=com"
rootdn "cn=admin,dc=example,dc=com"
rootpw sesame-7
directory {folder}/db
maxsize 10485760
{more}
"""


def slapd(stage: Stage, folder: Path, more: str = "") -> AbstractContextManager[Process]:
    (folder / "db").mkdir(exist_ok=True)
    certificates(folder)
    (folder / "slapd.conf").write_text(SLAPD.format(folder=folder, more=more))
    entry = folder / "entry.ldif"
    entry.write_text("dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n")
    subprocess.run(
        ["slapadd", "-f", str(folder / "slapd.conf"), "-l", str(entry)], check=False, capture_output=True, timeout=30
    )
    return stage.serve(
        "slapd", "-d", "0", "-f", str(folder / "slapd.conf"), "-h", "ldap:/// ldaps:///", folder=folder,
        ready=lambda: stage.ask(TcpCheck(**COMMON), 389)[0],
    )  # fmt: skip


def test_ldap(stage: Stage, folder: Path) -> None:
    admin = {"bind_dn": "cn=admin,dc=example,dc=com", "password": "sesame-7"}
    with slapd(stage, folder) as process:
        assert stage.ask(LdapCheck(**COMMON), 389) == (True, "found the root DSE")
        found = (True, "found dc=example,dc=com")
        assert stage.ask(LdapCheck(**COMMON, base="dc=example,dc=com", **admin), 389, SERVER_6) == found
        assert stage.ask(LdapCheck(**COMMON, base="dc=example,dc=com", tls="starttls", **admin), 389) == found
        assert stage.ask(LdapCheck(**COMMON, base="dc=example,dc=com", tls="on_connect", **admin), 636) == found
        assert stage.ask(LdapCheck(**COMMON, base="dc=none,dc=com"), 389)[1] == "the search fails: noSuchObject"
        wrong = LdapCheck(**COMMON, bind_dn=admin["bind_dn"], password="sesame-8")
        assert stage.ask(wrong, 389) == (False, "the bind fails: invalidCredentials")
        process.send_signal(signal.SIGSTOP)
        stopped = LdapCheck(name="c", timeout=0.3)
        assert stage.ask(stopped, 389) == (
            False,
            "no complete answer within 0.3 s (waiting for the answer to the bind)",
        )
    assert stage.ask(LdapCheck(**COMMON), 389) == (False, silent(389))


# -------------------------------------------------------------------------------------------------------- mail

DOVECOT = """
base_dir = /run/dovecot
state_dir = /run/dovecot
log_path = /dev/stderr
protocols = imap pop3
listen = *, ::
ssl = yes
ssl_cert = <{folder}/self.pem
ssl_key = <{folder}/self.key
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
passdb {{
  driver = static
  args = password=sesame-7
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%u
}}
"""


def test_imap_and_pop3(stage: Stage, folder: Path) -> None:
    certificates(folder)
    (folder / "mail").mkdir()
    (folder / "mail").chmod(0o777)
    (folder / "dovecot.conf").write_text(DOVECOT.format(folder=folder))
    login = {**COMMON, "user": "probe", "password": "sesame-7"}
    wrong = {**COMMON, "user": "probe", "password": "sesame-8"}
    with stage.serve(
        "dovecot", "-F", "-c", str(folder / "dovecot.conf"), folder=folder, setup="mkdir -p /run/dovecot",
        ready=lambda: stage.ask(TcpCheck(**COMMON), 143)[0] and stage.ask(TcpCheck(**COMMON), 110)[0],
    ):  # fmt: skip
        passed, words = stage.ask(ImapCheck(**COMMON), 143)
        assert passed
        assert words.startswith('ready: "* OK [CAPABILITY IMAP4rev1')
        assert stage.ask(ImapCheck(**login), 143) == (True, "logged in")
        assert stage.ask(ImapCheck(**login, tls="starttls"), 143, SERVER_6) == (True, "logged in")
        assert stage.ask(ImapCheck(**login, tls="on_connect"), 993) == (True, "logged in")
        passed, words = stage.ask(ImapCheck(**wrong), 143)
        assert (passed, words) == (
            False,
            'the login is refused: "NO [AUTHENTICATIONFAILED] Authentication failed."',
        )
        assert stage.ask(Pop3Check(**COMMON), 110) == (True, 'ready: "+OK Dovecot (Debian) ready."')
        assert stage.ask(Pop3Check(**login), 110, SERVER_6) == (True, "logged in")
        assert stage.ask(Pop3Check(**login, tls="starttls"), 110) == (True, "logged in")
        assert stage.ask(Pop3Check(**wrong), 110)[1] == ('the login is refused: "-ERR [AUTH] Authentication failed."')
        assert stage.ask(ImapCheck(**COMMON), 110)[1] == ('the greeting is "+OK Dovecot (Debian) ready.", wanted * OK')
    assert stage.ask(ImapCheck(**COMMON), 143) == (False, silent(143))
    assert stage.ask(Pop3Check(**COMMON), 110) == (False, silent(110))


SMTPD = """
pki x cert "{folder}/self.pem"
pki x key "{folder}/self.key"
listen on 0.0.0.0 port 25 tls pki x hostname mx.example.com
listen on 0.0.0.0 port 587 hostname mx.example.com
action "local" maildir "{folder}/mail"
match from any for domain "example.com" action "local"
"""


def test_opensmtpd(stage: Stage, folder: Path) -> None:
    """Where it is the machine's mail server; else postfix is: test_probes_apache_postfix_grpc.py."""
    certificates(folder)
    (folder / "self.key").chmod(0o600)
    (folder / "smtpd.conf").write_text(SMTPD.format(folder=folder))
    spool = (
        "mount -t tmpfs none /var/spool && mkdir -m 711 /var/spool/smtpd && "
        "mkdir -m 700 /var/spool/smtpd/queue /var/spool/smtpd/purge /var/spool/smtpd/corrupt && "
        "mkdir -m 770 /var/spool/smtpd/offline && chgrp opensmtpq /var/spool/smtpd/offline && "
        "chown opensmtpq /var/spool/smtpd/queue /var/spool/smtpd/purge /var/spool/smtpd/corrupt && chmod 711 /var/spool"
    )
    with stage.serve(
        "smtpd", "-d", "-f", str(folder / "smtpd.conf"), folder=folder, setup=spool,
        ready=lambda: stage.ask(TcpCheck(**COMMON), 25)[0],
    ):  # fmt: skip
        passed, words = stage.ask(SmtpCheck(**COMMON), 25)
        assert passed, words
        assert words.startswith('ready: "220 mx.example.com ESMTP')
        # Debian 12's smtpd cannot use its own key (OpenSSL 3); STARTTLS that works: postfix
        passed, words = stage.ask(SmtpCheck(**COMMON, tls="starttls"), 25)
        assert passed or words.startswith("TLS handshake failed: the server says ")
        passed, words = stage.ask(SmtpCheck(**COMMON, tls="starttls"), 587)
        assert not passed
        assert words.startswith('the answer to STARTTLS is "50')
    assert stage.ask(SmtpCheck(**COMMON), 25) == (False, silent(25))


# --------------------------------------------------------------------------------------------------------- ftp

VSFTPD = """
listen_ipv6=YES
background=NO
anonymous_enable=YES
no_anon_password=NO
anon_root={folder}/ftp
local_enable=NO
secure_chroot_dir={folder}/empty
seccomp_sandbox=NO
{more}
"""


def vsftpd(stage: Stage, folder: Path, more: str = "") -> AbstractContextManager[Process]:
    for name in ("ftp", "empty"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(0o555)
    (folder / "vsftpd.conf").write_text(VSFTPD.format(folder=folder, more=more))
    return stage.serve(
        "vsftpd", str(folder / "vsftpd.conf"), folder=folder, ready=lambda: stage.ask(TcpCheck(**COMMON), 21)[0]
    )


HOLD_FTP = """
import socket, time
while not (connection := socket.create_connection(("127.0.0.1", 21))).recv(99).startswith(b"220"):
    time.sleep(0.1)  # the one that found it ready is still counted
print(flush=True)
input()
"""


def test_ftp(stage: Stage, folder: Path) -> None:
    login = {**COMMON, "user": "anonymous", "password": "haagent@example.com"}
    with vsftpd(stage, folder):
        passed, words = stage.ask(FtpCheck(**COMMON), 21)
        assert passed
        assert words.startswith('ready: "220 (vsFTPd ')
        assert stage.ask(FtpCheck(**login), 21, SERVER_6) == (True, "logged in")
        other = FtpCheck(**COMMON, user="probe", password="x")
        assert stage.ask(other, 21)[1] == 'the login is refused: "530 This FTP server is anonymous only."'
        assert stage.ask(FtpCheck(**COMMON, tls="starttls"), 21)[1].startswith('the answer to AUTH TLS is "530 ')
    with vsftpd(stage, folder, "max_clients=1\n"):
        holding = subprocess.Popen(
            ["ip", "netns", "exec", stage.server, sys.executable, "-c", HOLD_FTP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holding.stdout is not None
        holding.stdout.readline()
        assert stage.ask(FtpCheck(**COMMON), 21)[1].startswith('the greeting is "421 ')
        holding.communicate(b"\n", timeout=30)
    assert stage.ask(FtpCheck(**COMMON), 21) == (False, silent(21))


# ------------------------------------------------------------------------------------------------------ radius

RADIUS = """
prefix = /usr
localstatedir = {folder}
logdir = {folder}
run_dir = {folder}
db_dir = {folder}
raddbdir = /etc/freeradius/3.0
libdir = /usr/lib/freeradius
pidfile = {folder}/radius.pid
correct_escapes = true
max_request_time = 5
log {{
  destination = stdout
}}
security {{
  max_attributes = 200
  reject_delay = 0
  status_server = {status}
}}
client director {{
  ipaddr = 192.0.2.1
  secret = sesame-7
}}
modules {{
  always reject {{
    rcode = reject
  }}
}}
server default {{
  listen {{
    type = auth
    ipaddr = *
    port = 1812
  }}
  authorize {{
    reject
  }}
}}
"""


def freeradius(stage: Stage, folder: Path, status: str) -> AbstractContextManager[Process]:
    (folder / "radiusd.conf").write_text(RADIUS.format(folder=folder, status=status))
    (folder / "radiusd.conf").chmod(0o640)
    return stage.serve("freeradius", "-f", "-d", str(folder), folder=folder)


def test_radius(stage: Stage, folder: Path) -> None:
    check = RadiusCheck(**COMMON, secret="sesame-7")
    with freeradius(stage, folder, "yes") as process:
        until = time.monotonic() + 20
        while not stage.ask(check, 1812)[0]:
            assert process.poll() is None, (folder / "daemon.log").read_text()[-2000:]
            assert time.monotonic() < until, (folder / "daemon.log").read_text()[-2000:]
            time.sleep(0.1)
        assert stage.ask(check, 1812) == (True, "Access-Accept")
        # RFC 3579: a Message-Authenticator that does not fit is dropped without a word
        other = RadiusCheck(name="c", timeout=0.5, secret="sesame-8")
        assert stage.ask(other, 1812) == (False, "no answer within 0.5 s")
        process.send_signal(signal.SIGSTOP)
        assert stage.ask(RadiusCheck(name="c", timeout=0.3, secret="sesame-7"), 1812)[1] == "no answer within 0.3 s"
    assert stage.ask(check, 1812) == (False, f"port unreachable ({SERVER}:1812)")


# --------------------------------------------------------------------------------------------------------- ntp


def ntpd(stage: Stage, folder: Path, lines: str) -> AbstractContextManager[Process]:
    (folder / "ntp.conf").write_text(f"disable ntp\n{lines}\n")
    check = NtpCheck(name="c", timeout=0.5)
    return stage.serve(
        "ntpd", "-n", "-N", "-c", str(folder / "ntp.conf"), folder=folder,
        ready=lambda: not stage.ask(check, 123)[1].startswith(("no answer", "port unreachable")),
    )  # fmt: skip


def test_ntp(stage: Stage, folder: Path) -> None:
    check = NtpCheck(**COMMON)
    with ntpd(stage, folder, "") as process:
        assert stage.ask(check, 123) == (False, "the server's clock is not synchronized (INIT)")
        process.send_signal(signal.SIGSTOP)
        assert stage.ask(NtpCheck(name="c", timeout=0.3), 123) == (False, "no answer within 0.3 s")
    assert stage.ask(check, 123) == (False, f"port unreachable ({SERVER}:123)")


def test_ntp_with_a_time(stage: Stage, folder: Path) -> None:
    """Orphan mode: a server that calls itself right when it has heard nobody for a second."""
    with ntpd(stage, folder, "tos orphan 5 orphanwait 1\nserver 192.0.2.1 iburst"):
        until = time.monotonic() + 25
        while not stage.ask(NtpCheck(**COMMON), 123)[0] and time.monotonic() < until:
            time.sleep(0.2)
        assert stage.ask(NtpCheck(**COMMON), 123) == (True, "stratum 5")
        assert stage.ask(NtpCheck(**COMMON), 123, SERVER_6) == (True, "stratum 5")
        assert stage.ask(NtpCheck(**COMMON, maximum_offset=1.0), 123) == (True, "stratum 5")
        assert stage.ask(NtpCheck(**COMMON, maximum_stratum=4), 123) == (False, "stratum 5, wanted at most 4")


# --------------------------------------------------------------------------------------------- snmpd, over udp

# GET sysDescr.0, community "public", version 2c; the request's identifier is 7
SNMP_GET = "3026020101 0406 7075626c6963 a019 020107 020100 020100 300e300c06082b060102010101000500"
SNMP_REPLY = "30?? 020101 0406 7075626c6963 a2"


def test_udp(stage: Stage, folder: Path) -> None:
    (folder / "snmpd.conf").write_text("rocommunity public\nrocommunity6 public\nagentaddress udp:161,udp6:161\n")
    asked = "".join(SNMP_GET.split())
    check = UdpCheck(**COMMON, send_hex=asked, expect_hex="".join(SNMP_REPLY.split()))
    with stage.serve(
        "snmpd", "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), "-p", str(folder / "pid"), folder=folder,
        setup=f"export SNMP_PERSISTENT_DIR={folder}", ready=lambda: stage.ask(check, 161)[0],
    ) as process:  # fmt: skip
        for address in (SERVER, SERVER_6):
            passed, words = stage.ask(check, 161, address)
            assert passed
            assert words.startswith("answered ")
        assert stage.ask(UdpCheck(**COMMON, send_hex=asked, expect="Linux"), 161)[0]
        passed, words = stage.ask(UdpCheck(**COMMON, send_hex=asked, expect="OpenBSD"), 161)
        assert not passed
        assert words.startswith("the reply of ")
        assert words.endswith(' does not contain "OpenBSD"')
        unknown = UdpCheck(name="c", timeout=0.5, send="hello")
        assert stage.ask(unknown, 161) == (False, "no answer within 0.5 s")
        process.send_signal(signal.SIGSTOP)
        assert stage.ask(UdpCheck(name="c", timeout=0.3, send_hex=asked), 161) == (False, "no answer within 0.3 s")
    assert stage.ask(check, 161) == (False, f"port unreachable ({SERVER}:161)")


# ------------------------------------------------------------------------------- icmp, and the ways to a server


def test_icmp(stage: Stage) -> None:
    for size in (0, 56, 1400):
        for address in (SERVER, SERVER_6):
            assert stage.ask(IcmpCheck(**COMMON, size=size), 80, address) == (True, "echo reply")
    assert stage.ask(IcmpCheck(name="c", timeout=0.3), 80, "192.0.2.99") == (False, "no answer within 0.3 s")
    assert stage.ask(IcmpCheck(name="c", timeout=20.0), 80, "192.0.2.99") == (False, "host unreachable (192.0.2.99)")
    quiet = ("netns", "exec", stage.server, "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=")
    ip(*quiet[:-1], quiet[-1] + "1")
    assert stage.ask(IcmpCheck(name="c", timeout=0.3), 80) == (False, "no answer within 0.3 s")
    ip(*quiet[:-1], quiet[-1] + "0")


def test_source_device_and_mark(stage: Stage, folder: Path) -> None:
    prefix = "this director cannot probe: "
    with redis(stage, folder):
        assert stage.ask(RedisCheck(**COMMON, source=DIRECTOR, device="eth0", mark=7), 6379) == (True, "PONG")
        assert stage.ask(IcmpCheck(**COMMON, source=DIRECTOR, device="eth0", mark=7), 6379) == (True, "echo reply")
        assert stage.ask(RedisCheck(**COMMON, source="192.0.2.77"), 6379)[1] == prefix + "it has no address 192.0.2.77"
        assert stage.local
        assert stage.ask(RedisCheck(**COMMON, device="eth7"), 6379)[1] == prefix + "it has no interface eth7"
        assert stage.ask(RedisCheck(**COMMON, source=DIRECTOR), 6379, SERVER_6)[1] == (
            prefix + f"the source {DIRECTOR} is of another family than the target"
        )
        ip("-n", stage.director, "rule", "add", "fwmark", "9", "prohibit")
        assert stage.ask(RedisCheck(**COMMON, mark=9), 6379)[1] == prefix + f"its routing table prohibits {SERVER}"
        assert stage.local
        ip("-n", stage.director, "rule", "del", "fwmark", "9")


# ------------------------------------------------------------------------------------------------------- agent

AGENT = """
import socket, sys
words = sys.argv[1].encode()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("0.0.0.0", 8888))
import threading
def udp():
    while True:
        _, peer = datagrams.recvfrom(100)
        datagrams.sendto(words, peer)
threading.Thread(target=udp, daemon=True).start()
server = socket.create_server(("0.0.0.0", 8888))
while True:
    accepted, _ = server.accept()
    try:
        accepted.sendall(words + b"\\n")
    except OSError:  # a TCP check resets as soon as it is connected
        pass
    accepted.close()
"""


@pytest.mark.parametrize(
    ("words", "answer", "weight"),
    [
        ("75%", (True, "the agent says 75%"), 75),
        ("ready, 30% #busy", (True, "the agent says ready 30% (busy)"), 30),
        ("drain", (True, "the agent says drain"), 0),
        ("maint", (False, "the agent says maint"), None),
        ("down #disk full", (False, "the agent says down (disk full)"), None),
        ("hello", (False, 'the agent says "hello", which is none of its words'), None),
    ],
)
def test_agent(stage: Stage, folder: Path, words: str, answer: tuple[bool, str], weight: int | None) -> None:
    tcp, udp = AgentCheck(**COMMON), AgentCheck(**COMMON, transport="udp")
    connects = TcpCheck(**COMMON)
    with stage.serve("python3", "-c", AGENT, words, folder=folder, ready=lambda: stage.ask(connects, 8888)[0]):
        for check in (tcp, udp):
            assert stage.ask(check, 8888) == answer
            assert stage.weight == weight
