"""A server's certificate that signs itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def certificate(folder: Path, names: str) -> tuple[Path, Path]:
    """`server.crt` and `server.key` in the folder, for names such as `DNS:localhost`."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on the PATH")
    made = folder / "server.crt", folder / "server.key"
    options = {
        "-newkey": "rsa:2048",
        "-keyout": str(made[1]),
        "-out": str(made[0]),
        "-days": "2",
        "-subj": "/CN=localhost",
        "-addext": f"subjectAltName={names}",
    }
    words = [word for pair in options.items() for word in pair]
    subprocess.run(["openssl", "req", "-x509", "-nodes", *words], check=True, capture_output=True)
    return made
