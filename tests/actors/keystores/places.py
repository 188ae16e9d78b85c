"""A place for each key store, so that one suite of tests runs over all of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from actors.keystores.file import FileKeyStore
from actors.keystores.port import KeyStore
from actors.keystores.stores import INSTALL_PKCS11, INSTALL_TPM
from peerkey.config.key_names import Pkcs11Token, Tpm
from peerkey.pki.key_types import KeyType

#: One of each family, to be quick.
FILE_KINDS = (KeyType.EC_P256, KeyType.EC_P384, KeyType.EC_P521, KeyType.RSA_2304, KeyType.ML_DSA_65)


@dataclass(frozen=True)
class Place:
    """A key store and what a test needs to know about it."""

    #: Opens the store anew, as a process that starts does.
    opened: Callable[[], KeyStore]
    #: The full name of a key from a short one.
    name: Callable[[str], str]
    kinds: tuple[KeyType, ...]
    #: A kind that it cannot hold, where there is one.
    foreign: KeyType | None = None
    #: Texts that must never be seen.
    passwords: tuple[str, ...] = field(default=(), repr=False)


def file_place(folder: Path) -> Place:
    def opened() -> FileKeyStore:
        return FileKeyStore(folder / "sealing.key", environment={})

    return Place(opened, lambda short: str(folder / f"{short}.key"), FILE_KINDS)


def encrypted_file_place(folder: Path) -> Place:
    passphrase = "a phrase that nobody knows"  # noqa: S105 - of this test alone
    environment = {"PEERKEY_KEY_PASSPHRASE": passphrase}

    def opened() -> FileKeyStore:
        return FileKeyStore(folder / "sealing.key", environment=environment)

    return Place(
        opened, lambda short: str(folder / f"{short}.key"), (KeyType.EC_P256,), passwords=(passphrase,)
    )


# --- PKCS#11 --------------------------------------------------------------------------------------

PIN = "314159265"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
)
_tokens = count()
#: They go when this process ends.
_folders: list[tempfile.TemporaryDirectory[str]] = []


def _folder() -> Path:
    """Return a directory with a short name: the path of a socket is short, unlike those of tests."""
    _folders.append(tempfile.TemporaryDirectory(prefix="pk"))
    return Path(_folders[-1].name)


def softhsm() -> str:
    """Return SoftHSM's library, which keeps its tokens in a directory of this process; skip without it."""
    if importlib.util.find_spec("pkcs11") is None:
        pytest.skip(INSTALL_PKCS11)
    module = next((path for path in _MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is missing: apt install softhsm2")
    if "PEERKEY_TEST_TOKENS" not in os.environ:
        # The library reads its configuration once for each process.
        folder = _folder()
        (folder / "conf").write_text(f"directories.tokendir = {folder}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
        os.environ["PEERKEY_TEST_TOKENS"] = str(folder)
    return module


def pkcs11_place(folder: Path) -> Place:
    module = softhsm()
    label = f"token {next(_tokens)} of {os.getpid()}"
    initialize = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(initialize, check=True, capture_output=True)
    import pkcs11 as library  # noqa: PLC0415 - an extra

    library.lib(module).reinitialize()
    pin = folder / "pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    token = Pkcs11Token(module, label, str(pin))

    from actors.keystores.pkcs11 import Pkcs11KeyStore  # noqa: PLC0415 - an extra

    def opened() -> KeyStore:
        return Pkcs11KeyStore(token, folder / "sealing.key", environment={})

    kinds = (KeyType.EC_P256, KeyType.EC_P384, KeyType.EC_P521, KeyType.RSA_2048)
    return Place(opened, token.name_of, kinds, KeyType.ML_DSA_44, (PIN,))


# --- TPM ------------------------------------------------------------------------------------------


def tpm_place(folder: Path) -> Place:
    """Return the store of a software TPM of its own, which ends with the test's last connection to it."""
    device = Tpm(software_tpm(folder))

    from actors.keystores.tpm import TpmKeyStore  # noqa: PLC0415 - an extra

    def opened() -> KeyStore:
        return TpmKeyStore(device, folder / "tpm", folder / "sealing.key", environment={})

    return Place(
        opened, device.name_of, (KeyType.EC_P256, KeyType.EC_P384, KeyType.RSA_2048), KeyType.ML_DSA_65
    )


_running: list[int] = []


def software_tpm(folder: Path) -> str:
    """Start a TPM whose state is in ``folder``; return its TCTI. :func:`end_software_tpms` ends it."""
    if importlib.util.find_spec("tpm2_pytss") is None:
        pytest.skip(INSTALL_TPM)
    if shutil.which("swtpm") is None:
        pytest.skip("swtpm is missing: apt install swtpm")
    place = _folder()
    state = folder / "swtpm"
    state.mkdir(exist_ok=True)
    sockets = [
        "--server",
        f"type=unixio,path={place / 's'}",
        "--ctrl",
        f"type=unixio,path={place / 's.ctrl'}",
    ]
    how = ["--tpm2", "--tpmstate", f"dir={state}", "--flags", "not-need-init,startup-clear"]
    # A daemon's parent ends when the sockets are there.
    number = place / "pid"
    subprocess.run(
        ["swtpm", "socket", "--daemon", "--pid", f"file={number}", *how, *sockets],
        check=True,
        capture_output=True,
    )
    _running.append(int(number.read_text("ascii")))
    return f"swtpm:path={place / 's'}"


def end_software_tpms() -> None:
    """End what this process started."""
    while _running:
        os.kill(_running.pop(), signal.SIGTERM)
