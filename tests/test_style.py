"""How the code reads, held by a test: each fault is named by file, line and the reason for the rule."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("contracts", "gateway", "device_sim", "dashboards")
SOURCES = sorted(path for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in SOURCES}
PURE = [path for path in SOURCES if path.parts[len(ROOT.parts)] == "contracts"]

LONGEST_FILE, LONGEST_FUNCTION, MOST_MODULES = 400, 50, 35
EMPTY_NAMES = {"manager", "managers", "helper", "helpers", "util", "utils", "base", "misc", "common"}
MONEY = [ROOT / "contracts" / f"{name}.py" for name in ("pricing", "units", "statement", "figures")]

# What only a machine and a moment can answer; the same input must give the same statement everywhere (semantics).
IMPURE_IMPORTS = {
    "asyncio", "ctypes", "http", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil", "socket",
    "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uuid", "platform", "locale",
}  # fmt: skip
IMPURE_CALLS = {"open", "input", "print", "exec", "eval"}
IMPURE_METHODS = {
    "now",
    "utcnow",
    "today",
    "fromtimestamp",
    "read_text",
    "write_text",
    "read_bytes",
    "write_bytes",
    "getenv",
}

# Absolute paths that only one machine has; the pieces are apart here so that this file does not name one.
MACHINE_PATH = re.compile(r"(?<![\w.~$}/:-])/(?:home|Users|root|tmp|work)" + r"/[\w.-]+")
TEXTS = {
    ".py",
    ".md",
    ".yaml",
    ".yml",
    ".toml",
    ".json",
    ".lock",
    ".csv",
    ".html",
    ".css",
    ".js",
    ".conf",
    ".typ",
    ".sh",
    "",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def place(path: Path, line: int) -> str:
    """File and line as an editor opens them."""
    return f"{path.relative_to(ROOT)}:{line}"


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    return (node for node in ast.walk(TREES[path]) if isinstance(node, Function))


def test_a_file_is_a_room() -> None:
    """No file is longer than a reader keeps in mind."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    long = [
        f"{place(path, length)}: {length} lines; a file is a room with one noun on the door, at most {LONGEST_FILE}"
        for path, length in lengths.items()
        if length > LONGEST_FILE
    ]
    assert long == []


def test_a_function_fits_on_half_a_screen() -> None:
    """No function is longer than can be seen at once."""
    long = []
    for path in SOURCES:
        for node in functions(path):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                long.append(f"{place(path, node.lineno)}: {node.name} has {length} lines, at most {LONGEST_FUNCTION}")
    assert long == []


def words(name: str) -> set[str]:
    """The words of a name, however it joins them."""
    return set(re.findall(r"[a-z]+\d*", re.sub(r"([A-Z])", r"_\1", name).lower()))


def empty_words(name: str) -> set[str]:
    """Words of a name that say nothing about the thing."""
    return {word for word in words(name) if word in EMPTY_NAMES or re.fullmatch(r"handler\d+", word)}


def test_names_say_what_a_thing_is() -> None:
    """No module, class or function is called after its role in the program instead of its meaning to a party."""
    found = []
    for path in SOURCES:
        named = [(1, path.stem)]
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        named += [(node.lineno, node.name) for node in ast.walk(TREES[path]) if isinstance(node, kinds)]
        found += [
            f"{place(path, line)}: {name} is named {', '.join(empty_words(name))}, which tells a reader nothing"
            for line, name in named
            if empty_words(name)
        ]
    assert found == []


def test_every_test_says_in_a_sentence_what_a_party_can_rely_on() -> None:
    """The tests together are a list of promises that one can read."""
    found = []
    for path in SOURCES:
        for node in functions(path):
            if not node.name.startswith("test_"):
                continue
            said = (ast.get_docstring(node) or "").strip()
            if not said or "\n\n" in said or said[-1] not in ".!?":
                found.append(f"{place(path, node.lineno)}: {node.name} has no docstring of one sentence")
    assert found == []


def checks(node: ast.AST) -> bool:
    """Is this an assertion, an error that is waited for, a limit of time, or a call of something that checks?"""
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return called == "wait_for" or called.startswith("check")
    return isinstance(node, ast.Assert | ast.With | ast.AsyncWith)


def test_every_test_checks_something() -> None:
    """A test that nothing can fail is decoration."""
    found = [
        f"{place(path, node.lineno)}: {node.name} checks nothing"
        for path in SOURCES
        for node in functions(path)
        if node.name.startswith("test_") and not any(map(checks, ast.walk(node)))
    ]
    assert found == []


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in SOURCES}), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_folder_can_be_walked_through(folder: Path) -> None:
    """A floor with at most 35 rooms can be known; a house that needs more has floors, each with a name."""
    modules = [path for path in SOURCES if path.parent == folder and path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, f"{folder} has {len(modules)} modules; at most {MOST_MODULES} can be known"


def test_no_float_stands_between_a_contract_and_a_cent() -> None:
    """Money and quantities are decimals and fractions from their text on (semantics §5)."""
    found = []
    for path in MONEY:
        for node in (each for each in ast.walk(TREES[path]) if isinstance(each, ast.expr)):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            named = isinstance(node, ast.Name) and node.id == "float"
            if literal or named:
                found.append(f"{place(path, node.lineno)}: a float; money is a Decimal or a Fraction")
    assert found == []


def impurities(path: Path) -> Iterator[tuple[int, str]]:
    """Where a file asks a machine or a moment, and for what."""
    for node in (each for each in ast.walk(TREES[path]) if isinstance(each, ast.stmt | ast.expr)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        yield from ((node.lineno, name) for name in names if name in IMPURE_IMPORTS)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                yield node.lineno, f"{node.func.id}()"
            if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
                yield node.lineno, f".{node.func.attr}()"


def test_the_core_asks_no_clock_file_network_or_chance() -> None:
    """The same terms and readings give the same statement on any machine at any time (architecture, decision 3)."""
    found = [
        f"{place(path, line)}: {what}; contracts/ is pure, what it needs is handed to it"
        for path in PURE
        for line, what in impurities(path)
    ]
    assert found == []


def texts() -> Iterator[Path]:
    """Every text file of the repository that was written by hand or is handed on."""
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in (".ci", ".gitignore") for part in inside)
        made = {"__pycache__", "build", "dist", "node_modules"} & set(inside) or any(
            "egg-info" in each for each in inside
        )
        if path.is_file() and not hidden and not made and path.suffix in TEXTS:
            yield path


def test_the_repository_names_no_machine() -> None:
    """What works here works elsewhere: no file holds a path that only one computer has."""
    here = str(ROOT) if len(ROOT.parts) > 2 else None
    found = []
    for path in texts():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            named = MACHINE_PATH.search(line)
            if named or (here and here in line):
                found.append(f"{place(path, number)}: {named[0] if named else here} exists on one machine only")
    assert found == []


def test_imports_go_one_way() -> None:
    """The gateway stands on the core, never the other way, and the simulator's truth never uses the metering."""
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
