"""What the header of an image says of it."""

from typing import NamedTuple


class ImageHeader(NamedTuple):
    """What an image's header says of it.

    Attributes:
      format: `png`, `jpeg`, or one that Pillow reads.
      height: of the stored pixels.
      width: likewise.
      orientation: how they have to be turned to stand upright, as EXIF numbers it; 1 is not at all.
      has_alpha: whether there is a channel of opacity beside the colours.
      bits: per channel; above 8 they have to be scaled.
    """

    format: str
    height: int
    width: int
    orientation: int = 1
    has_alpha: bool = False
    bits: int = 8

    @property
    def upright_shape(self) -> tuple[int, int]:
        """Height and width once it stands upright."""
        is_lying = self.orientation >= 5
        return (self.width, self.height) if is_lying else (self.height, self.width)
