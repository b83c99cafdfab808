"""`haagent schema`."""

import json

from haagent.cli.main import main
from haagent.config.schema import schema


def test_it_prints_the_schema_and_nothing_else(capsys):
    assert main(["schema"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == schema()
    assert printed.err == ""
