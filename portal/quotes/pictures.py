"""A picture that a customer sends is taken apart and made anew: small, upright, without the data that cameras and people hide in it."""

from dataclasses import dataclass
from io import BytesIO
from threading import Lock

from PIL import Image, ImageOps

from messaging.text_input import shown

MOST_BYTES = 5 * 1024 * 1024  # as it is sent
MOST_PIXELS = 50_000_000
LONGEST_SIDE = 1_600  # pixels, as it is kept
QUALITY = 82  # of JPEG: nothing is seen to be missing, and it is a tenth of what a phone makes
NAME_LENGTH = 120
MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError)  # all that Pillow's decoders say of damaged bytes
_one_at_a_time = Lock()  # unpacked, one picture may take 400 MB


class NotAPicture(Exception):
    """These bytes are not taken; the text is a sentence for whoever sent them."""


@dataclass(frozen=True, kw_only=True)
class NewPicture:
    """A JPEG of at most 1600 pixels a side, made here."""

    content: bytes
    media_type: str
    width: int
    height: int
    name: str


def made_anew(data: bytes, *, name: str) -> NewPicture:
    """The same picture in bytes of our own making: nothing but its colours is left of what was sent."""
    told = plain(name)
    refuse_strangers(data, name=told)
    try:
        with _one_at_a_time, Image.open(BytesIO(data), formats=["JPEG", "PNG"]) as sent:
            refuse_bombs(sent, name=told)
            seen = on_white(shrunk(sent))
    except Image.DecompressionBombError:
        raise too_many_pixels(told) from None
    except BROKEN:
        raise NotAPicture(f"{told} is damaged or incomplete: open it, save it anew and send that.") from None
    made = BytesIO()
    seen.save(made, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return NewPicture(content=made.getvalue(), media_type="image/jpeg", width=seen.width, height=seen.height, name=told)


def plain(name: str) -> str:
    """The file's bare name, fit to be shown and kept."""
    bare = name.replace("\\", "/").rpartition("/")[2].strip()
    return shown(bare[-NAME_LENGTH:])[1:-1][-NAME_LENGTH:] or "The picture"


def refuse_strangers(data: bytes, *, name: str) -> None:
    if not data:
        raise NotAPicture(f"{name} is empty.")
    if len(data) > MOST_BYTES:
        raise NotAPicture(f"{name} is larger than 5 MB: send a smaller picture.")
    if not data.startswith(tuple(MAGIC)):
        raise NotAPicture(f"{name} is not a JPEG or PNG picture.")


def refuse_bombs(sent: Image.Image, *, name: str) -> None:
    """By what its head says, before anything is unpacked."""
    if sent.width * sent.height > MOST_PIXELS:
        raise too_many_pixels(name)


def too_many_pixels(name: str) -> NotAPicture:
    return NotAPicture(f"{name} is larger than 50 megapixels: send a smaller picture.")


def shrunk(sent: Image.Image) -> Image.Image:
    """At most 1600 pixels a side, upright, in colours that can be reckoned with."""
    size = (LONGEST_SIDE, LONGEST_SIDE)
    sent.draft("RGB", size)  # a JPEG is unpacked at a fraction of its size at once
    sent.load()
    turned = ImageOps.exif_transpose(sent)
    if turned.mode.startswith("I"):  # 16 bits of grey: the upper eight are enough
        turned = turned.convert("I").point(lambda grey: grey * (1 / 256)).convert("L")
    elif turned.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in turned.info:
        turned = turned.convert("RGBA")
    elif turned.mode not in ("RGB", "RGBA", "L"):
        turned = turned.convert("RGB")
    turned.thumbnail(size)
    return turned


def on_white(seen: Image.Image) -> Image.Image:
    """Its colours alone: what was see-through becomes white, and everything that was said about it stays behind."""
    white = Image.new("RGB", seen.size, "white")
    white.paste(seen, mask=seen.getchannel("A") if seen.mode == "RGBA" else None)
    return white
