"""Gathering: what messages of the journal come to, before anything is written."""

from gateway.gather.gathering import Gathering
from gateway.gather.piles import late_of_many

__all__ = ["Gathering", "late_of_many"]
