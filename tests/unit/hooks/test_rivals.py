"""An Active router that outlived a rival is told once; a takeover and a peaceful life are not."""

from haagent.hooks.rivals import QUIET, Rivals


def test_a_rival_that_falls_silent() -> None:
    rivals = Rivals()
    rivals.reported("web", "active", 10, 0)
    rivals.reported("web", "active", 12, 2)
    rivals.reported("web", "active", 14, 4)
    assert rivals.due(4 + QUIET - 0.1) == []
    rivals.reported("web", "active", 14, 6)  # a report about something else
    assert rivals.due(4 + QUIET) == ["web"]
    assert rivals.due(100) == []


def test_what_a_backup_router_hears_is_the_active_one() -> None:
    rivals = Rivals()
    rivals.reported("web", "backup", 10, 0)
    rivals.reported("web", "backup", 20, 2)
    rivals.reported("web", "active", 21, 4)
    assert rivals.due(100) == []


def test_the_loser_of_a_split_has_a_transition_of_its_own() -> None:
    rivals = Rivals()
    rivals.reported("web", "active", 10, 0)
    rivals.reported("web", "active", 12, 2)
    rivals.reported("web", "backup", 14, 4)
    assert rivals.due(100) == []


def test_a_vrrp_process_that_starts_again_counts_anew() -> None:
    rivals = Rivals()
    rivals.reported("web", "active", 10, 0)
    rivals.reported("web", "active", 0, 2)
    assert rivals.due(100) == []
