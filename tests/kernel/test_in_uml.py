"""One test for each `inside_*.py`: the file passes in the user-mode kernel. How to add one: see conftest.py."""

import sys
from pathlib import Path

import pytest

from haagent.lab.uml import kernel_has_ipvs, run_in_uml, uml_available

HERE = Path(__file__).parent
# Few plugins: each import is slow inside. No cache: the checkout is read through an overlay that is thrown away.
PYTEST = (
    "-m",
    "pytest",
    "-p",
    "pytest_timeout",
    "-p",
    "no:cacheprovider",
    "--color=no",
    "-rA",
    "--durations=5",
    "--timeout=120",
)


@pytest.mark.uml
@pytest.mark.timeout(900)
@pytest.mark.skipif(kernel_has_ipvs(), reason="this kernel has IPVS: the files inside_*.py are collected directly")
@pytest.mark.parametrize("path", sorted(HERE.glob("inside_*.py")), ids=lambda path: path.stem)
def test_passes_in_the_user_mode_kernel(path: Path) -> None:
    missing = uml_available()
    assert missing is None, missing  # a skip would hide that nothing was proven
    result = run_in_uml(
        [sys.executable, *PYTEST, str(path)],
        timeout=870,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(HERE.parents[1])},
    )
    print(result.output, result.failure, sep="\n")
    assert result.returncode == 0
