"""Show how computed statements differ from the golden ones: `python -m tests.golden`; `--write` makes them the new.

A golden statement changes only when a rule does. Read every difference, and say in the commit which rule it is.
"""

import argparse
import difflib
import sys

from tests.golden.cases import CASES, Case


def difference(case: Case) -> str:
    """What differs between the golden statement and the computed one, as a patch; empty where nothing does."""
    before = case.expected.read_text(encoding="utf-8") if case.expected.exists() else ""
    name = f"{case.name}/statement.json"
    lines = difflib.unified_diff(before.splitlines(True), case.computed().splitlines(True), name, name)
    return "".join(lines)


def main() -> int:
    """Print every difference; without `--write` the exit code says whether there was one."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make the computed statements the golden ones")
    write = parser.parse_args().write
    differing = 0
    for case in CASES:
        found = difference(case)
        sys.stdout.write(found)
        differing += bool(found)
        if write and found:
            case.expected.write_text(case.computed(), encoding="utf-8")
    done = "written" if write else "different"
    sys.stderr.write(f"{differing} of {len(CASES)} golden statements {done}\n")
    return int(bool(differing) and not write)


if __name__ == "__main__":
    sys.exit(main())
