"""The whole daemon: a service that follows its router, one over IPv6 beside it, and what `status` says of both."""

import subprocess
from collections.abc import Iterator

import pytest

from haagent.snapshot import ServiceStatus
from tests.daemon_stage import Daemon, folder, wait_until
from tests.kernel.nat_stage import REAL, REAL6, VIP6, Stage, saved, staged

FOLLOWED = "198.51.100.150"
CONFIG = f"""
[virtual_router.web]
interface = "br0"
vrid = 51
advertisement_interval = 0.2
virtual_addresses = ["{FOLLOWED}/24"]
track = [{{ interface = "uplink" }}]

[check.c]
type = "tcp"
interval = 0.5
timeout = 0.5
fall = 2
rise = 1

[virtual_service.here]
address = "{FOLLOWED}"
port = 80
scheduler = "rr"
forwarding_method = "masquerading"
active_only = "web"
check = ["c"]
real_servers = [{{ name = "rs1", address = "{REAL["rs1"]}" }}]

[virtual_service.six]
address = "{VIP6}"
port = 80
scheduler = "rr"
forwarding_method = "masquerading"
check = ["c"]
quorum = 2
real_servers = [
  {{ name = "six1", address = "{REAL6["rs1"]}" }},
  {{ name = "six2", address = "{REAL6["rs2"]}" }},
  {{ name = "six9", address = "2001:db8:5::99", tier = 2 }},
]
"""
HERE = f"-A -t {FOLLOWED}:80 -s rr"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.mark.timeout(200)
def test_a_service_is_where_its_router_is_active(stage: Stage) -> None:
    stage.listen(80)
    subprocess.run(["ip", "link", "add", "uplink", "type", "veth", "peer", "name", "knil"], check=True)
    for name in ("uplink", "knil"):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    with folder() as base:
        daemon = Daemon(base, "")
        daemon.write(CONFIG)
        daemon.start()

        def service(name: str) -> ServiceStatus | None:
            status = daemon.status()
            return next((each for each in status.services if each.name == name), None) if status else None

        def is_in(name: str, state: str) -> bool:
            found = service(name)
            return found is not None and found.state == state

        try:
            assert wait_until(lambda: is_in("here", "serving") and is_in("six", "serving"), 90), daemon.log
            assert wait_until(lambda: (found := service("six")) and found.has_quorum and found.in_service == 2, 30)
            assert (stage.ask(FOLLOWED), {stage.ask(VIP6), stage.ask(VIP6)}) == ("rs1", {"rs1", "rs2"})
            assert HERE in saved()
            subprocess.run(["ip", "link", "set", "knil", "down"], check=True)
            assert wait_until(lambda: is_in("here", "standby"), 30), daemon.log
            assert wait_until(lambda: HERE not in saved(), 10)
            assert stage.ask(VIP6) in ("rs1", "rs2")
            shown = daemon.run("status").stdout
            assert "service  here   STANDBY" in shown
            assert "quorum of 2 reached with live weight 2" in shown
            assert "[2001:db8:5::11]:80" in shown
            subprocess.run(["ip", "link", "set", "knil", "up"], check=True)
            assert wait_until(lambda: is_in("here", "serving") and HERE in saved(), 30), daemon.log
            assert wait_until(lambda: _answers(stage), 10)
        finally:
            daemon.stop()


def _answers(stage: Stage) -> bool:
    try:
        return stage.ask(FOLLOWED) == "rs1"
    except OSError:
        return False
