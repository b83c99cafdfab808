"""Files that drain real servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.pool.maintenance import drained_by_file, strangers, stricter, with_files
from haagent.pool.operator import Override
from tests.unit.build import real_server, service

WEB = service(real_server(1), real_server(2))
MAIL = service(real_server(1, port=25), name="mail", port=25)
SIX = service(name="six")
BOTH = (WEB, MAIL)
W1, W2, M1 = ("web", "rs1"), ("web", "rs2"), ("mail", "rs1")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("198.51.100.11", {W1, M1}),
        ("198.51.100.11:80", {W1}),
        ("rs1", {W1, M1}),
        ("rs1:25", {M1}),
        ("web:rs1", {W1}),
        ("rs2", {W2}),
        (".rs1", set()),
        ("rs1~", set()),
        ("#rs1#", set()),
        ("rs9", set()),
        ("198.51.100.11:81", set()),
    ],
)
def test_whom_a_file_means(name, expected):
    assert drained_by_file(BOTH, [name]) == dict.fromkeys(expected, name)


@pytest.mark.parametrize("name", ["2001:db8::11", "2001:DB8:0::11", "[2001:db8::11]:80", "[2001:db8::11]"])
def test_ipv6_in_every_spelling(name):
    from msgspec import structs

    server = structs.replace(real_server(1), address="2001:db8::11")
    assert drained_by_file([service(server)], [name]) == {W1: name}
    assert drained_by_file([service(server)], ["[2001:db8::11]:81"]) == {}


def test_a_file_that_means_nobody_is_named_and_a_backup_of_an_editor_is_not():
    assert strangers(BOTH, ["rs1", "rs7", ".keep", "old~"]) == ("rs7",)


def test_the_stricter_word_wins():
    services = {"web": WEB}
    drained, disabled = Override(admin="drained", actor="ann"), Override(admin="disabled", actor="ann")
    heavy = Override(weight=9, actor="ann")
    files = {W1: "rs1"}
    assert with_files(services, {}, files)[W1].admin == "drained"
    assert with_files(services, {W1: heavy}, files)[W1].admin == "drained"
    assert with_files(services, {W1: drained}, files)[W1] is drained
    assert with_files(services, {W1: disabled}, files)[W1] is disabled
    assert with_files(services, {W2: disabled}, files)[W2] is disabled
    assert with_files(services, {W1: heavy}, {}) == {W1: heavy}


def test_where_weight_0_would_refuse_clients_the_server_leaves():
    hashed = service(real_server(1), scheduler="mh")
    assert with_files({"web": hashed}, {}, {W1: "rs1"})[W1].admin == "disabled"
    kind = service(real_server(1), scheduler="mh", scheduler_flags=("fallback",))
    assert with_files({"web": kind}, {}, {W1: "rs1"})[W1].admin == "drained"


ADMIN = st.sampled_from(["enabled", "drained", "disabled"]).map(lambda admin: Override(admin=admin))


@given(ADMIN, ADMIN)
def test_the_order_of_two_words_does_not_matter(one, other):
    assert stricter(one, other).admin == stricter(other, one).admin


@given(st.text(max_size=40))
def test_any_name_is_an_answer(name):
    drained_by_file(BOTH, [name])
    strangers(BOTH, [name])
