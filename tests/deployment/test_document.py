"""docs/deployment.md: what it tells an operator to type exists in the stack."""

import re
import shlex

from tests.deployment.stack import COMPOSE, ROOT, compose, services
from tests.markdown import Document, code, tables

DOCUMENT = Document("docs/deployment.md")
VERBS = {"up", "down", "exec", "run", "create", "restart", "kill", "ps", "logs", "pull", "build"}


def commands() -> list[list[str]]:
    """Every `docker compose` command in the document, without the first two words."""
    lines = [shlex.split(line) for block in DOCUMENT.blocks("shell") for line in block.text.splitlines()]
    assert all(line[:2] == ["docker", "compose"] for line in lines)
    return [line[2:] for line in lines]


def test_every_command_names_what_there_is() -> None:
    """Profiles, services and verbs of every command shown exist, and a service of a profile is asked for with it."""
    assert len(commands()) > 15
    for words in commands():
        profiles = {words[place + 1] for place, word in enumerate(words) if word == "--profile"}
        assert profiles <= {"sim", "backup"}
        rest = words[2 * len(profiles) :]
        assert rest[0] in VERBS, words
        for service in (word for word in rest[1:] if word in services()):
            assert set(services()[service].get("profiles", profiles)) <= profiles, words
        if rest[0] in ("exec", "restart", "logs", "create"):
            assert rest[1] in services(), words


def test_every_variable_is_documented_with_its_default() -> None:
    """The table of variables is complete, and says what holds where nothing is set."""
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()))
    rows = {code(row[0])[0]: row[1] for row in tables(DOCUMENT.section("What to set"))[0]}
    assert rows.keys() == used.keys()
    for name, default in used.items():
        expected = "a volume" if default in compose()["volumes"] else f"`{default}`" if default else "–"
        assert rows[name] == expected


def test_what_must_be_kept_is_what_the_settings_say() -> None:
    """The four things to back up are those that the data folder's table marks."""
    kept = [row[0] for row in tables(Document("docs/settings.md").section("The data folder"))[0] if "Back" in row[1]]
    assert len(kept) == 4
    backed = DOCUMENT.text + (ROOT / "gateway/deployment/litestream.yml").read_text()
    assert all(name in backed for name in ("journal.sqlite", "ledger.sqlite", "/data/statements", "/data/keys"))
