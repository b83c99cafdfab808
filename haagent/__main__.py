"""`python -m haagent`, and the `haagent` command."""

from haagent.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
