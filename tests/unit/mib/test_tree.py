"""Get and GetNext against the plain definition: the first of all instances, in order, beyond the start."""

from hypothesis import given
from hypothesis import strategies as st

from haagent.agentx.varbind import Kind, Oid, Varbind
from haagent.mib.tree import SCALAR, Column, Tree

SUFFIXES = ((1, 5), (1, 7), (2,), (2, 1))


def number(row: int) -> int:
    return row


TREE = Tree(
    [
        Column((1, 3, 2, 1, 2), Kind.INTEGER, number, SUFFIXES, (10, 11, 12, 13)),
        Column((1, 3, 2, 1, 3), Kind.GAUGE32, number, SUFFIXES, (20, 21, 22, 23)),
        Column((1, 3, 1, 1), Kind.INTEGER, number, SCALAR, (7,)),
        Column((1, 3, 3, 1), Kind.INTEGER, number, (), ()),
        Column((1, 3, 4), Kind.INTEGER, number, SCALAR, (9,)),
    ]
)
ALL = TREE.walk()
OIDS = st.lists(st.integers(0, 7), max_size=8).map(tuple) | st.sampled_from([varbind.name for varbind in ALL])


def test_a_walk_is_in_the_order_of_the_identifiers_column_by_column() -> None:
    assert [(varbind.name, varbind.content) for varbind in ALL] == [
        ((1, 3, 1, 1, 0), 7),
        ((1, 3, 2, 1, 2, 1, 5), 10),
        ((1, 3, 2, 1, 2, 1, 7), 11),
        ((1, 3, 2, 1, 2, 2), 12),
        ((1, 3, 2, 1, 2, 2, 1), 13),
        ((1, 3, 2, 1, 3, 1, 5), 20),
        ((1, 3, 2, 1, 3, 1, 7), 21),
        ((1, 3, 2, 1, 3, 2), 22),
        ((1, 3, 2, 1, 3, 2, 1), 23),
        ((1, 3, 4, 0), 9),
    ]
    assert [varbind.name for varbind in ALL] == sorted(varbind.name for varbind in ALL)


@given(OIDS, st.booleans(), OIDS)
def test_get_next_is_the_first_instance_in_the_range(start: Oid, include: bool, end: Oid) -> None:
    expected = [
        varbind
        for varbind in ALL
        if (varbind.name > start or (include and varbind.name == start)) and (not end or varbind.name < end)
    ]
    assert TREE.get_next(start, include, end) == (expected[0] if expected else None)


@given(OIDS)
def test_get_finds_exactly_the_instances(name: Oid) -> None:
    found = TREE.get(name)
    known = {varbind.name: varbind for varbind in ALL}
    assert found.name == name
    assert found == known.get(name, found)
    assert (found.kind in (Kind.NO_SUCH_OBJECT, Kind.NO_SUCH_INSTANCE)) is (name not in known)


def test_get_tells_an_unknown_object_from_an_unknown_instance() -> None:
    assert TREE.get((1, 3, 2, 1, 2, 9)) == Varbind((1, 3, 2, 1, 2, 9), Kind.NO_SUCH_INSTANCE)
    assert TREE.get((1, 3, 3, 1, 1)) == Varbind((1, 3, 3, 1, 1), Kind.NO_SUCH_INSTANCE)  # a table without rows
    assert TREE.get((1, 3, 2, 1, 9, 1)) == Varbind((1, 3, 2, 1, 9, 1), Kind.NO_SUCH_OBJECT)
    assert TREE.get((1,)) == Varbind((1,), Kind.NO_SUCH_OBJECT)


def test_an_empty_tree_has_nothing() -> None:
    assert Tree().get_next(()) is None
    assert Tree().get((1,)).kind is Kind.NO_SUCH_OBJECT


def test_a_value_is_made_when_somebody_asks() -> None:
    asked: list[int] = []

    def content(row: int) -> int:
        asked.append(row)
        return row

    tree = Tree([Column((1, 1), Kind.INTEGER, content, [(n,) for n in range(1000)], range(1000))])
    assert tree.get_next((1, 1, 500)) == Varbind((1, 1, 501), Kind.INTEGER, 501)
    assert asked == [501]
