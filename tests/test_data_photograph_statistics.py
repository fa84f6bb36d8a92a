"""Statistics of photographs against Pillow and NumPy in double precision."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import on_ranks
from photographs import decoded, encoded, photographs_of, textured
from PIL import Image

from resnets.data import photograph_statistics as module
from resnets.data.photograph_statistics import PhotographStatistics, photograph_statistics

SET = photographs_of([encoded(textured(60 + n, 90 - 2 * n, seed=n)) for n in range(11)])


def central(content: bytes, size: int, resize: int) -> np.ndarray:
    picture = decoded(content)
    side = round(size * min(picture.size) / resize)
    left, top = ((length - side) // 2 for length in picture.size)
    cut = picture.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(cut).astype(float) / 255


@pytest.mark.parametrize("most", [None, 4])
def test_against_numpy(most: int | None) -> None:
    chosen = range(11) if most is None else [0, 2, 5, 8]
    pixels = np.stack([central(SET.read(index), 32, 40) for index in chosen])
    found = photograph_statistics(SET, 32, 40, most)
    assert found.images == len(pixels)
    flat = pixels.reshape(-1, 3)
    level = 1 / 255
    assert np.abs(np.array(found.mean_image) - pixels.mean(0).transpose(2, 0, 1)).max() < level
    assert found.mean == pytest.approx(flat.mean(0), abs=0.3 * level)
    assert found.std == pytest.approx(flat.std(0), abs=0.3 * level)
    axes = np.array(found.colours.axes)
    covariance = axes @ np.diag(found.colours.variances) @ axes.T
    assert np.abs(covariance - np.cov(flat.T, bias=True)).max() < 2e-4
    assert list(found.colours.variances) == sorted(found.colours.variances, reverse=True)


def test_the_middle_is_not_another_part() -> None:
    corner = photographs_of(
        [encoded(Image.new("RGB", (40, 20), "black")), encoded(Image.new("RGB", (20, 40), "black"))]
    )
    spot = Image.new("RGB", (40, 20), "black")
    spot.paste("white", (15, 5, 25, 15))
    spotted = photographs_of([encoded(spot, quality=100)])
    assert max(photograph_statistics(corner, 8, 16).mean) == 0
    assert min(photograph_statistics(spotted, 8, 16).mean) > 0.9


def test_they_do_not_depend_on_threads_and_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = photograph_statistics(SET, 32, 40, threads=1, cache=tmp_path)
    assert one == photograph_statistics(SET, 32, 40, threads=5)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-30])
    assert photograph_statistics(SET, 32, 40, cache=tmp_path) == one  # the damaged file is made anew
    content = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(module, "_sums", None)
        assert photograph_statistics(SET, 32, 40, cache=tmp_path) == one
    assert path.read_bytes() == content


@pytest.mark.parametrize("how", ["bytes", "size"])
def test_others_under_the_same_names_have_their_own(how: str, tmp_path: Path) -> None:
    """Of a copy with one picture more in its place: seen by what is read of some, or by the sizes of all."""
    contents = [encoded(textured(30, 40, seed=n % 9)) for n in range(40)]
    changed = list(contents)
    changed[0 if how == "bytes" else 1] = encoded(Image.new("RGB", (30, 40), "white"))
    before, after = (photographs_of(given) for given in (contents, changed))
    if how == "size":
        before = replace(before, size=lambda index: len(contents[index]))
        after = replace(after, size=lambda index: len(changed[index]))
    assert before.fingerprint == after.fingerprint
    found = [photograph_statistics(one, 16, 20, cache=tmp_path) for one in (before, after)]
    assert found[1].mean[0] > found[0].mean[0]
    assert found == [photograph_statistics(one, 16, 20) for one in (before, after)]


def summed(most: int | None, cache: Path | None, damaged: int | None = None) -> PhotographStatistics:
    """Of fewer than a piece, or of more pieces than a step has; a process of its own has to make them itself."""
    contents = [encoded(textured(30, 40, seed=n % 9)) for n in range(90)]
    if damaged is not None:
        contents[damaged] = b"no picture"
    return photograph_statistics(photographs_of(contents), 16, 20, most, threads=2, cache=cache)


@pytest.mark.parametrize("most", [None, 3])
def test_they_do_not_depend_on_ranks(most: int | None, tmp_path: Path) -> None:
    alone = summed(most, None)
    assert on_ranks(2, summed, tmp_path / "two", most, tmp_path / "kept") == [alone, alone]
    assert on_ranks(3, summed, tmp_path / "three", most, None) == [alone] * 3
    assert len(list((tmp_path / "kept").iterdir())) == 1
    if most is None:
        again = on_ranks(2, summed, tmp_path / "again", None, tmp_path / "kept", 9)  # kept: it is not read again
        assert again == [alone, alone]
        said = on_ranks(2, summed, tmp_path / "damaged", None, None, 9)  # of the second rank's first piece
        assert said[0] == said[1]
        assert said[0].startswith("set/9.jpg: not a readable picture")


@pytest.mark.parametrize(("size", "resize", "most"), [(32, 20, None), (0, 20, None), (32, 40, 0)])
def test_what_is_not_allowed(size: int, resize: int, most: int | None) -> None:
    with pytest.raises(ValueError, match="allowed are 1 or more"):
        photograph_statistics(SET, size, resize, most)
