"""A child's photo as a message names it: the address it is served at, and what is there."""

from dataclasses import dataclass

SIZES = (1600, 800, 320)  # the longest side of each size that is served
LINKED = 800  # the one that messages link to


@dataclass(frozen=True, slots=True)
class Size:
    """One file; `size` is what it was fitted into."""

    size: int
    width: int
    height: int
    length: int
    sha1: str


@dataclass(frozen=True, slots=True)
class Photo:
    """An upload that an alert may show; the bytes stay in the ledger."""

    id: int
    digest: str  # SHA-256 of its largest size: what `children[].photo` says
    token: str  # of its public address: who has it sees the photo while the alert lives
    sizes: tuple[Size, ...]

    @property
    def linked(self) -> Size:
        return next(each for each in self.sizes if each.size == LINKED)

    def url(self, public_url: str, size: int = LINKED) -> str:
        return f"{public_url}/p/{self.token}/{size}.jpg"
