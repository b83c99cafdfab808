"""apache2, postfix and gRPC's own server across a wire: working, and broken as operators meet them."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from haagent.config.checks import GrpcCheck, HttpCheck, HttpsCheck, SmtpCheck, TcpCheck
from tests import probe_certificates
from tests.netns.real_stage import SERVER, SERVER_6, Answer, Stage
from tests.netns.test_probes_real import COMMON, Process, folder, silent

__all__ = ["folder"]  # a fixture
pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage("ha")
    try:
        stage.build()
        yield stage
    finally:
        stage.clear()


# ----------------------------------------------------------------------------------------------------- apache2

APACHE = """
ServerRoot {folder}
ServerName www.example.com
PidFile {folder}/pid
DefaultRuntimeDir {folder}
Mutex file:{folder}
ErrorLog /dev/stderr
User www-data
Group www-data
{modules}
Listen 80
Listen 443
DocumentRoot {folder}/www
<Directory {folder}/www>
  Require all granted
  Options +Includes
</Directory>
<Location /private>
  AuthType Basic
  AuthName staff
  AuthUserFile {folder}/nobody
  Require valid-user
</Location>
<Location /forbidden>
  Require all denied
</Location>
ProxyPass /application http://127.0.0.1:9/
RewriteEngine on
RewriteRule ^/moved$ https://www.example.com/check.txt [R=302,L]
RewriteRule ^/broken$ - [R=500,L]
<IfFile {folder}/unpacked>
  AddOutputFilterByType DEFLATE text/plain
</IfFile>
StartServers 1
ThreadsPerChild 4
MaxRequestWorkers 4
<VirtualHost *:443>
  ServerName www.example.com
  SSLEngine on
  SSLCertificateFile {folder}/good.pem
  SSLCertificateKeyFile {folder}/good.key
</VirtualHost>
<VirtualHost *:443>
  ServerName ended.example.com
  SSLEngine on
  SSLCertificateFile {folder}/ended.pem
  SSLCertificateKeyFile {folder}/ended.key
</VirtualHost>
"""
MODULES = (
    "mpm_event", "authz_core", "authn_core", "authn_file", "authz_user", "auth_basic", "proxy", "proxy_http",
    "rewrite", "mime", "dir", "filter", "deflate", "include", "socache_shmcb", "ssl",
)  # fmt: skip


def apache(stage: Stage, folder: Path) -> AbstractContextManager[Process]:
    (folder / "www").mkdir()
    (folder / "www" / "check.txt").write_text("webserverisworking\n")
    (folder / "mime.types").write_text("text/plain txt\n")
    probe_certificates.make(folder)
    lines = "\n".join(f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so" for each in MODULES)
    lines += f"\nTypesConfig {folder}/mime.types"
    file = folder / "apache2.conf"
    file.write_text(APACHE.format(folder=folder, modules=lines))
    return stage.serve(
        "apache2", "-DFOREGROUND", "-f", str(file), folder=folder, ready=lambda: stage.ask(TcpCheck(**COMMON), 80)[0]
    )


def test_apache(stage: Stage, folder: Path) -> None:
    def ask(path: str = "/check.txt", address: str = SERVER, **changes: object) -> Answer:
        check = HttpCheck(**(COMMON | {"path": path, "body": "working"} | changes))  # type: ignore[arg-type]
        return stage.ask(check, 80, address)

    with apache(stage, folder) as process:
        for address in (SERVER, SERVER_6):
            for version in ("1.0", "1.1"):
                assert ask(address=address, version=version) == (True, "HTTP 200")
        assert ask(method="HEAD", body="") == (True, "HTTP 200")
        assert ask(body="sleeping") == (False, 'HTTP 200 but the body (19 octets) does not contain "sleeping"')
        assert ask("/none.txt") == (False, "HTTP 404, wanted 200")
        assert ask("/forbidden") == (False, "HTTP 403, wanted 200")
        assert ask("/private") == (False, "HTTP 401, wanted 200")
        assert ask("/private", status=(401,), body="") == (True, "HTTP 401")
        assert ask("/broken") == (False, "HTTP 500, wanted 200")
        assert ask("/application") == (False, "HTTP 503, wanted 200")  # what is behind it does not run
        assert ask("/moved") == (False, "HTTP 302, wanted 200")
        assert ask("/moved", follow_redirects=1) == (
            True,
            "HTTP 200 (redirected to https://www.example.com/check.txt)",
        )
        process.send_signal(signal.SIGSTOP)
        # The listening socket is the kernel's: only its children, which go on, can still answer
        assert ask() == (True, "HTTP 200")
        process.send_signal(signal.SIGCONT)
    assert ask() == (False, silent(80))


def test_apache_with_tls(stage: Stage, folder: Path) -> None:
    def ask(host: str, **changes: object) -> Answer:
        check = HttpsCheck(**COMMON, path="/check.txt", host=host, **changes)  # type: ignore[arg-type]
        return stage.ask(check, 443)

    with apache(stage, folder):
        full = {"verify": "chain_and_name", "ca_file": str(folder / "ca.pem")}
        assert ask("www.example.com", **full) == (True, "HTTP 200")
        assert ask("mail.example.com", **full) == (False, "the certificate is not for mail.example.com")
        assert ask("ended.example.com", verify="chain", ca_file=str(folder / "ca.pem")) == (
            False,
            "the certificate has expired",
        )
        assert ask("ended.example.com")[1] == "HTTP 200; the certificate has expired on 2020-03-01"
        assert ask("www.example.com", sni="ended.example.com")[1].startswith("HTTP 421, wanted 200")
        plain = HttpCheck(**COMMON, path="/check.txt")
        assert stage.ask(plain, 443) == (False, "HTTP 400, wanted 200")


# ----------------------------------------------------------------------------------------------------- postfix

MAIN = """
compatibility_level = 3.6
maillog_file = /dev/stdout
queue_directory = {folder}/spool
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.com
mydestination = example.com
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = all
inet_protocols = all
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/good.pem
smtpd_tls_key_file = {folder}/good.key
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
"""
MASTER = """
smtp inet n - n - - smtpd
smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
2501 inet n - n - - smtpd -o smtpd_tls_security_level=none
2502 inet n - n - - smtpd -o smtpd_delay_reject=no -o smtpd_client_restrictions=reject
2503 inet n - n - - smtpd -o smtpd_tls_key_file={folder}/none.key
2504 inet n - n - - smtpd -o smtpd_tls_cert_file={folder}/self.pem -o smtpd_tls_key_file={folder}/self.key
2505 inet n - n - - smtpd -o smtpd_delay_reject=no -o smtpd_helo_restrictions=reject
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
"""


def test_postfix(stage: Stage, folder: Path) -> None:
    def ask(port: int, address: str = SERVER, **changes: object) -> Answer:
        return stage.ask(SmtpCheck(**(COMMON | changes)), port, address)  # type: ignore[arg-type]

    probe_certificates.make(folder)
    (folder / "main.cf").write_text(MAIN.format(folder=folder))
    (folder / "master.cf").write_text(MASTER.format(folder=folder))
    (folder / "spool").mkdir()
    # -d: it stays in its process group. `check` makes the queue's folders, and complains of a group of the test's own
    setup = f"install -d -o postfix {folder}/data; postfix -c {folder} check >/dev/null 2>&1 || true"
    with stage.serve(
        "/usr/lib/postfix/sbin/master", "-d", "-c", str(folder), folder=folder, setup=setup,
        ready=lambda: all(ask(port)[1].startswith(("ready", "the ")) for port in (25, 2505)),
    ):  # fmt: skip
        named = {"verify": "chain_and_name", "ca_file": str(folder / "ca.pem"), "sni": "www.example.com"}
        for address in (SERVER, SERVER_6):
            assert ask(25, address) == (True, 'ready: "220 mx.example.com ESMTP Postfix"')
            assert ask(25, address, tls="starttls", **named)[0]
        assert ask(465, tls="on_connect", **named)[0]
        assert ask(25, tls="starttls", **(named | {"sni": "mx.example.com"})) == (
            False,
            "the certificate is not for mx.example.com",
        )
        assert ask(2504, tls="starttls", **named) == (
            False,
            "the certificate is not trusted: self-signed certificate",
        )
        assert ask(2501, tls="starttls")[1].startswith('the answer to STARTTLS is "50')
        assert ask(2502)[1].startswith('the greeting is "554 ')  # we are not wanted there
        assert ask(2503, tls="starttls")[1].startswith('the answer to STARTTLS is "4')  # its key is missing
        assert ask(2505)[1].startswith('the answer to EHLO is "')
        assert ask(25, tls="on_connect")[1] == 'not TLS: the answer begins with "220 mx.example.com ESMTP"'
        assert ask(465, timeout=0.5)[1].startswith("no complete answer within 0.5 s (waiting for the greeting)")
    assert ask(25) == (False, silent(25))


# -------------------------------------------------------------------------------------------------------- grpc

# gRPC's own library, of Debian, so of Debian's Python; the health service is a few octets of protobuf
GRPC = """
import sys
from concurrent import futures
import grpc
STATES = {b"": b"\\x08\\x01", b"web": b"\\x08\\x01", b"sick": b"\\x08\\x02", b"new": b""}
def check(asked, context):
    name = asked[2:] if asked else b""
    if name not in STATES:
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return STATES[name]
class Health(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(check)
def serve(handlers, *ports, secure=None):
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=handlers)
    for port in ports:
        server.add_insecure_port(port)
    if secure:
        key, certificate = (open(f"good.{end}", "rb").read() for end in ("key", "pem"))
        server.add_secure_port(secure, grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    return server
healthy = serve((Health(),), "[::]:50051", secure="[::]:50052")
other = serve((), "[::]:50053")
healthy.wait_for_termination()
"""
NO_HEALTH = "the answer has no message (not a gRPC health service, or it does not know the name)"


def test_grpc(stage: Stage, folder: Path) -> None:
    def ask(port: int = 50051, address: str = SERVER, **changes: object) -> Answer:
        return stage.ask(GrpcCheck(**(COMMON | changes)), port, address)  # type: ignore[arg-type]

    if not Path("/usr/lib/python3/dist-packages/grpc").exists():
        pytest.skip("python3-grpcio is not installed")
    probe_certificates.make(folder)
    tls = {"tls": "on_connect", "verify": "chain_and_name", "ca_file": str(folder / "ca.pem")}
    with stage.serve(
        "/usr/bin/python3", "-c", GRPC, folder=folder, ready=lambda: ask()[0] and ask(50053)[1].startswith("no health")
    ) as process:
        for address in (SERVER, SERVER_6):
            assert ask(address=address) == (True, "health is SERVING")
        assert ask(service="web") == (True, "health is SERVING")
        assert ask(service="sick") == (False, "health is NOT_SERVING")
        assert ask(service="new") == (False, "health is UNKNOWN")
        assert ask(service="none") == (False, f'no health of "none": {NO_HEALTH}')
        assert ask(50053) == (False, f'no health of "": {NO_HEALTH}')
        assert ask(50052, sni="www.example.com", **tls) == (True, "health is SERVING")
        assert ask(50052, sni="mail.example.com", **tls) == (False, "the certificate is not for mail.example.com")
        assert not ask(50052)[0]
        assert ask(50051, tls="on_connect")[1].startswith(("not TLS: ", "connection reset", "connection closed"))
        process.send_signal(signal.SIGSTOP)
        assert ask(timeout=0.3)[1].startswith("no complete answer within 0.3 s (")
    assert ask() == (False, silent(50051))
