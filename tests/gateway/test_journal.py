"""The journal keeps what came in: in order, whole, provably unaltered."""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.journal import GENESIS, Journal, JournalError, Kind, Message
from gateway.message import Cut, pack, unpack, within

NOON_MS = 1_767_225_600_000


def messages(*payloads: bytes, at_ms: int = NOON_MS) -> tuple[Message, ...]:
    """Messages of these payloads, one millisecond apart."""
    return tuple(Message("telemetry/a", payload, at_ms + number) for number, payload in enumerate(payloads))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A new journal."""
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def test_what_was_appended_is_read_back_in_order(journal: Journal) -> None:
    """Every field of every message comes back, batch by batch, with positions from 1 without gaps."""
    first = (
        Message("telemetry/a", b"\x00\xff", NOON_MS),
        Message("status/a", b"", NOON_MS + 1, retained=True),
        Message("event/a", b"{}", NOON_MS + 1, Kind.EVENT),
        Message("telemetry/a", b"the beginning", NOON_MS + 2, cut=Cut(10_000_000, bytes(range(32)))),
    )
    second = messages(b"later", at_ms=NOON_MS + 3)
    assert [journal.append(first).position, journal.append(second).position] == [1, 2]
    assert [(batch.position, batch.messages) for batch in journal.read()] == [(1, first), (2, second)]
    assert [batch.position for batch in journal.read(after=1)] == [2]


def test_reading_stops_at_the_limit_but_never_inside_a_batch(journal: Journal) -> None:
    """A projector that asks for a few messages gets whole batches, at least one."""
    for _ in range(5):
        journal.append(messages(b"a", b"b", b"c"))
    assert [batch.position for batch in journal.read(limit_messages=1)] == [1]
    assert [batch.position for batch in journal.read(after=1, limit_messages=4)] == [2, 3]


def test_the_tip_names_the_last_batch_and_survives_reopening(tmp_path: Path) -> None:
    """A statement cut at the tip finds the same batch and hash after a restart."""
    with Journal.open(tmp_path / "journal.db") as journal:
        assert journal.tip() == GENESIS
        tip = journal.append(messages(b"a"))
        assert journal.tip() == tip
    with Journal.open(tmp_path / "journal.db") as journal:
        assert journal.tip() == tip
        (batch,) = journal.read()
        assert (batch.sha256, batch.previous_sha256) == (tip.sha256, GENESIS.sha256)


def test_arrival_never_steps_back(tmp_path: Path) -> None:
    """A clock set back leaves later messages at the last arrival, across batches and restarts (semantics §1)."""
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.append(messages(b"a", at_ms=NOON_MS))
        journal.append(messages(b"b", b"c", at_ms=NOON_MS - 3_600_000))
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.append((Message("t", b"d", NOON_MS + 5), Message("t", b"e", NOON_MS + 4)))
        arrivals = [message.arrival_ms for batch in journal.read() for message in batch.messages]
    assert arrivals == [NOON_MS, NOON_MS, NOON_MS, NOON_MS + 5, NOON_MS + 5]


def test_the_file_refuses_changes(journal: Journal, tmp_path: Path) -> None:
    """Whoever opens the file with another program cannot change or remove a batch by accident."""
    journal.append(messages(b"a"))
    other = sqlite3.connect(tmp_path / "journal.db")
    for statement in ("UPDATE batch SET messages = 0", "DELETE FROM batch"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()


@pytest.mark.parametrize(
    ("position", "statement", "reason"),
    [
        (3, "UPDATE batch SET body = (SELECT body FROM batch WHERE position = 1) WHERE position = 3", "messages"),
        (4, "DELETE FROM batch WHERE position = 4", "missing"),
        (2, "UPDATE batch SET body = x'00' WHERE position = 2", "cannot be read"),
        (5, "UPDATE batch SET messages = 7 WHERE position = 5", "messages"),
        (2, "UPDATE batch SET sha256 = zeroblob(32), previous_sha256 = zeroblob(32) WHERE position = 2", "follow"),
    ],
)
def test_an_alteration_is_found_and_named(tmp_path: Path, position: int, statement: str, reason: str) -> None:
    """Even someone who removes the guards cannot alter a batch unseen: its position is named."""
    with Journal.open(tmp_path / "journal.db") as journal:
        for number in range(6):
            journal.append(messages(b"a%d" % number))
        assert journal.verify_chain() is None
    other = sqlite3.connect(tmp_path / "journal.db")
    other.executescript("DROP TRIGGER batch_is_never_changed; DROP TRIGGER batch_is_never_removed")
    other.execute(statement)
    other.commit()
    other.close()
    with Journal.open(tmp_path / "journal.db") as journal:
        broken = journal.verify_chain()
        assert broken is not None
        assert broken.position == position
        assert reason in broken.reason


def test_after_a_full_disk_the_same_batch_is_written_once(journal: Journal) -> None:
    """An append that failed for want of space raises, and succeeds once there is room, with nothing doubled."""
    journal.append(messages(b"a"))
    noise = b"".join(number.to_bytes(4, "big") for number in range(250_000))
    assert journal._writer is not None
    journal._writer.execute("PRAGMA max_page_count = 20")  # of this connection only: the next one has room again
    with pytest.raises(JournalError, match="full"):
        journal.append(messages(noise))
    assert journal.tip().position == 1
    assert journal.append(messages(noise)).position == 2
    assert [batch.messages for batch in journal.read(after=1)] == [messages(noise)]


def test_an_append_whose_answer_was_lost_is_not_repeated(journal: Journal) -> None:
    """Where the commit reached the disk but its answer did not reach us, appending again finds the batch."""
    real = journal._writer
    assert real is not None
    journal._writer = DeafConnection(real)  # type: ignore[assignment]
    with pytest.raises(JournalError, match="disk I/O error"):
        journal.append(messages(b"a"))
    assert journal.append(messages(b"a")).position == 1
    assert journal.append(messages(b"a")).position == 2


class DeafConnection:
    """A connection whose COMMIT works but says it did not; no real disk does this on demand."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real

    def execute(self, statement: str, *arguments: object) -> sqlite3.Cursor:
        """Do it, then fail if it was the COMMIT."""
        cursor = self._real.execute(statement, *arguments)  # type: ignore[arg-type]
        if statement == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return cursor

    def close(self) -> None:
        """Close the real one."""
        self._real.close()


def test_a_journal_that_vanished_is_not_begun_anew(journal: Journal, tmp_path: Path) -> None:
    """If the file is gone when it is opened again, that is an error, not a new journal from position 1."""
    journal.append(messages(b"a"))
    journal._reopen_next_time()
    for file in tmp_path.glob("journal.db*"):
        file.unlink()
    with pytest.raises(JournalError, match="cannot be opened"):
        journal.append(messages(b"b"))


def test_two_writers_make_one_chain(tmp_path: Path) -> None:
    """A command that appends an event while the gateway runs continues the same chain."""
    with Journal.open(tmp_path / "journal.db") as gateway, Journal.open(tmp_path / "journal.db") as command:
        writers = [
            threading.Thread(target=lambda each=each: [each.append(messages(b"x")) for _ in range(30)])
            for each in (gateway, command)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert gateway.tip().position == 60
        assert command.verify_chain() is None


def test_appending_and_reading_in_different_threads(journal: Journal) -> None:
    """The projector reads whole batches while the writer's thread goes on."""
    writer = threading.Thread(target=lambda: [journal.append(messages(b"x", b"y")) for _ in range(100)])
    writer.start()
    seen = 0
    while seen < 100:
        for batch in journal.read(after=seen):
            assert (batch.position, len(batch.messages)) == (seen + 1, 2)
            seen = batch.position
    writer.join()


def _not_a_database(path: Path) -> None:
    path.write_bytes(b"\x89PNG" * 4096)


def _another_program(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE batch (x)")
    other.close()


def _a_newer_version(path: Path) -> None:
    Journal.open(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [(_not_a_database, "not a journal"), (_another_program, "another program"), (_a_newer_version, "newer Fairmeter")],
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, prepare: Callable[[Path], None], reason: str) -> None:
    """Opening something else says what it is and changes nothing in it."""
    path = tmp_path / "journal.db"
    prepare(path)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=reason):
        Journal.open(path)
    assert path.read_bytes() == before


def test_a_missing_folder_is_said_plainly(tmp_path: Path) -> None:
    """A wrong path in the settings gives a sentence, not a traceback from SQLite."""
    with pytest.raises(JournalError, match="check that its folder exists"):
        Journal.open(tmp_path / "nowhere" / "journal.db")


_topics = st.one_of(
    st.text(max_size=50).filter(lambda topic: "\0" not in topic and topic.isprintable()),
    st.binary(max_size=50).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.just("long/" * 12_000),
)
_messages = st.builds(
    Message,
    topic=_topics,
    payload=st.binary(max_size=200),
    arrival_ms=st.integers(0, 1 << 50),
    kind=st.sampled_from(Kind),
    retained=st.booleans(),
    cut=st.none() | st.builds(Cut, st.integers(0, 1 << 40), st.binary(min_size=32, max_size=32)),
)


@settings(deadline=None, max_examples=100)
@given(st.lists(_messages, min_size=1, max_size=8))
def test_any_message_is_packed_without_loss(given_messages: list[Message]) -> None:
    """Whatever bytes a topic or payload holds, they come back; only an arrival may be raised."""
    body, last_ms = pack(given_messages, 0)
    back = unpack(body)
    highest = 0
    for sent, kept in zip(given_messages, back, strict=True):
        highest = max(highest, sent.arrival_ms)
        assert kept.arrival_ms == highest
        assert kept._replace(arrival_ms=0) == sent._replace(arrival_ms=0)
    assert last_ms == highest


@settings(deadline=None, max_examples=100)
@given(st.lists(_messages.filter(lambda each: len(each.topic) < 100), min_size=1, max_size=4), st.data())
def test_a_body_cut_short_is_refused(given_messages: list[Message], data: st.DataObject) -> None:
    """Part of a batch is never mistaken for a whole message."""
    body, _ = pack(given_messages, 0)
    short = body[: data.draw(st.integers(0, len(body) - 1))]
    try:
        back = unpack(short)
    except ValueError:
        return
    whole = unpack(body)
    assert back == whole[: len(back)]
    assert len(back) < len(whole)


def test_an_oversized_payload_keeps_its_length_hash_and_beginning() -> None:
    """A payload at the limit is kept whole; one byte more, and 4 KiB and the proof of the rest are kept."""
    assert within(b"x" * 10, 10) == (b"x" * 10, None)
    kept, cut = within(b"x" * 10_000, 9_999)
    assert kept == b"x" * 4096
    assert cut is not None
    assert cut.length == 10_000
    assert cut.sha256 == hashlib.sha256(b"x" * 10_000).digest()
