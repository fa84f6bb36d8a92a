"""The held-out images: a split by the seed alone, that never changes."""

import hashlib

import pytest

from resnets.data.split import hold_out


def test_both_parts_are_sorted_and_make_up_the_whole() -> None:
    train, held, _ = hold_out(50_000, 5_000, 0)
    assert (len(train), len(held)) == (45_000, 5_000)
    assert sorted(train.tolist() + held.tolist()) == list(range(50_000))
    assert train.tolist() == sorted(train.tolist())
    assert held.tolist() == sorted(held.tolist())


def test_the_split_follows_the_seed() -> None:
    _, held, digest = hold_out(1000, 100, 0)
    _, again, same = hold_out(1000, 100, 0)
    _, other, different = hold_out(1000, 100, 1)
    assert held.tolist() == again.tolist()
    assert held.tolist() != other.tolist()
    assert digest == same != different
    assert abs(float(held.double().mean()) - 499.5) < 100  # drawn from everywhere


def test_the_hash_is_of_the_indices_one_a_line() -> None:
    _, held, digest = hold_out(10, 3, 0)
    text = "".join(f"{index}\n" for index in held.tolist())
    assert digest == hashlib.sha256(text.encode()).hexdigest()


def test_the_split_of_the_recipes_is_for_ever() -> None:
    """Validation figures are comparable only as long as this hash stands."""
    assert hold_out(50_000, 5_000, 0)[2] == "9174d273ac39deb14f8029cd40b37a3627051713d45c8b7f76d81e2ecea488a2"


@pytest.mark.parametrize("held", [0, 10, 11, -1])
def test_an_empty_part_is_refused(held: int) -> None:
    with pytest.raises(ValueError, match="allowed are 1 to 9"):
        hold_out(10, held, 0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed is -1"):
        hold_out(10, 2, -1)
