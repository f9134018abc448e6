"""A number that looks random and is the same for ever: the MD5 of `<contact id>_<e-mail type>_<event year>`, as one integer.

Python's own hash() differs from process to process, and hashlib would be a loop over contacts; so MD5 (RFC 1321) on arrays. The few
texts that do not fit one block, of long types and ids beyond a million million, do go through hashlib.
"""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from campaigns.rules.calendar_days import years_of
from campaigns.rules.shapes import Array

BLOCK = 64  # bytes
LONGEST_TEXT = BLOCK - 9  # a mark and the length have to fit behind it
SINES = np.array([int(abs(math.sin(step + 1)) * 2**32) for step in range(64)], "u4")
TURNS = [turn for four in ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21)) for turn in four * 4]
WORDS = [(factor * step + shift) % 16 for factor, shift in ((1, 0), (5, 1), (3, 5), (7, 0)) for step in range(16)]
START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)


def remainders(ids: Array, kinds: Array, event_on: Array, *, names: Sequence[str], divisor: Array | int) -> Array:
    """The hash of each row modulo `divisor` (one for all, or one per row). Shapes: (rows,)."""
    if not len(ids):
        return np.zeros(0, "i8")
    years = years_of(event_on).astype("i8") + 1970
    rest = np.zeros(len(ids), "i8")
    for byte in md5(texts(ids, kinds, years, names=names)).T:
        rest = (rest * 256 + byte) % divisor
    return rest


def texts(ids: Array, kinds: Array, years: Array, *, names: Sequence[str]) -> Array:
    """`<id>_<type>_<year>` of each row, in ASCII."""
    middles = np.array([f"_{name}_".encode() for name in names])
    return np.strings.add(np.strings.add(ids.astype("S20"), middles[kinds]), years.astype("S4"))


def md5(text: Array) -> Array:
    """The digests of byte strings. Shape: (texts, 16), in uint8."""
    fits = np.strings.str_len(text) <= LONGEST_TEXT
    if not fits.all():
        found = np.empty((len(text), 16), "u1")
        found[~fits] = [list(hashlib.md5(one, usedforsecurity=False).digest()) for one in text[~fits].tolist()]
        found[fits] = md5(text[fits])
        return found
    lengths = np.strings.str_len(text)
    blocks = np.zeros((len(text), BLOCK), "u1")
    width = min(text.dtype.itemsize, BLOCK)
    blocks[:, :width] = np.ascontiguousarray(text).view("u1").reshape(len(text), -1)[:, :width]
    blocks[np.arange(len(text)), lengths] = 0x80
    words = np.ascontiguousarray(blocks.view("<u4").T)
    words[14] = lengths * 8
    a, b, c, d = (np.full(len(text), word, "u4") for word in START)
    for step in range(64):
        mixed = a + mix(b, c, d, step // 16) + SINES[step] + words[WORDS[step]]
        a, b, c, d = d, b + (mixed << TURNS[step] | mixed >> (32 - TURNS[step])), b, c
    state = np.stack([part + np.uint32(word) for part, word in zip((a, b, c, d), START, strict=True)], axis=1)
    return state.astype("<u4").view("u1")


def mix(b: Array, c: Array, d: Array, turn: int) -> Array:
    """The function of each of MD5's four turns."""
    if turn == 0:
        return b & c | ~b & d
    if turn == 1:
        return d & b | ~d & c
    return b ^ c ^ d if turn == 2 else c ^ (b | ~d)
