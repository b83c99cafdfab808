"""Whom an operator means, and what is refused."""

import pytest
from msgspec import structs

from haagent.pool.desired import pool
from haagent.pool.operator import Override
from haagent.pool.selection import empties, refuse, select
from tests.unit.build import real_server, service

WEB = service(real_server(1), real_server(2))
MAIL = service(real_server(1, port=25), name="mail", port=25)
SERVICES = (WEB, MAIL)
GONE = {("web", "rs9"): Override(admin="drained"), ("web", "rs8"): Override()}
DRAIN = Override(admin="drained")


@pytest.mark.parametrize(
    ("server", "name", "found"),
    [
        ("rs1", "", [("web", "rs1"), ("mail", "rs1")]),
        ("web/rs1", "", [("web", "rs1")]),
        ("rs1", "mail", [("mail", "rs1")]),
        ("", "web", [("web", "rs1"), ("web", "rs2"), ("web", "rs9")]),
        ("rs9", "", [("web", "rs9")]),  # not configured any more, but spoken of
        ("rs8", "", 'there is no real server "rs8"; see `haagent status`'),
        ("rs7", "web", 'there is no real server "rs7" in web; see `haagent status`'),
        ("", "", "which real server? Give a name, SERVICE/SERVER, or --service NAME"),
        ("", "ftp", 'there is no virtual service "ftp"; see `haagent status`'),
        ("ftp/rs1", "", 'there is no virtual service "ftp"; see `haagent status`'),
    ],
)
def test_select(server: str, name: str, found: object) -> None:
    assert select(SERVICES, GONE, server, name) == found


def said(service_, word: Override, expires: bool | None = False) -> str:  # type: ignore[no-untyped-def]
    return refuse({"web": service_}, [("web", "rs1")], word, expires_templates=expires) or ""


@pytest.mark.parametrize("scheduler", ["mh", "sh"])
@pytest.mark.parametrize("word", [DRAIN, Override(weight=0)])
def test_weight_zero_needs_the_fallback(scheduler: str, word: Override) -> None:
    bare = service(real_server(1), scheduler=scheduler)
    assert "without fallback" in said(bare, word)
    assert said(service(real_server(1), scheduler=scheduler, scheduler_flags=("fallback",)), word) == ""
    assert said(bare, Override(admin="disabled")) == said(bare, Override(weight=1)) == said(bare, Override()) == ""


@pytest.mark.parametrize(
    ("choice", "expires", "part"),
    [
        ("", None, ""),
        ("expire", True, ""),
        ("keep", False, ""),
        ("expire", False, "set it to 1 under [sysctl]"),
        ("keep", True, "set it to 0 under [sysctl]"),
        ("keep", None, "cannot be read"),
    ],
)
def test_templates_are_expired_for_all_or_none(choice: str, expires: bool | None, part: str) -> None:
    persistent = structs.replace(WEB, persistence_timeout=300)
    sentence = said(persistent, structs.replace(DRAIN, persistent=choice), expires)
    assert part in sentence
    assert bool(sentence) == bool(part)


def test_a_choice_without_persistence_is_refused() -> None:
    assert "has no persistence" in said(WEB, structs.replace(DRAIN, persistent="keep"))


def test_a_service_that_is_gone_can_only_be_enabled() -> None:
    assert refuse({}, [("web", "rs9")], Override(), expires_templates=None) is None
    assert "any more" in (refuse({}, [("web", "rs9")], DRAIN, expires_templates=None) or "")


def test_empties() -> None:
    def made(service_, state: str):  # type: ignore[no-untyped-def]
        return {"web": pool(service_, lambda _: state, {})}  # type: ignore[arg-type, return-value]

    up, down = made(WEB, "up"), made(WEB, "down")
    assert "--force" in (empties(up, down, {"web": WEB}) or "")
    assert empties(up, up, {"web": WEB}) is None
    assert empties(down, down, {"web": WEB}) is None
    assert empties({}, down, {"web": WEB}) is None
    spare = service(real_server(1), sorry=True)
    assert empties(made(spare, "up"), made(spare, "down"), {"web": spare}) is None
