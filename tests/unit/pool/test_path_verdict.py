"""From the results through the virtual address to one sentence."""

import pytest
from msgspec.structs import replace

from haagent.pool.path_verdict import PathResult, is_obstructed, path_verdict
from tests.unit.build import real_server, service

WEB, RS1 = service(real_server(1)), real_server(1)
VIP = "198.51.100.100"
UP = PathResult("page", VIP, "up", "HTTP 200", "")
SILENT = PathResult("page", VIP, "down", "no answer to the connection within 1 s", "silent")
REFUSED = PathResult("page", VIP, "down", f"connection refused ({VIP}:80)", "refused")
OTHER = PathResult("page", VIP, "down", "HTTP 404, wanted 200", "", "the site has no /check.txt")
UNKNOWN = PathResult("page", VIP, "unknown", "not probed yet", "")
LOCAL = PathResult("page", VIP, "unknown", "this director cannot probe: it may not set the mark 5", "local")
TUNNELED = replace(RS1, forwarding_method="tunneling")


def said(*results: PathResult, own: str = "up", server=RS1, obstacle: str = "") -> tuple[str, str]:  # type: ignore[no-untyped-def]
    verdict = path_verdict(WEB, server, own, results, obstacle)  # type: ignore[arg-type]
    return verdict.state, verdict.sentence


@pytest.mark.parametrize(
    ("results", "state", "words"),
    [
        ([UP], "up", "page on 198.51.100.100: HTTP 200"),
        ([UP, SILENT], "down", "silent on the virtual address 198.51.100.100: the loopback address or weakhostreceive"),
        ([SILENT], "down", "weakhostsend, or a packet filter; run: haagent recipe web --os windows (or linux)"),
        ([REFUSED], "down", "the binding lacks the virtual address, so nothing listens there"),
        ([OTHER], "down", "page says HTTP 404, wanted 200: the site has no /check.txt: another site or binding"),
        ([UP, UNKNOWN], "not_tested", "path not tested: page on 198.51.100.100: not probed yet"),
        ([UNKNOWN, REFUSED], "down", "refuses"),
        ([], "not_tested", "path not tested: none of the checks can carry a mark"),
        ([LOCAL], "not_tested", "it may not set the mark 5"),
    ],
)
def test_the_worst_result_speaks(results, state, words):
    found = said(*results)
    assert found[0] == state
    assert words in found[1]


def test_a_tunnels_silence_has_other_causes():
    assert "does not take the tunnel's header off" in said(SILENT, server=TUNNELED)[1]
    unknown = PathResult("page", VIP, "down", "port unreachable", "no_protocol")
    assert "it does not know the protocol: ipip is not set up there" in said(unknown, server=TUNNELED)[1]


@pytest.mark.parametrize("result", [SILENT, REFUSED, OTHER])
def test_where_the_servers_own_address_fails_too_the_path_is_not_to_blame(result):
    state, sentence = said(result, own="down")
    assert state == "down"
    assert sentence.endswith("and so does the server's own address: heal that first")


def test_an_obstacle_is_said_and_never_ok():
    assert said(UP, obstacle="no IPVS service") == ("not_tested", "path not tested: no IPVS service")


def test_only_what_waiting_does_not_heal_is_an_obstruction():
    assert is_obstructed([LOCAL], "")
    assert is_obstructed([], "no IPVS service")
    assert not is_obstructed([UNKNOWN], "")
    assert not is_obstructed([UP], "")
