"""Profile `sim`: a month of history goes into an empty stack, and never into one that is in use."""

import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from gateway.commands.demo import _folder
from tests.deployment.stack import services


def test_a_month_goes_into_an_empty_volume_where_the_contracts_are_mounted(tmp_path: Path) -> None:
    """Mounting makes empty folders in a volume; a demo takes such a folder as the empty one that it is."""
    (tmp_path / "contracts").mkdir()
    assert _folder(tmp_path) == tmp_path


@pytest.mark.parametrize("file", ["journal.sqlite", "contracts/air.yaml"])
def test_a_month_never_goes_where_something_is(file: str, tmp_path: Path) -> None:
    """Where a gateway's data or an operator's contracts are, the demo refuses, and everything stays."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("somebody's")
    with pytest.raises(typer.Exit):
        _folder(tmp_path)
    assert (tmp_path / file).read_text() == "somebody's"


def test_the_month_is_made_once(tmp_path: Path) -> None:
    """The service that makes the month does nothing where statements are, so that a restart costs nothing."""
    service = services()["device_sim_month"]
    (script,) = service["command"]
    assert script.count("/data") == 2
    (tmp_path / "statements").mkdir()
    shell, *options = service["entrypoint"]
    command = [str(shutil.which(shell)), *options, script.replace("/data", str(tmp_path))]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/nowhere"})
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    (tmp_path / "statements").rmdir()
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/nowhere"})
    assert "fairmeter" in ran.stderr


def test_both_parts_of_the_fleet_have_the_same_contracts() -> None:
    """Where the month leaves its contracts is where the gateway and the fleet look for them."""
    where = {
        name: {volume.split(":/data/contracts")[0] for volume in services()[name]["volumes"] if "/data/con" in volume}
        for name in ("device_sim_month", "device_sim", "fairmeter")
    }
    assert where["device_sim_month"] == where["device_sim"] == where["fairmeter"] == {"${CONTRACTS:-contracts}"}
