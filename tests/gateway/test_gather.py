"""Gathering: the short way, by which most messages go, takes exactly what the careful way takes."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.gather import Gathering
from gateway.message import Message
from tests.gateway.site import MINUTE_MS, START_MS, Site, a_busy_day, telemetry, terms


def _plain_day(seed: int) -> list[Message]:
    """Plain messages of several forms: shared rules and others, late readings, large ones, strangers, restarts."""
    chance = random.Random(seed)
    found = []
    for number in range(300):
        values = [{"flow": number / 7}, {"pages": number}, {"pages": 3, "flow": 1}, {"flow": 2.5, "pages": True}]
        values += [{"flow": 1e300}, {"flow": 1, "noise": 2}, {"noise": 1}]
        chosen = chance.choice(values)
        times = [START_MS + (number - chance.choice([0, 0, 3, 40])) * MINUTE_MS + each for each in range(3)]
        boot = chance.choice([{}, {"boot": "a"}, {"boot": "b"}])
        sets = [{"t": each, "v": chosen, "seq": number, **boot} for each in times]
        content = chance.choice([sets[0], sets])
        found.append(
            telemetry(content, START_MS + number * MINUTE_MS * 10, chance.choice(["dev-1", "dev-2", "nobody"]))
        )
    return found


@pytest.mark.parametrize("day", [a_busy_day, _plain_day])
@pytest.mark.parametrize("seed", range(4))
def test_the_short_way_takes_what_the_careful_way_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: Callable[[int], list[Message]], seed: int
) -> None:
    """Blocks, lists and counts are the same in every row whether or not plain messages go the short way."""
    messages, dumps, taken = day(seed), [], []
    take_plain = Gathering._take_plain

    def counted(self: Gathering, position: int, number: int, message: Message) -> bool:
        taken.append(take_plain(self, position, number, message))
        return taken[-1]

    for name, way in (("short", counted), ("careful", lambda *_: False)):
        monkeypatch.setattr(Gathering, "_take_plain", way)
        with Site.open(tmp_path / name, air=terms(devices="dev-1, dev-2")) as site:
            for start in range(0, len(messages), 30):
                site.receive(*messages[start : start + 30])
            site.project(60)
            dumps.append(site.dump())
    assert dumps[0] == dumps[1]
    assert 0 < sum(taken) < len(taken)
