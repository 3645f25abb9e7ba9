"""Where the data folders lie: inside the wheel, or beside the package in a checkout."""

from pathlib import Path


def home(name: str) -> Path:
    """Give the folder `templates` or `config`, wherever this alertd runs from."""
    packed = Path(__file__).parent / name
    return packed if packed.is_dir() else packed.parent.parent / name
