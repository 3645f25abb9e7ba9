"""How the audit chain and its anchors stand, as this process knows."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class ChainState:
    """Kept up to date by whoever anchors (workers.anchor)."""

    broken: bool = False
    verified: int = 0  # the last entry that was replayed
    anchored_at: datetime | None = None
    late: int = 0  # targets that have not got the last anchor
