"""A child's photo as a message names it: the address it is served at, and what is there."""

from dataclasses import dataclass

MEDIA_TYPE = "image/jpeg"
SIZES = (1600, 800, 320)  # the longest side of each size that is served
LINKED = 800  # the one that messages link to


def photo_path(token: str, size: int) -> str:
    """Give where a size is served, below the public address."""
    return f"/p/{token}/{size}.jpg"


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

    def path(self, size: int) -> str:
        return photo_path(self.token, size)

    def url(self, public_url: str, size: int = LINKED) -> str:
        return public_url + self.path(size)
