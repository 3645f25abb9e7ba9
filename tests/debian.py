"""Debian's packages, for the tests that want what no Python package brings."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir


def install(*packages: str) -> None:
    """Install packages where that is allowed, and elsewhere do nothing."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with Path(gettempdir(), "alertd-tests-install").open("w") as turn:
        fcntl.flock(
            turn, fcntl.LOCK_EX
        )  # apt takes one caller at a time, and there are two workers
        for command in (
            ["apt-get", "update", "--quiet"],
            ["apt-get", "install", "--yes", "--no-install-recommends", *packages],
        ):
            sys.stderr.write(" ".join(command) + "\n")
            subprocess.run(command, check=False, env=quiet, stdout=subprocess.DEVNULL)
