"""The pictures of a review page: where the images of a side come from, and the thumbnails or links that the page shows."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "str | os.PathLike[str] | bytes | Image"
Images: TypeAlias = "str | os.PathLike[str] | Sequence[Picture] | Callable[[int], Picture]"

TINY = 64  # pixels of the longer side up to which an image is kept as it is: its pixels are what is looked at
QUALITY = 80  # of a thumbnail as JPEG: 160 pixels of a photograph are some 6 kB


class Pictures:
    """The images of one side, each turned into what the page needs at most once.

    `name` is the argument that they came as; `page` is where the page will lie, which links are relative to, or None where
    thumbnails are embedded.
    """

    def __init__(self, name: str, images: Images, rows: list[int], *, page: Path | None, thumbnail: int) -> None:
        self.name, self._page, self._thumbnail = name, page, thumbnail
        self._known: dict[int, tuple[str, str | None]] = {}
        self.count: int | None = None
        if callable(images):
            self._image: Callable[[int], Picture] = images
            return
        if isinstance(images, (str, os.PathLike)):
            listed: list[Picture] = list(_in_folder(name, Path(images)))
        elif isinstance(images, (bytes, dict)) or not hasattr(images, "__len__"):
            raise TypeError(f"{name}: expected a folder, a list of images or a function of a row, got {type(images).__name__}")
        else:
            listed = list(images)
        self.count, self._image = len(listed), listed.__getitem__
        if rows and max(rows) >= len(listed):
            raise ValueError(f"{name}: expected an image for row {max(rows)} too, got {len(listed)}")
        for row in rows:
            image = listed[row]
            if isinstance(image, (str, os.PathLike)):
                self._check_file(row, image)

    def of(self, row: int) -> tuple[str, str | None]:
        """The source of an <img> for the image of a row, and the name of its file if it is one."""
        if row not in self._known:
            self._known[row] = self._shown(row, self._image(row))
        return self._known[row]

    def _shown(self, row: int, image: Picture) -> tuple[str, str | None]:
        file = os.path.basename(os.fspath(image)) if isinstance(image, (str, os.PathLike)) else None
        if self._page is None:
            return self._embedded(row, image), file
        if not isinstance(image, (str, os.PathLike)):
            kind = type(image).__name__
            raise TypeError(f"{self.name}: expected paths, which embed=False links to, got {kind} for row {row}")
        self._check_file(row, image)
        # Lexically, as a browser goes along a link: through no symbolic link of the folders on the way.
        link = os.path.relpath(os.path.abspath(image), os.path.abspath(self._page.parent))
        return quote(os.fsencode(link)), file

    def _check_file(self, row: int, path: str | os.PathLike[str]) -> None:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"{self.name}: expected a file for row {row}, got {os.fspath(path)}")

    def _embedded(self, row: int, image: object) -> str:
        from PIL import Image

        if not isinstance(image, (str, os.PathLike, bytes, Image.Image)):
            expected = "a path, an image of Pillow or its bytes"
            raise TypeError(f"{self.name}: expected {expected} for row {row}, got {type(image).__name__}")
        try:
            if isinstance(image, Image.Image):
                return _data_uri(image.copy(), self._thumbnail)
            with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as opened:
                return _data_uri(opened, self._thumbnail)
        except Exception as error:  # whatever a decoder makes of a broken file
            what = os.fspath(image) if isinstance(image, (str, os.PathLike)) else type(image).__name__
            raise ValueError(f"{self.name}: expected an image for row {row}, got {what} ({error})") from error


def _in_folder(name: str, folder: Path) -> list[Path]:
    """The files of a folder by name; a row is a place among them, so that a file too many would shift all others."""
    from PIL import Image

    if not folder.is_dir():
        raise FileNotFoundError(f"{name}: expected a folder of images, got {folder}")
    files = sorted((path for path in folder.iterdir() if path.is_file() and path.name[0] != "."), key=lambda path: path.name)
    known = Image.registered_extensions()
    for path in files:
        if path.suffix and path.suffix.lower() not in known:
            raise ValueError(f"{name}: expected a folder of images alone, one a row, got {path}; pass a list of paths")
    return files


def _data_uri(image: Image, longest: int) -> str:
    from PIL import ImageOps

    image.draft(None, (2 * longest, 2 * longest))  # a JPEG is decoded no larger than that
    picture = _flat(ImageOps.exif_transpose(image))
    tiny = max(picture.size) <= TINY
    picture.thumbnail((longest, longest))
    written = io.BytesIO()
    picture.save(written, *(("PNG",) if tiny else ("JPEG",)), **({"optimize": True} if tiny else {"quality": QUALITY}))
    return f"data:image/{'png' if tiny else 'jpeg'};base64,{base64.b64encode(written.getvalue()).decode()}"


def _flat(image: Image) -> Image:
    """Grey or RGB of eight bits: wider numbers between their least and largest, transparency on white."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image, np.float64))
        width = values.max() - values.min()
        return Image.fromarray(np.uint8((values - values.min()) * (255 / width if width > 0 else 0)))
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
