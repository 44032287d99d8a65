"""`make secrets`: everything the stack needs, made once, and readable only where it is needed."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from tests.deployment.stack import ROOT, compose, make_secrets


def everything(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_secret_of_the_stack_is_made(secrets: Path) -> None:
    """After `make secrets` no file that docker-compose.yml names is missing, and git does not see the folder."""
    assert compose()["secrets"]
    for each in compose()["secrets"].values():
        assert Path(each["file"]).parts[0] == "secrets"
        assert (secrets / Path(each["file"]).name).stat().st_size > 0
    assert "/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_nothing_that_was_made_is_replaced(tmp_path: Path) -> None:
    """A second run changes nothing; a further device is added, and every password and key stays as it was."""
    make_secrets(tmp_path, devices="comp-01")
    before = everything(tmp_path)
    assert "nothing was changed" in make_secrets(tmp_path, devices="comp-01").stderr
    assert everything(tmp_path) == before
    inode = (tmp_path / "mosquitto.passwords").stat().st_ino
    make_secrets(tmp_path, devices="comp-02")
    after = everything(tmp_path)
    assert after.keys() - before.keys() == {"devices/comp-02.password"}
    assert {name for name in before if after[name] != before[name]} == {"mosquitto.passwords"}
    assert after["mosquitto.passwords"].startswith(before["mosquitto.passwords"])
    # A container that was given the file sees the new line in it.
    assert (tmp_path / "mosquitto.passwords").stat().st_ino == inode


def test_a_password_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    """Removing a password file and running it again gives that user another password, and nobody else."""
    make_secrets(tmp_path, devices="comp-01")
    before = everything(tmp_path)
    (tmp_path / "devices" / "comp-01.password").unlink()
    make_secrets(tmp_path, devices="comp-01")
    after = everything(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"devices/comp-01.password", "mosquitto.passwords"}
    lines = [after["mosquitto.passwords"].splitlines(), before["mosquitto.passwords"].splitlines()]
    assert [a == b for a, b in zip(*lines, strict=True)] == [True] * 4 + [False]


def test_a_name_that_the_certificate_lacks_is_said(tmp_path: Path) -> None:
    """A certificate that is there is not replaced; a name it does not hold for is named, with what to do about it."""
    make_secrets(tmp_path)
    before = everything(tmp_path)
    ran = make_secrets(tmp_path, names="localhost mqtt.example.com")
    assert ran.returncode == 1
    assert "does not hold for mqtt.example.com: remove broker.crt and broker.key" in ran.stderr
    assert everything(tmp_path) == before
    for name in ("broker.crt", "broker.key"):
        (tmp_path / name).unlink()
    assert make_secrets(tmp_path, names="localhost mqtt.example.com").returncode == 0
    assert everything(tmp_path)["ca.crt"] == before["ca.crt"]


def test_only_the_owner_reaches_them_and_containers_can_read_theirs(secrets: Path) -> None:
    """The folder is its owner's alone; in it all files can be read, save the key that could pose as the broker."""
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in (secrets, secrets / "devices"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in secrets.rglob("*") if path.is_file()}
    assert {name for name, mode in modes.items() if mode != 0o644} == {"ca.key"}
    assert modes["ca.key"] == 0o600
    assert "ca.key" not in {Path(each["file"]).name for each in compose()["secrets"].values()}


def test_no_two_passwords_are_alike_and_none_is_short(secrets: Path) -> None:
    """Every password and token is random, and in the broker's file only as a salted hash."""
    words = [path.read_text().strip() for path in secrets.rglob("*.password")]
    words += [(secrets / name).read_text().strip() for name in ("influxdb.token", "grafana.key")]
    assert len(set(words)) == len(words) == 10
    assert min(map(len, words)) == 64
    hashes = (secrets / "mosquitto.passwords").read_text()
    assert not any(word in hashes for word in words)
    assert hashes.count(":$7$") == len(hashes.splitlines()) == 6


def test_mosquittos_own_program_agrees_on_the_form(secrets: Path, tmp_path: Path) -> None:
    """mosquitto_passwd takes the file as one of its own."""
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed: Debian's package mosquitto has it")
    copy = tmp_path / "passwords"
    copy.write_bytes((secrets / "mosquitto.passwords").read_bytes())
    copy.chmod(0o600)
    ran = subprocess.run([tool, "-b", copy, "comp-09", "a-password"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    lines = [line.split("$") for line in copy.read_text().splitlines()]
    assert {(line[1], line[2], len(line[3]), len(line[4])) for line in lines} == {("7", "101", 16, 88)}


def test_the_brokers_certificate_holds_for_its_names_and_no_other(tmp_path: Path) -> None:
    """Whoever trusts our authority accepts the broker under its names, for years, and under no other name."""
    make_secrets(tmp_path, names="mqtt.example.com 192.0.2.7")
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    broker = x509.load_pem_x509_certificate((tmp_path / "broker.crt").read_bytes())
    policy = PolicyBuilder().store(Store([authority]))
    for name in ("mosquitto", "localhost", "mqtt.example.com"):
        assert len(policy.build_server_verifier(x509.DNSName(name)).verify(broker, [])) == 2
    with pytest.raises(x509.verification.VerificationError):
        policy.build_server_verifier(x509.DNSName("other.example.com")).verify(broker, [])
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(each) for each in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "192.0.2.7"}
    assert (broker.not_valid_after_utc - broker.not_valid_before_utc).days == 5 * 365
    assert authority.not_valid_after_utc > broker.not_valid_after_utc


@pytest.mark.parametrize("device", ["gateway", "health", "a/b", "plus+", "hash#", "x" * 65])
def test_a_device_cannot_take_the_name_of_a_user_or_a_pattern(device: str, tmp_path: Path) -> None:
    """A name that would let a device speak for more than itself is refused, and nothing is made."""
    ran = make_secrets(tmp_path / "secrets", devices=device)
    assert ran.returncode == 2
    assert "cannot be a device's user" in ran.stderr
    assert not (tmp_path / "secrets").exists()
