"""Every check goes over the wire between the processes, and into the accepted configuration, as it is."""

import msgspec
import pytest

from haagent.config.check_shape import CHECK, TYPES
from haagent.config.checks import Check, ExecCheck
from haagent.processes.messages import Probe, SetProbes, decode_to_prober, encode
from tests.probe_play import DATAGRAMS, STREAMS

SAMPLES: tuple[Check, ...] = (*STREAMS, *DATAGRAMS, ExecCheck(name="exec", command=("/bin/true", "{address}")))


def test_every_type_has_a_sample() -> None:
    assert {check.__struct_config__.tag for check in SAMPLES} == set(TYPES) == set(CHECK.tables)


@pytest.mark.parametrize("check", SAMPLES, ids=lambda check: check.name)
def test_there_and_back(check: Check) -> None:
    said = decode_to_prober(encode(SetProbes((Probe(id=1, check=check, address="2001:db8::1", port=80),))))
    assert isinstance(said, SetProbes)
    assert said.probes[0].check == check
    assert type(said.probes[0].check) is type(check)
    assert hash(said.probes[0].check) == hash(check)  # identical probes are one
    assert msgspec.json.decode(msgspec.json.encode(check), type=Check) == check
