import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image, ImageCms

import kinema
from kinema.errors import InputError
from kinema.media.photo import Photo, read_photo
from kinema.media.pictures import MAX_PIXELS

WIDTH, HEIGHT = 6, 4


def rgb() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_a_png_is_read_exactly_and_hashed_by_its_bytes(tmp_path: Path) -> None:
    import hashlib

    path = saved(tmp_path / "a.png", Image.fromarray(rgb()))
    photo = read_photo(path)
    assert np.array_equal(photo.pixels, rgb())
    assert photo.size == (WIDTH, HEIGHT)
    assert photo.path == str(path)
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert photo.notes == ()
    assert read_photo(photo) is photo


FORMS: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "PIL": Image.fromarray,
    "numpy uint8": lambda a: a,
    "numpy float": lambda a: a / 255.0,
    "numpy uint16": lambda a: a.astype(np.uint16) * 257,
    "torch uint8": lambda a: torch.from_numpy(a.copy()).permute(2, 0, 1),
    "torch bfloat16 needs its precision": lambda a: torch.from_numpy(a / 255.0).permute(2, 0, 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_photo(form: str) -> None:
    photo = read_photo(FORMS[form](rgb()))
    assert np.array_equal(photo.pixels, rgb())
    assert photo.path == ""
    assert photo.sha256 == read_photo(rgb()).sha256


def test_photos_of_one_content_but_another_shape_have_other_hashes() -> None:
    zeros = np.zeros((2, 8, 3), np.uint8)
    assert read_photo(zeros).sha256 != read_photo(zeros.reshape(4, 4, 3)).sha256


def test_grey_forms_spread_over_the_channels() -> None:
    grey = rgb()[..., 0]
    for form in (grey, grey[..., None], torch.from_numpy(grey.copy())[None], Image.fromarray(grey)):
        assert np.array_equal(read_photo(form).pixels, np.stack([grey] * 3, axis=-1))


def test_half_precision_tensors_are_read() -> None:
    photo = read_photo(torch.full((3, 2, 2), 0.5, dtype=torch.bfloat16))
    assert photo.pixels.tolist() == np.full((2, 2, 3), 128).tolist()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    for name in ("a.png", "a.tif"):
        pixels = read_photo(saved(tmp_path / name, Image.fromarray(deep))).pixels
        assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_a_32_bit_grey_file_beyond_16_bits_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.array([[0, 70000]], dtype=np.int32)))
    with pytest.raises(InputError, match=r"grey values from 0 to 70000; 16 bits are the most"):
        read_photo(path)


def test_float_files_must_be_in_zero_to_one(tmp_path: Path) -> None:
    good = saved(tmp_path / "a.tif", Image.fromarray(np.array([[0.0, 1.0]], dtype=np.float32)))
    assert read_photo(good).pixels[0, :, 1].tolist() == [0, 255]
    bad = saved(tmp_path / "b.tif", Image.fromarray(np.array([[0.0, 9.0]], dtype=np.float32)))
    with pytest.raises(InputError, match=r"b\.tif' is float32 with values from 0 to 9; floats"):
        read_photo(bad)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_lie_on_white(mode: str, tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    if mode == "PA":
        path = saved(tmp_path / "a.png", image.quantize(4))
    else:
        path = saved(tmp_path / "a.png", image.convert(mode))
    photo = read_photo(path)
    assert photo.pixels[0].tolist() == [[0, 0, 0], [255, 255, 255]]
    assert photo.notes == ("transparent parts lie on white",)


def test_half_transparent_black_is_grey_and_an_opaque_alpha_says_nothing() -> None:
    half = np.zeros((1, 1, 4), np.uint8)
    half[..., 3] = 128
    assert read_photo(half).pixels[0, 0].tolist() == [127, 127, 127]
    half[..., 3] = 255
    assert read_photo(half).notes == ()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV"])
def test_every_common_mode_is_read(mode: str) -> None:
    image = Image.new("RGB", (4, 4), (250, 10, 20)).convert(mode)
    expected = np.array(image.convert("RGB"))
    assert np.array_equal(read_photo(image).pixels, expected)


def test_a_palette_with_a_transparent_colour_is_flattened(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    path = saved(tmp_path / "a.gif", image, transparency=1)
    assert read_photo(path).pixels[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_an_animation_gives_its_first_frame_and_says_so(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    photo = read_photo(path)
    assert photo.pixels[0, 0].tolist() == [255, 0, 0]
    assert photo.notes == ("the photo is an animation; its first frame was taken",)


def test_another_colour_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    lab_like = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    content = bytearray(lab_like.tobytes())
    plain = saved(tmp_path / "a.png", Image.new("RGB", (2, 2), (200, 40, 40)), icc_profile=content)
    assert read_photo(plain).notes == ()
    swapped = _swapped_primaries(bytes(content))
    path = saved(tmp_path / "b.png", Image.new("RGB", (2, 2), (200, 40, 40)), icc_profile=swapped)
    photo = read_photo(path)
    assert photo.notes == ("the colour profile was converted to sRGB",)
    red, green, _ = photo.pixels[0, 0].tolist()
    assert green > red + 100


def _swapped_primaries(profile: bytes) -> bytes:
    """The sRGB profile with red and green exchanged and another name."""
    return (
        profile.replace(b"rXYZ", b"tmpX")
        .replace(b"gXYZ", b"rXYZ")
        .replace(b"tmpX", b"gXYZ")
        .replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
        .replace(b"sRGB built-in", b"test built-in")
    )


def test_a_broken_colour_profile_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (2, 2)), icc_profile=b"no profile at all")
    with pytest.raises(InputError, match=r"a\.png' has a colour profile that cannot be used: .*"):
        read_photo(path)


# -- EXIF rotation and the motion that goes with it -----------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int, tmp_path: Path) -> None:
    upright = Image.fromarray(rgb())
    back = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    stored = upright
    for turn in back:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", stored, exif=exif)
    assert np.array_equal(read_photo(path).pixels, rgb())
    assert np.array_equal(read_photo(Image.open(path)).pixels, rgb())


def blob(size: tuple[int, int], x: float, y: float) -> np.ndarray[Any, Any]:
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    grey = 255 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 72)
    return np.stack([grey] * 3, axis=-1).round().astype(np.uint8)


def centre(photo: Photo) -> tuple[float, float]:
    grey = photo.pixels[..., 0].astype(float)
    y, x = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]]
    return float((grey * x).sum() / grey.sum()), float((grey * y).sum() / grey.sum())


@pytest.mark.parametrize("size", [(128, 128), (320, 192), (64, 128), (400, 600), (200, 300)])
def test_a_motion_stays_on_its_pixel_when_a_turned_photo_is_fitted(
    size: tuple[int, int], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(blob((200, 300), 60, 130)).transpose(Image.Transpose.ROTATE_90)
    photo = read_photo(saved(tmp_path / "a.jpg", stored, exif=exif, quality=98))
    assert photo.size == (200, 300)
    motion = kinema.Motion(canvas=photo.size, drags=[[(60, 130), (90, 130)]])
    start = motion.fitted(size).drags[0].points[0]
    assert centre(photo.fitted(size)) == pytest.approx(start, abs=0.05)


def test_fitting_by_way_of_a_canvas_follows_the_motion_drawn_on_it() -> None:
    photo = read_photo(blob((300, 240), 120, 100))
    on_canvas = kinema.Motion(canvas=(300, 240), drags=[[(120, 100)]]).fitted((256, 160))
    start = on_canvas.fitted((128, 128)).drags[0].points[0]
    assert centre(photo.fitted((128, 128), canvas=(256, 160))) == pytest.approx(start, abs=0.05)


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_any_photo_fits_any_size(
    source: tuple[int, int], canvas: tuple[int, int], size: tuple[int, int]
) -> None:
    photo = read_photo(np.full((source[1], source[0], 3), 77, np.uint8))
    fitted = photo.fitted(size, canvas)
    assert fitted.size == size
    assert (fitted.pixels == 77).all()
    assert fitted.sha256 == photo.sha256


def test_a_photo_of_the_right_size_is_not_resampled() -> None:
    photo = read_photo(rgb())
    assert photo.fitted(photo.size) is photo
    wide = read_photo(np.random.default_rng(1).integers(0, 256, (8, 20, 3), dtype=np.uint8))
    assert np.array_equal(wide.fitted((10, 8)).pixels, wide.pixels[:, 5:15])


def test_the_tensor_is_planar_and_in_zero_to_one() -> None:
    tensor = read_photo(rgb()).tensor()
    assert tensor.shape == (3, HEIGHT, WIDTH)
    assert tensor.dtype == torch.float32
    assert torch.equal((tensor * 255).round().byte(), torch.from_numpy(rgb()).permute(2, 0, 1))


# -- the default size -----------------------------------------------------------------------------


# -- bad input ------------------------------------------------------------------------------------


def test_what_is_no_photo_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("hello")
    cases = {
        "absent.jpg": r"The photo '.*absent\.jpg' does not exist\.",
        "empty.png": r"The photo '.*empty\.png' is an empty file\.",
        "text.jpg": r"The photo '.*text\.jpg' is no image that can be read here; save it as JPEG,",
        "": r"The photo '.*' cannot be read: Is a directory\.",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            read_photo(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_truncated_file_is_damaged(suffix: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path / f"a{suffix}", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"is damaged: |is no image that can be read here"):
        read_photo(path)


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (12_300, 12_200)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    width: int, height: int, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_header(width, height))
    with pytest.raises(InputError, match=rf"more than {MAX_PIXELS} pixels; scale it down\."):
        read_photo(path)


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


BAD: dict[str, tuple[Any, str]] = {
    "batch": (
        torch.zeros(1, 3, 4, 4),
        r"The photo tensor must be \(H, W\) or \(C, H, W\) with 1, 3 or 4 channels, got the shape "
        r"\(1, 3, 4, 4\)\.",
    ),
    "channels last": (
        torch.zeros(5, 6, 3),
        r"shape \(5, 6, 3\)\. Its channels seem to come last\.",
    ),
    "channels first": (
        np.zeros((3, 40, 60), np.uint8),
        r"The photo array must be .* shape \(3, 40, 60\)\. Its channels seem to come first\.",
    ),
    "two channels": (np.zeros((8, 8, 2), np.uint8), r"with 1, 3 or 4 channels, got the shape"),
    "0..255 floats": (
        np.full((2, 2, 3), 255.0),
        r"The photo array is float64 with values from 255 to 255; floats must be in \[0, 1\]\.",
    ),
    "-1..1 floats": (
        torch.full((3, 2, 2), -1.0),
        r"values from -1 to -1; floats must be in \[0, 1\]",
    ),
    "NaN": (np.full((2, 2), np.nan), r"values from nan to nan; floats must be in \[0, 1\]"),
    "int64": (
        np.zeros((2, 2, 3), np.int64),
        r"The photo array must be uint8, uint16, or float in \[0, 1\]; got int64\.",
    ),
    "bool": (np.zeros((2, 2), bool), r"must be uint8, uint16, or float in \[0, 1\]; got bool\."),
    "no pixels": (np.zeros((0, 4, 3), np.uint8), r"The photo array is 4x0; it has no pixels\."),
    "list": (
        [[0, 0, 0]],
        r"A photo must be a path, bytes, an open file, a PIL image, a numpy array or a torch "
        r"tensor, got list\.",
    ),
    "None": (None, r"got NoneType\."),
    "bytes": (b"abc", r"The photo \(from memory\) is no image that can be read here; save it as"),
    "no bytes": (b"", r"The photo \(from memory\) is an empty file\."),
    "stream": (io.BytesIO(), r"The open file is an empty file\."),
    "text": (io.StringIO("abc"), r"The open file gives str; open photos in binary mode\."),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_named(case: str) -> None:
    photo, message = BAD[case]
    with pytest.raises(InputError, match=message):
        read_photo(photo)


def test_a_size_that_is_none_is_named() -> None:
    with pytest.raises(InputError, match=r"The size of a photo must be \(width, height\) or 'WxH'"):
        read_photo(rgb()).fitted("wide")


def test_the_repr_does_not_print_the_pixels() -> None:
    assert len(repr(Photo(pixels=rgb(), sha256="0"))) < 100
