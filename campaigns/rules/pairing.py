"""Which record belongs to which, where nobody has said so: each has one partner at the most, and the best pairs are made first."""

import numpy as np

from campaigns.rules.shapes import Array, numbered


def joined(ours: tuple[Array, ...], theirs: tuple[Array, ...]) -> tuple[Array, Array]:
    """All pairs with equal keys, as positions among ours and theirs. A key has one array per part."""
    both = numbered([np.concatenate(parts) for parts in zip(ours, theirs, strict=True)])
    here, there = both[: len(ours[0])], both[len(ours[0]) :]
    order = np.argsort(there, kind="stable")
    first, last = (np.searchsorted(there[order], here, side=side) for side in ("left", "right"))
    several = last - first
    nth = np.arange(several.sum()) - np.repeat(np.cumsum(several) - several, several)
    return np.repeat(np.arange(len(here)), several), order[np.repeat(first, several) + nth]


def one_to_one(ours: Array, theirs: Array) -> Array:
    """Which of the pairs, best first, are made: those neither side of which is in a better one that is made. Shape: (pairs,)."""
    made = np.zeros(len(ours), bool)
    taken: tuple[set[int], set[int]] = set(), set()
    for number, (mine, yours) in enumerate(zip(ours.tolist(), theirs.tolist(), strict=True)):
        if mine not in taken[0] and yours not in taken[1]:
            made[number] = True
            taken[0].add(mine)
            taken[1].add(yours)
    return made
