"""Settings of every test."""

import signal

from hypothesis import settings

# The same examples in every run, however slow the machine: `make fuzz` is the place for new ones
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

# A shell starts background jobs with SIGINT ignored, and every child inherits that: tests of Ctrl-C would
# wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
