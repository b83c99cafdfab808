"""haagent.linux.ipvs against a real kernel, with ipvsadm as the oracle and as the concurrent editor."""

import errno
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from haagent.ipvs.message import Timeouts
from haagent.ipvs.plan import (
    AddDestination,
    AddService,
    Change,
    Owned,
    RemoveDestination,
    RemoveService,
    apply,
    plan,
)
from haagent.ipvs.table import (
    FLAG_ONEPACKET,
    FLAG_PERSISTENT,
    FLAG_SCHED1,
    FLAG_SCHED2,
    Destination,
    DestinationCounts,
    DestinationKey,
    Forwarding,
    Service,
    ServiceKey,
    Table,
)
from haagent.linux.ipvs import Ipvs, explain

DR, MASQ, TUN = Forwarding.DIRECT_ROUTING, Forwarding.MASQUERADING, Forwarding.TUNNELING


def service(address: str, port: int, protocol: int = 6) -> ServiceKey:
    return ServiceKey(protocol, ip_address(address).packed, port)


def at(address: str, port: int = 80) -> DestinationKey:
    return DestinationKey(ip_address(address).packed, port)


WEB, SECURE, NAMES = service("192.0.2.100", 80), service("192.0.2.100", 443), service("192.0.2.100", 53, 17)
MARK = ServiceKey(0, b"", 0, 7)

WANTED: Table = {
    WEB: Service(
        "wlc",
        destinations={
            at("192.0.2.11"): Destination(DR, 10),
            at("192.0.2.12"): Destination(DR, 0),
            at("192.0.2.13"): Destination(DR, 65535),
        },
    ),
    SECURE: Service(
        "mh",
        FLAG_PERSISTENT | FLAG_SCHED1 | FLAG_SCHED2,
        300,
        0xFFFFFF00,
        destinations={at("192.0.2.11", 443): Destination(MASQ, 1), at("192.0.2.12", 8443): Destination(MASQ, 2)},
    ),
    NAMES: Service(
        "rr",
        FLAG_ONEPACKET,
        destinations={
            at("192.0.2.11", 53): Destination(TUN, 1),
            at("192.0.2.12", 53): Destination(TUN, 1, tunnel_type=1, tunnel_port=6080),
        },
    ),
    MARK: Service("sh", FLAG_SCHED1, destinations={at("192.0.2.11", 0): Destination(DR, 1)}),
}
SAVED = """\
-A -t 192.0.2.100:80 -s wlc
-a -t 192.0.2.100:80 -r 192.0.2.11:80 -g -w 10
-a -t 192.0.2.100:80 -r 192.0.2.12:80 -g -w 0
-a -t 192.0.2.100:80 -r 192.0.2.13:80 -g -w 65535
-A -t 192.0.2.100:443 -s mh -p 300 -M 255.255.255.0 -b mh-fallback,mh-port
-a -t 192.0.2.100:443 -r 192.0.2.11:443 -m -w 1
-a -t 192.0.2.100:443 -r 192.0.2.12:8443 -m -w 2
-A -u 192.0.2.100:53 -s rr -o
-a -u 192.0.2.100:53 -r 192.0.2.11:53 -i -w 1 --tun-type ipip
-a -u 192.0.2.100:53 -r 192.0.2.12:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-A -f 7 -s sh -b sh-fallback
-a -f 7 -r 192.0.2.11:0 -g -w 1
"""
NOTHING_OURS = Owned()


def ipvsadm(*arguments: str, given: str | None = None) -> str:
    return subprocess.run(["ipvsadm", *arguments], check=True, capture_output=True, text=True, input=given).stdout


def saved() -> list[str]:
    """The kernel's table as ipvsadm sees it; its order of services is that of a hash, so sorted."""
    return sorted(line.rstrip() for line in ipvsadm("-Sn").splitlines())


@pytest.fixture
def ipvs() -> Iterator[Ipvs]:
    opened = Ipvs.open()
    assert isinstance(opened, Ipvs), opened
    yield opened
    opened.close()


def table_of(ipvs: Ipvs) -> Table:
    observed = ipvs.observe()
    assert isinstance(observed, tuple), observed
    return observed[0]


def make(ipvs: Ipvs, wanted: Table, owned: Owned) -> list[tuple[Change, int]]:
    """One round: observe, plan, apply."""
    return ipvs.apply(plan(table_of(ipvs), wanted, owned))


def test_an_empty_table_is_filled_as_ipvsadm_would(ipvs: Ipvs) -> None:
    assert make(ipvs, WANTED, NOTHING_OURS) == []
    assert saved() == sorted(SAVED.splitlines())
    assert table_of(ipvs) == WANTED
    assert plan(table_of(ipvs), WANTED, NOTHING_OURS) == []


def test_what_ipvsadm_restored_is_observed_and_adopted_without_a_change(ipvs: Ipvs) -> None:
    ipvsadm("-R", given=SAVED)
    assert table_of(ipvs) == WANTED
    assert make(ipvs, WANTED, NOTHING_OURS.with_table(WANTED)) == []
    assert saved() == sorted(SAVED.splitlines())


def test_thresholds_which_ipvsadm_does_not_save_come_back(ipvs: Ipvs) -> None:
    wanted = {WEB: Service("rr", destinations={at("192.0.2.11"): Destination(DR, 1, 1000, 800)})}
    assert make(ipvs, wanted, NOTHING_OURS) == []
    assert table_of(ipvs) == wanted
    assert "1000       800" in ipvsadm("-Ln", "--thresholds")


def test_settings_are_changed_in_place(ipvs: Ipvs) -> None:
    make(ipvs, WANTED, NOTHING_OURS)
    wanted = {
        WEB: Service(
            "mh",
            FLAG_SCHED1,
            destinations={
                at("192.0.2.11"): Destination(MASQ, 0),
                at("192.0.2.12"): Destination(TUN, 5),
                at("192.0.2.14"): Destination(DR, 1),
            },
        ),
        SECURE: Service("wrr", destinations=WANTED[SECURE].destinations),  # no longer persistent
    }
    assert make(ipvs, wanted, NOTHING_OURS.with_table(WANTED)) == []
    assert table_of(ipvs) == wanted
    assert saved() == sorted(
        [
            "-A -t 192.0.2.100:80 -s mh -b mh-fallback",
            "-a -t 192.0.2.100:80 -r 192.0.2.11:80 -m -w 0",
            "-a -t 192.0.2.100:80 -r 192.0.2.12:80 -i -w 5 --tun-type ipip",
            "-a -t 192.0.2.100:80 -r 192.0.2.14:80 -g -w 1",
            "-A -t 192.0.2.100:443 -s wrr",
            "-a -t 192.0.2.100:443 -r 192.0.2.11:443 -m -w 1",
            "-a -t 192.0.2.100:443 -r 192.0.2.12:8443 -m -w 2",
        ]
    )


def test_foreign_services_and_destinations_stay(ipvs: Ipvs) -> None:
    foreign = [
        "-A -t 192.0.2.200:80 -s rr",
        "-a -t 192.0.2.200:80 -r 192.0.2.99:80 -g -w 1",
        "-A -t [2001:db8::100]:80 -s rr",
        "-a -t [2001:db8::100]:80 -r [2001:db8::11]:80 -g -w 1",
        "-A -f 7 -6 -s lc",
    ]
    ipvsadm("-R", given="\n".join(foreign) + "\n")
    owned = NOTHING_OURS.with_table(WANTED)
    assert make(ipvs, WANTED, owned) == []
    ipvsadm("-a", "-t", "192.0.2.100:80", "-r", "192.0.2.77:80", "-g")
    in_ours = "-a -t 192.0.2.100:80 -r 192.0.2.77:80 -g -w 1"
    assert make(ipvs, WANTED, owned) == []
    assert saved() == sorted([*SAVED.splitlines(), *foreign, in_ours])
    assert make(ipvs, {}, owned) == []
    assert saved() == sorted(["-A -t 192.0.2.100:80 -s wlc", in_ours, *foreign])


def test_everything_ours_is_removed(ipvs: Ipvs) -> None:
    make(ipvs, WANTED, NOTHING_OURS)
    assert make(ipvs, {}, NOTHING_OURS.with_table(WANTED)) == []
    assert saved() == []


def test_each_single_change_does_what_the_pure_model_says(ipvs: Ipvs) -> None:
    ends = [WANTED, {WEB: Service("sh", destinations={at("192.0.2.12"): Destination(MASQ, 3)})}, {}]
    owned = NOTHING_OURS.with_table(WANTED)
    for wanted in ends:
        model = table_of(ipvs)
        for change in plan(model, wanted, owned):
            model = apply(model, [change])
            assert ipvs.apply([change]) == []
            assert table_of(ipvs) == model


def test_a_table_flushed_between_looking_and_applying_heals_in_the_next_round(ipvs: Ipvs) -> None:
    make(ipvs, WANTED, NOTHING_OURS)
    grown = {
        **WANTED,
        WEB: Service("wlc", destinations={**WANTED[WEB].destinations, at("192.0.2.14"): Destination(DR, 1)}),
    }
    owned = NOTHING_OURS.with_table(grown)
    changes = plan(table_of(ipvs), grown, owned)
    ipvsadm("-C")
    assert [code for _, code in ipvs.apply(changes)] == [errno.ESRCH]
    assert make(ipvs, grown, owned) == []
    assert table_of(ipvs) == grown


def test_a_destination_added_and_one_removed_by_another_editor_are_told(ipvs: Ipvs) -> None:
    ipvs.apply([AddService(WEB, Service("rr"))])
    ipvsadm("-a", "-t", "192.0.2.100:80", "-r", "192.0.2.11:80", "-g")
    change = AddDestination(WEB, at("192.0.2.11"), Destination(DR, 5))
    assert ipvs.apply([change]) == [(change, errno.EEXIST)]
    assert "somebody else added" in explain(change, errno.EEXIST)
    gone = RemoveService(SECURE)
    assert ipvs.apply([gone]) == [(gone, errno.ESRCH)]


def test_a_scheduler_that_the_kernel_lacks_is_named(ipvs: Ipvs) -> None:
    change = AddService(WEB, Service("nosuch"))
    ((failed, code),) = ipvs.apply([change])
    assert (failed, code) == (change, errno.ENOENT)
    assert "'nosuch'" in explain(change, code)


def test_a_destination_that_is_no_host_is_explained(ipvs: Ipvs) -> None:
    ipvs.apply([AddService(WEB, Service("rr"))])
    change = AddDestination(WEB, at("224.0.0.1"), Destination(DR, 1))
    assert ipvs.apply([change]) == [(change, errno.EINVAL)]
    assert "224.0.0.1" in explain(change, errno.EINVAL)


def test_the_kernel_puts_a_new_destination_at_the_head(ipvs: Ipvs) -> None:
    """Why the plan adds in ascending order: the list, which `mh` reads, is then the same on both directors."""
    keys = [at(f"192.0.2.{number}") for number in (13, 11, 12)]
    make(ipvs, {WEB: Service("mh", destinations=dict.fromkeys(keys, Destination(DR, 1)))}, NOTHING_OURS)
    assert list(table_of(ipvs)[WEB].destinations) == sorted(keys, reverse=True)


def test_a_destination_on_the_director_itself_converges(ipvs: Ipvs) -> None:
    subprocess.run(["ip", "address", "add", "192.0.2.99/32", "dev", "lo"], check=True)
    pool = {at("192.0.2.99"): Destination(DR, 1), at("127.0.0.1", 8080): Destination(MASQ, 1)}
    wanted = {WEB: Service("rr", destinations=pool)}
    assert make(ipvs, wanted, NOTHING_OURS) == []
    assert plan(table_of(ipvs), wanted, NOTHING_OURS) == []


def test_timeouts_are_set_and_read(ipvs: Ipvs) -> None:
    assert ipvs.set_timeouts(Timeouts(901, 121, 301)) == 0
    assert ipvs.timeouts() == Timeouts(901, 121, 301)


def test_ten_thousand_destinations_in_batches(ipvs: Ipvs) -> None:
    pool = {at(f"198.51.100.{number}"): Destination(DR, 1) for number in range(1, 101)}
    wanted = {service(f"203.0.113.{number}", 80): Service("wlc", destinations=pool) for number in range(1, 101)}
    assert make(ipvs, wanted, NOTHING_OURS) == []
    assert table_of(ipvs) == wanted
    assert make(ipvs, {}, NOTHING_OURS.with_table(wanted)) == []
    assert saved() == []


def test_without_the_capability_a_sentence_says_what_to_do() -> None:
    code = "from haagent.linux.ipvs import Ipvs; print(Ipvs.open())"
    done = subprocess.run(
        ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "python3", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "CAP_NET_ADMIN" in done.stdout


# 200 flows from one address, all at once: with mh-port each port hashes anew. Lost is what is refused or stays silent.
CLIENT = """\
import select, socket
clients = []
for port in range(20000, 20200):
    client = socket.socket()
    client.setblocking(False)
    client.bind(("192.0.2.1", port))
    try:
        client.connect(("192.0.2.100", 80))
    except OSError:
        pass
    clients.append(client)
waiting = set(clients)
while waiting:
    _, writable, _ = select.select([], waiting, [], 3)
    if not writable:
        break
    waiting -= set(writable)
print(len(waiting) + sum(1 for client in clients if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
"""


SERVER = """\
import socket
listener = socket.socket()
listener.bind(("0.0.0.0", 80))
listener.listen(256)
print("ready", flush=True)
while True:
    listener.accept()[0].close()
"""


@pytest.fixture
def local_pool() -> Iterator[None]:
    """A client, a virtual address and two real servers, all on this host's lo."""
    for address in ("192.0.2.1", "192.0.2.100", "192.0.2.11", "192.0.2.12"):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    server = subprocess.Popen(["python3", "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    yield
    server.kill()
    server.wait()


def lost_of_200_flows(ipvs: Ipvs, flags: int, *weights_of_the_second: int) -> int:
    for weight in weights_of_the_second:
        pool = {at("192.0.2.11"): Destination(MASQ, 1), at("192.0.2.12"): Destination(MASQ, weight)}
        assert make(ipvs, {WEB: Service("mh", flags, destinations=pool)}, NOTHING_OURS) == []
    return int(subprocess.run(["python3", "-c", CLIENT], check=True, capture_output=True, text=True).stdout)


@pytest.mark.usefixtures("local_pool")
def test_weight_lowered_to_0_under_mh_loses_its_share_without_the_fallback_flag(ipvs: Ipvs) -> None:
    assert 30 < lost_of_200_flows(ipvs, FLAG_SCHED2, 1, 0) < 170


@pytest.mark.usefixtures("local_pool")
def test_weight_lowered_to_0_under_mh_loses_nothing_with_the_fallback_flag(ipvs: Ipvs) -> None:
    assert lost_of_200_flows(ipvs, FLAG_SCHED1 | FLAG_SCHED2, 1, 0) == 0


@pytest.mark.usefixtures("local_pool")
def test_weight_0_from_the_start_has_no_share_under_mh(ipvs: Ipvs) -> None:
    """The kernel gives shares by the last weight that was not 0, and this destination never had one."""
    assert lost_of_200_flows(ipvs, FLAG_SCHED2, 0) == 0


@pytest.mark.usefixtures("local_pool")
def test_counts_are_those_of_the_traffic(ipvs: Ipvs) -> None:
    assert lost_of_200_flows(ipvs, FLAG_SCHED2, 1) == 0
    counts: list[DestinationCounts] = []
    for _ in range(100):  # the kernel adds its counts up every two seconds
        observed = ipvs.observe()
        assert isinstance(observed, tuple)
        counts = [observed[1][WEB, at(address)] for address in ("192.0.2.11", "192.0.2.12")]
        if sum(count.connections for count in counts) == 200:
            break
        time.sleep(0.1)
    assert sum(count.connections for count in counts) == 200
    assert all(count.incoming_packets > count.connections > 0 for count in counts)
    assert sum(count.active_connections + count.inactive_connections for count in counts) == 200


def test_a_tunnel_of_the_other_family_is_carried_but_not_beside_a_sync_daemon(ipvs: Ipvs) -> None:
    six = DestinationKey(ip_address("2001:db8::11").packed, 80)
    assert ipvs.apply([AddService(WEB, Service("rr")), AddDestination(WEB, six, Destination(TUN, 1))]) == []
    ((change, code),) = ipvs.apply([AddDestination(WEB, DestinationKey(six.address, 81), Destination(MASQ, 1))])
    assert "by tunneling alone" in explain(change, code)
    assert ipvs.apply([RemoveDestination(WEB, six)]) == []
    ipvsadm("--start-daemon", "master", "--mcast-interface", "lo")
    change = AddDestination(WEB, six, Destination(TUN, 1))
    assert ipvs.apply([change]) == [(change, errno.EINVAL)]
    assert "not while a connection sync daemon runs" in explain(change, errno.EINVAL)
    ipvsadm("--stop-daemon", "master")
