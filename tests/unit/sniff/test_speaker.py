"""How long others wait for a source, and which checksum forms it uses."""

import pytest

from haagent.sniff.speaker import Speaker
from haagent.sniff.spoken import Spoken


def speaker(priority: int = 100, interval: float = 1.0) -> Speaker:
    spoken = Spoken(3, 51, priority, interval, (bytes((192, 0, 2, 100)),), "rfc9568")
    return Speaker(bytes((192, 0, 2, 1)), bytes(6), spoken, 255, 0.0, 10.0, {"rfc9568": 10.0})


def test_it_is_waited_for_as_long_as_the_most_patient_backup_waits() -> None:
    assert speaker(interval=0.1).patience == pytest.approx(0.3 + 255 / 2560)
    assert speaker().ended_at == pytest.approx(10 + 3 + 255 / 256)
    assert speaker(priority=0).ended_at == 10.0


@pytest.mark.parametrize(
    ("at", "form", "wanted"),
    [
        (10.001, "pseudo_header", "both"),  # a twin
        (11.0, "pseudo_header", "pseudo_header"),  # another form from now on
        (11.0, "rfc9568", "rfc9568"),
    ],
)
def test_a_twin_and_a_change(at: float, form: str, wanted: str) -> None:
    each = speaker()
    each.hear_form(form, at)
    assert list(each.forms) == (["rfc9568", "pseudo_header"] if wanted == "both" else [wanted])


def test_who_stops_to_send_twins() -> None:
    each = speaker()
    each.hear_form("pseudo_header", 10.001)
    each.hear_form("rfc9568", 11.0)
    assert each.form == "both"
    each.hear_form("rfc9568", 20.0)
    assert each.form == "rfc9568"
