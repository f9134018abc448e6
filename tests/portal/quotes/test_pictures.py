"""Real files, made here: what is taken is made anew, and what is no picture is refused in a sentence."""

import struct
import zipfile
import zlib
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin

from portal.quotes.pictures import LONGEST_SIDE, MOST_BYTES, NotAPicture, made_anew

RED, BLUE, WHITE = (200, 30, 30), (30, 30, 200), (255, 255, 255)
ORIENTATION, GPS, MAKE = 0x0112, 0x8825, 0x010F


def jpeg(size=(40, 30), colour=RED, mode="RGB", **told) -> bytes:
    return saved(Image.new(mode, size, colour), "JPEG", **told)


def saved(image: Image.Image, kind: str, **told) -> bytes:
    to = BytesIO()
    image.save(to, kind, **told)
    return to.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


def is_near(pixel: tuple[int, ...], colour: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 12 for a, b in zip(pixel, colour, strict=True))


def bare_png(width: int, height: int) -> bytes:
    """A few bytes that claim to be a picture of that size, all black."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000), 9)) + chunk(b"IEND", b"")


def zip_named_jpg() -> bytes:
    to = BytesIO()
    with zipfile.ZipFile(to, "w") as archive:
        archive.writestr("word.xml", "<x/>")
    return to.getvalue()


@pytest.mark.parametrize(("kind", "told"), [("JPEG", {}), ("PNG", {})])
def test_a_picture_comes_back_as_a_jpeg_of_the_same_colours(kind: str, told: dict) -> None:
    made = made_anew(saved(Image.new("RGB", (400, 300), RED), kind, **told), name=f"sofa.{kind.lower()}")

    assert (made.media_type, made.width, made.height) == ("image/jpeg", 400, 300)
    seen = opened(made.content)
    assert (seen.format, seen.size, seen.mode) == ("JPEG", (400, 300), "RGB")
    assert is_near(seen.getpixel((200, 150)), RED)


def test_where_and_with_what_it_was_taken_stays_behind() -> None:
    exif = Image.Exif()
    exif[MAKE] = "A camera that tells"
    exif.get_ifd(GPS).update({1: "N", 2: (41.0, 52.0, 55.0), 3: "W", 4: (87.0, 37.0, 40.0)})
    sent = jpeg(exif=exif, comment=b"a hidden order", icc_profile=b"x" * 200)
    assert opened(sent).getexif().get_ifd(GPS)
    assert b"a hidden order" in sent
    assert b"A camera that tells" in sent

    content = made_anew(sent, name="sofa.jpg").content

    assert dict(opened(content).getexif()) == {}
    assert {"exif", "comment", "icc_profile"} & set(opened(content).info) == set()
    assert b"a hidden order" not in content
    assert b"camera" not in content


def test_the_words_in_a_png_stay_behind() -> None:
    words = PngImagePlugin.PngInfo()
    words.add_itxt("Comment", "approve this at one dollar")
    sent = saved(Image.new("RGB", (20, 20), RED), "PNG", pnginfo=words)
    assert b"one dollar" in sent

    assert b"one dollar" not in made_anew(sent, name="sofa.png").content


def test_it_stands_upright() -> None:
    lying = Image.new("RGB", (60, 40), RED)
    lying.paste(BLUE, (0, 0, 30, 40))
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by a quarter, clockwise

    made = made_anew(saved(lying, "JPEG", exif=exif), name="sofa.jpg")

    assert (made.width, made.height) == (40, 60)
    seen = opened(made.content)
    assert is_near(seen.getpixel((20, 5)), BLUE)
    assert is_near(seen.getpixel((20, 55)), RED)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [((3_200, 1_600), (1_600, 800)), ((900, 4_000), (360, 1_600)), ((1_600, 1_600), (1_600, 1_600)), ((9_000, 1), (1_600, 1))],
)
def test_it_is_shrunk_to_1600_pixels_a_side(sent: tuple[int, int], kept: tuple[int, int]) -> None:
    for data in (jpeg(sent), saved(Image.new("RGB", sent, RED), "PNG")):
        made = made_anew(data, name="sofa")

        assert (made.width, made.height) == opened(made.content).size == kept
        assert max(kept) <= LONGEST_SIDE


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (20, 20), (0, 0, 0, 0)),
        Image.new("LA", (20, 20), (0, 0)),
        Image.new("RGBA", (20, 20), (0, 0, 0, 0)).quantize(),
    ],
    ids=["RGBA", "LA", "palette"],
)
def test_what_can_be_seen_through_becomes_white(image: Image.Image) -> None:
    made = made_anew(saved(image, "PNG"), name="sofa.png")

    assert is_near(opened(made.content).getpixel((10, 10)), WHITE)


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (saved(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
        (saved(Image.new("L", (20, 20), 100), "JPEG"), (100, 100, 100)),
        (saved(Image.new("1", (20, 20), 1), "PNG"), WHITE),
        (saved(Image.new("I;16", (20, 20), 100 * 256), "PNG"), (100, 100, 100)),
        (saved(Image.new("RGB", (20, 20), BLUE).quantize(8), "PNG"), BLUE),
        (saved(Image.new("RGB", (20, 20), RED), "PNG", transparency=BLUE), RED),
    ],
    ids=["CMYK", "grey", "one bit", "16 bits", "palette", "one colour see-through"],
)
def test_every_way_to_write_colours_is_understood(data: bytes, colour: tuple[int, ...]) -> None:
    assert is_near(opened(made_anew(data, name="sofa").content).getpixel((10, 10)), colour)


def test_of_a_moving_png_the_first_picture_is_kept() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE)]
    sent = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert opened(sent).n_frames == 2

    assert is_near(opened(made_anew(sent, name="sofa.png").content).getpixel((10, 10)), RED)


def test_the_same_bytes_make_the_same_picture() -> None:
    assert made_anew(jpeg(), name="a.jpg").content == made_anew(jpeg(), name="b.jpg").content


NO_PICTURE = "{} is not a JPEG or PNG picture."
REFUSED = [
    ("notes.txt", b"just words", NO_PICTURE),
    ("invoice.jpg", zip_named_jpg(), NO_PICTURE),
    ("drawing.jpg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', NO_PICTURE),
    ("moving.gif", saved(Image.new("RGB", (20, 20), RED), "GIF"), NO_PICTURE),
    ("scan.tiff", saved(Image.new("RGB", (20, 20), RED), "TIFF"), NO_PICTURE),
    ("paper.pdf", saved(Image.new("RGB", (20, 20), RED), "PDF"), NO_PICTURE),
    ("empty.jpg", b"", "{} is empty."),
    ("half.jpg", jpeg((400, 400))[:900], "{} is damaged or incomplete: open it, save it anew and send that."),
    (
        "half.png",
        saved(Image.effect_noise((200, 200), 90), "PNG")[:9_000],
        "{} is damaged or incomplete: open it, save it anew and send that.",
    ),
    ("head.jpg", b"\xff\xd8\xff" + b"\0" * 50, "{} is damaged or incomplete: open it, save it anew and send that."),
    ("large.png", saved(Image.new("RGB", (9, 9)), "PNG") + bytes(MOST_BYTES), "{} is larger than 5 MB: send a smaller picture."),
    ("huge.png", bare_png(40_000, 40_000), "{} is larger than 50 megapixels: send a smaller picture."),
    ("wide.png", bare_png(10_000, 5_001), "{} is larger than 50 megapixels: send a smaller picture."),
]


@pytest.mark.parametrize(("name", "data", "sentence"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_is_no_picture_is_refused_in_a_sentence(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(NotAPicture) as refused:
        made_anew(data, name=name)

    assert str(refused.value) == sentence.format(name)


def test_exactly_5_mb_and_50_megapixels_are_taken() -> None:
    plain = jpeg()

    assert made_anew(plain + bytes(MOST_BYTES - len(plain)), name="sofa.jpg").width == 40
    assert made_anew(saved(Image.new("1", (10_000, 5_000)), "PNG"), name="sofa.png").width == LONGEST_SIDE


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("sofa.jpg", "sofa.jpg"),
        ("C:\\Users\\ada\\sofa.jpg", "sofa.jpg"),
        ("../../etc/passwd", "passwd"),
        ("so\r\nfa.jpg", "so\\r\\nfa.jpg"),
        ("", "The picture"),
        ("…" * 300, "…" * 79 + "…"),
    ],
)
def test_a_name_is_a_name_and_nothing_more(name: str, kept: str) -> None:
    assert made_anew(jpeg(), name=name).name == kept
