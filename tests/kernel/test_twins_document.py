"""docs/twins.md is what the twins' test plays. After a change: `python -m tests.kernel.test_twins_document`."""

from pathlib import Path

from tests.kernel.twins import render

PAGE = Path(__file__).parents[2] / "docs/twins.md"


def test_the_page_is_that_of_the_test() -> None:
    assert PAGE.read_text() == render()


if __name__ == "__main__":
    PAGE.write_text(render())
