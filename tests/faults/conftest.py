from collections.abc import Iterator

import pytest

from tests.faults.lab import Lab, lab


@pytest.fixture(scope="session")
def own_lab() -> Iterator[Lab]:
    with lab() as ours:
        yield ours


@pytest.fixture
def clean_lab(own_lab: Lab) -> Iterator[Lab]:
    with own_lab.emptied() as ours:
        yield ours
