"""Writes docs/anchors.md from tests/anchors.py. With --check it says whether the page is up to date."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.anchors import CHAPTERS, Chapter  # noqa: E402

PAGE = ROOT / "docs" / "anchors.md"
HEAD = """# What came before, row by row, and its tests

What PEN, LVS, BalanceNG and Piranha do with IPVS or by an agent of their own, how it is said here, and the tests that
play it; then what none of them promises. Tests under `kernel/inside_*` run on a kernel with IPVS, with traffic.
The page is made by `tools/anchors.py` from `tests/anchors.py`; `make check` fails when it is out of date.
"""


def render(chapters: Iterable[Chapter]) -> str:
    lines = [HEAD]
    for chapter in chapters:
        lines += [f"## {chapter.title}\n", "| what | here | tests |", "|---|---|---|"]
        for row in chapter.rows:
            here = f"{row.here} *{row.why}*" if row.why else row.here
            tests = "<br>".join(f"`{each.removeprefix('tests/')}`" for each in row.tests) or "-"
            lines.append(f"| {row.what} | {here.removeprefix('- ')} | {tests} |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = render(CHAPTERS)
    if options.check:
        if PAGE.read_text() != page:
            print(f"{PAGE.relative_to(ROOT)} is out of date: run tools/anchors.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
