"""alertd, the open child-alert dispatcher."""

from pathlib import Path

# In a checkout channels/ stands beside alertd/; in the wheel it lies inside it.
if not (Path(__file__).parent / "channels").is_dir():
    __path__.append(str(Path(__file__).resolve().parent.parent))
