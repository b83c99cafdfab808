"""Writes docs/rfc9568.md from tests/rfc/requirements.py. With --check it says whether the page is up to date."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.rfc.requirements import REQUIREMENTS, Requirement  # noqa: E402

PAGE = ROOT / "docs" / "rfc9568.md"
HEAD = """# RFC 9568, requirement by requirement

What the standard demands of a VRRP router, in our words, and the tests that show it: in the third column those in which
it is so, in the fourth those in which the contrary is refused or does not happen. The last number of an id is ours. The
page is made by `tools/compliance.py` from `tests/rfc/requirements.py`; `make check` fails when it is out of date.

"""


def render(requirements: Iterable[Requirement]) -> str:
    lines = ["| id | what | it is so | the contrary |", "|---|---|---|---|"]
    for each in requirements:
        what = f"**{each.strength}** {each.text}" + (f" *{each.why}*" if each.why else "")
        lines.append(f"| {each.id} | {what} | {_tests(each.positive)} | {_tests(each.negative)} |")
    tested = sum(bool(each.positive and each.negative) for each in REQUIREMENTS)
    told = sum(bool(each.why) for each in REQUIREMENTS)
    foot = f"\n{len(REQUIREMENTS)} requirements, {tested} with tests of both kinds, {told} with a remark.\n"
    return HEAD + "\n".join(lines) + "\n" + foot


def _tests(names: Iterable[str]) -> str:
    return "<br>".join(f"`{each.removeprefix('tests/').replace('|', '/')}`" for each in names) or "-"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = render(REQUIREMENTS)
    if options.check:
        if PAGE.read_text() != page:
            print(f"{PAGE.relative_to(ROOT)} is out of date: run tools/compliance.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
