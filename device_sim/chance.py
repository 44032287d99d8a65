"""Chance that can be looked up: the same question always draws the same number, in any order and on any computer.

A generator that is advanced would make a machine's Tuesday depend on whether its Monday was asked for. Here a draw is a
hash of (seed, purpose, index), so a month can be entered in the middle. Integers only, and a mixing function of our own
(splitmix64), because numpy promises no stable streams between its versions and sines differ between processors.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def draws(seed: int, purpose: str, indexes: Ints, below: int) -> Ints:
    """One integer in [0, below) for each index; `purpose` keeps what one seed is asked for apart."""
    assert 0 < below < 2**31
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    mixed = indexes.astype(np.uint64) * _GOLDEN + np.uint64(int.from_bytes(digest))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    mixed ^= mixed >> np.uint64(31)
    scaled = ((mixed >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32)
    return scaled.astype(np.int64)


def draw(seed: int, purpose: str, index: int, below: int) -> int:
    """One integer in [0, below)."""
    return int(draws(seed, purpose, np.array([index], dtype=np.int64), below)[0])


def wander(seed: int, purpose: str, indexes: Ints, every: int, below: int) -> Ints:
    """Like `draws`, but a line through one draw per `every` indexes: what drifts rather than jumps."""
    knots, along = indexes // every, indexes % every
    here, there = draws(seed, purpose, knots, below), draws(seed, purpose, knots + 1, below)
    return (here * (every - along) + there * along) // every
