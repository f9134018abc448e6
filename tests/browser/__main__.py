"""`python -m tests.browser` takes the README's pictures anew, into docs/tour."""

import sys
from pathlib import Path

import pytest

sys.exit(pytest.main([str(Path(__file__).with_name("tour.py")), "-q", *sys.argv[1:]]))
