"""The book of contracts: what is in force, and what keeps a file out of it."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.readings import Clock
from contracts.units import DAY_MS
from gateway.book import Book, load_book
from tests.gateway.site import terms


def book_of(folder: Path, **texts: str) -> tuple[Book, list[str]]:
    """The book of these files, and its problems as `file: message`."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    book, problems = load_book(folder)
    return book, [f"{Path(problem.path).stem}: {problem.message}" for problem in problems]


def test_a_contract_is_kept_with_its_text_and_digest(tmp_path: Path) -> None:
    """The text that a statement cites is the file's, to the byte."""
    text = terms(devices="dev-1, dev-2") + "# agreed in Gent, at 7 °C\n"
    book, problems = book_of(tmp_path, air=text)
    assert problems == []
    assert [contract.text for contract in book.versions("AIR")] == [text]
    assert book.devices == {"dev-1", "dev-2"}


def test_a_channel_has_the_resolution_and_clock_of_its_contract(tmp_path: Path) -> None:
    """Readings become ticks, and are late or not, by what the contract says; unnamed channels have no rule."""
    book, _ = book_of(tmp_path, air=terms())
    rule = book.channel("dev-1", "flow")
    assert rule is not None
    assert rule.resolution == Decimal("0.01")
    assert rule.clock == Clock(300_000, 90 * DAY_MS)
    assert book.channel("dev-1", "noise") is None
    assert book.channel("dev-9", "flow") is None


def test_each_version_is_in_force_from_its_own_first_day(tmp_path: Path) -> None:
    """A period is computed by the version that is in force at its start."""
    book, problems = book_of(tmp_path, old=terms(), new=terms(version=2, begins="2026-03-01"))
    assert problems == []
    found = [book.terms_for("AIR", day).version for day in (date(2026, 2, 28), date(2026, 3, 1), date(2027, 1, 1))]
    assert found == [1, 2, 2]


def test_a_first_period_that_begins_before_the_contract_is_the_first_version_s(tmp_path: Path) -> None:
    """A contract from the 15th answers for the whole of its first month, and for nothing before it."""
    book, _ = book_of(tmp_path, air=terms(begins="2026-01-15"))
    assert book.terms_for("AIR", date(2026, 1, 1)).id == "AIR"
    with pytest.raises(KeyError, match="2025-12-31"):
        book.terms_for("AIR", date(2025, 12, 31))
    with pytest.raises(KeyError, match="INK"):
        book.terms_for("INK", date(2026, 1, 1))


def test_a_file_with_faults_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    """One broken contract never stops the billing of another."""
    (tmp_path / "scan.yaml").write_bytes(b"\x89PNG\xff\xfe")
    (tmp_path / "empty.yml").write_text("")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 5_000_000)
    (tmp_path / "notes.txt").write_text("not a contract")
    (tmp_path / "folder.yaml").mkdir()
    book, problems = book_of(tmp_path, air=terms(), typo=terms("INK").replace("currency", "curency"))
    assert [contract.terms.id for contract in book.contracts] == ["AIR"]
    assert sorted({problem.split(":")[0] for problem in problems}) == ["empty", "folder", "huge", "scan", "typo"]


def test_a_folder_that_is_not_there_is_a_problem() -> None:
    """A wrong setting is told, not taken for a gateway without contracts."""
    book, problems = load_book(Path("no/such/folder"))
    assert book.contracts == ()
    assert "no such folder" in problems[0].message


def test_the_same_version_twice_puts_neither_in_force(tmp_path: Path) -> None:
    """Nobody is billed by whichever of two texts comes first in the alphabet."""
    book, problems = book_of(tmp_path, air=terms(), copy=terms(resolution="0.1"), ink=terms("INK", devices="dev-7"))
    assert [contract.terms.id for contract in book.contracts] == ["INK"]
    assert [problem.split(";")[0] for problem in problems] == [
        "air: version 1 of AIR is also in copy.yaml",
        "copy: version 1 of AIR is also in air.yaml",
    ]


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (terms(version=2, begins="2026-03-10"), "inside the period 2026-03"),
        (terms(version=2, begins="2026-03-01", resolution="0.1"), "the resolution of flow was 0.01 in version 1"),
        (terms(version=2), "does not begin after version 1"),
        (terms("INK", begins="2026-02-01", resolution="1"), "flow of dev-1 has the resolution 0.01 in AIR"),
    ],
)
def test_a_later_file_that_disagrees_is_left_out_with_its_line(tmp_path: Path, later: str, said: str) -> None:
    """What was agreed first stands; the author of the later file is shown the line to mend."""
    (tmp_path / "first.yaml").write_text(terms())
    (tmp_path / "later.yaml").write_text(later)
    book, problems = load_book(tmp_path)
    assert [contract.terms.version for contract in book.contracts] == [1]
    assert book.contracts[0].terms.id == "AIR"
    assert len(problems) == 1
    assert said in problems[0].message
    assert problems[0].path.endswith("later.yaml")
    assert problems[0].line > 1


def test_two_contracts_may_share_a_device_whose_resolutions_agree(tmp_path: Path) -> None:
    """A lease and a service contract can be measured by the same readings."""
    book, problems = book_of(tmp_path, lease=terms(), service=terms("INK"))
    assert problems == []
    assert len(book.contracts) == 2


def test_the_fingerprint_changes_with_devices_channels_resolutions_and_clocks_only(tmp_path: Path) -> None:
    """Blocks are rebuilt when they would come out otherwise, and never because a price changed."""
    texts = {
        "first": terms(),
        "same": terms() + "charges: [{id: base, price: {flat: 900.00}}]\n",
        "next": terms() + "grace: 5d\n",
        "device": terms(devices="dev-1, dev-2"),
        "channel": terms() + "  noise: {}\n",
        "resolution": terms(resolution="0.1"),
        "clock": terms() + "data: {clock_ahead: 10m}\n",
        "window": terms() + "corrections: 30d\n",
    }
    prints = {}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        book, problems = book_of(tmp_path / name, air=text)
        assert problems == []
        prints[name] = book.fingerprint()
    assert prints["first"] == prints["same"] == prints["next"]
    assert len(set(prints.values())) == len(texts) - 2


def test_a_later_version_never_changes_how_earlier_readings_were_judged_late(tmp_path: Path) -> None:
    """A new version with other clock terms needs no rebuild, and changes no count of a period already billed."""
    before, _ = book_of(tmp_path, old=terms())
    after, problems = book_of(tmp_path, new=terms(version=2, begins="2026-03-01") + "corrections: 30d\n")
    assert problems == []
    assert len(after.contracts) == 2
    assert after.fingerprint() == before.fingerprint()
