"""A folder of public files that a web server serves: each is whole, or is not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


class Folder:
    """Writes by name; a reader sees the old bytes or the new ones, also after a power cut."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def holds(self, name: str, body: bytes) -> bool:
        try:
            return self._path(name).read_bytes() == body
        except FileNotFoundError:
            return False

    def has(self, name: str) -> bool:
        return self._path(name).exists()

    def write(self, name: str, body: bytes) -> None:
        """Put `body` in place of what is there; raises OSError."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        number, draft = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(body)
                file.flush()
                os.fchmod(file.fileno(), 0o644)  # the web server is another user
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(draft).unlink()
            raise
        _sync(path.parent)

    def remove(self, name: str) -> None:
        """Take a file away, if it is there; raises OSError."""
        path = self._path(name)
        try:
            path.unlink()
        except FileNotFoundError:
            return
        _sync(path.parent)

    def names(self, below: str) -> Iterator[str]:
        """Give every file below a folder of it."""
        for path in sorted((self.root / below).rglob("*")):
            if path.is_file():
                yield path.relative_to(self.root).as_posix()

    def _path(self, name: str) -> Path:
        path = self.root / name
        if ".." in path.parts or not path.is_relative_to(self.root):
            raise ValueError(f"not below the folder: {name}")
        return path


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
