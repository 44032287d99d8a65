"""A statement checked by anyone, from its files alone (semantics §8)."""
