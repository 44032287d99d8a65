"""Ingest in a world that kills it, loses its connection and mixes up its messages (architecture, guarantee 1)."""

from pathlib import Path

import pytest

from gateway.journal import Journal
from tests.simulation.world import World


def assert_all_is_well(world: World) -> None:
    """Every promise at the end of a run: nothing lost, nothing owed."""
    on_disk = world.disk.payloads
    assert set(world.published) <= on_disk
    assert set(world.published) == set(world.acknowledged)
    assert not world.broker.in_flight and not world.broker.waiting
    assert all(f"ticket {ticket}".encode() in on_disk for ticket in world.answered)


def test_killed_between_any_two_effects_nothing_acknowledged_is_lost() -> None:
    """Whichever effect the gateway dies before, all that was published is on disk in the end, acknowledged once."""
    deaths = 0
    for seed in range(30):
        calm = World(seed)
        calm.run(60)
        for kill_at in range(1, calm.effects + 1):
            world = World(seed, kill_at=kill_at)
            world.run(60)
            assert_all_is_well(world)
            deaths += world.kills
    assert deaths > 1_500


@pytest.mark.parametrize("first_seed", range(0, 1_200, 400))
def test_redelivery_and_disorder_lose_nothing(first_seed: int) -> None:
    """With lost connections, failed writes and identifiers used again, each delivery is acknowledged once, in order."""
    redelivered = 0
    for seed in range(first_seed, first_seed + 400):
        world = World(seed)
        world.run(150)
        assert_all_is_well(world)
        redelivered += sum(len(batch) for batch in world.disk.batches) - len(world.published) - world.tickets
    assert redelivered > 0


def test_in_order_and_undisturbed_the_disk_has_the_order_of_the_broker() -> None:
    """Without disturbance messages are on disk exactly once, in the order in which the broker sent them."""
    for seed in range(200):
        world = World(seed, disorder=False)
        world.connect()
        for _ in range(40):
            world.publish()
        while able := [each for each in world.possible(calm=True) if each != world.connect]:
            world.chance.choice(able)()
        assert [message.payload for batch in world.disk.batches for message in batch] == world.published
        assert world.acknowledged == world.published


def test_memory_is_bounded_whatever_the_broker_sends() -> None:
    """While nothing can be written, at most the limit of messages is taken from the broker."""
    for seed in range(100):
        world = World(seed)
        world.connect()
        for _ in range(3_000):
            world.publish()
        while world.reading and world.broker.waiting and len(world.broker.in_flight) < world.broker.max_in_flight:
            world.receive()
        assert len(world.broker.in_flight) <= max(world.broker.max_in_flight, 1_000)
        limit = world.ingest._limits.waiting_messages
        assert len(world.ingest._waiting) + len(world.ingest._batch) <= limit


def test_a_real_journal_holds_what_the_simulated_disk_holds(tmp_path: Path) -> None:
    """The same storms over a real journal file end with the same messages, arrival never stepping back."""
    for seed in range(25):
        with Journal.open(tmp_path / f"{seed}.journal") as journal:
            world = World(seed, write=lambda messages, journal=journal: journal.append(messages).position)  # type: ignore[misc]
            world.run(100)
            assert_all_is_well(world)
            kept = [message for batch in journal.read() for message in batch.messages]
            assert [each.payload for each in kept] == [each.payload for batch in world.disk.batches for each in batch]
            assert [each.arrival_ms for each in kept] == sorted(each.arrival_ms for each in kept)
            assert journal.verify_chain() is None
