"""Counts against scikit-learn and against lists written out; intervals against printed values."""

import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, top_k_accuracy_score, zero_one_loss
from torch import nn

from resnets.data.digits import digits
from resnets.evaluation.metrics import chance, count, near_ties, wilson
from resnets.evaluation.protocols import single_view
from resnets.models.factory import create_model
from resnets.preprocessing import Preprocessing


def test_against_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(1_000, 10, generator=generator).softmax(1)
    labels = torch.randint(0, 9, (1_000,), generator=generator)  # class 9 has no image
    counts = count(scores, labels)
    predicted = scores.argmax(1)
    kinds = list(range(10))
    assert counts.images == 1_000
    assert counts.top1_wrong == int(zero_one_loss(labels, predicted, normalize=False))
    right = top_k_accuracy_score(labels, scores, k=5, labels=kinds, normalize=False)
    assert counts.top5_wrong == 1_000 - int(right)
    assert counts.confusion.tolist() == confusion_matrix(labels, predicted, labels=kinds).tolist()
    for kind, (images, wrong) in enumerate(counts.per_class()):
        assert images == int((labels == kind).sum())
        assert wrong == int(((labels == kind) & (predicted != kind)).sum())
    assert counts.per_class()[9] == (0, 0)
    assert counts.top1_error == counts.top1_wrong / 10
    assert counts.top5_error == counts.top5_wrong / 10


def test_by_hand() -> None:
    scores = torch.tensor([[9.0, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [0, 0, 0, 0, 0, 1]])
    counts = count(scores, torch.tensor([0, 4, 5, 5]))
    assert (counts.images, counts.top1_wrong, counts.top5_wrong) == (4, 2, 1)
    assert counts.confusion[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert counts.confusion[4].tolist() == [1, 0, 0, 0, 0, 0]
    assert counts.confusion[5].tolist() == [1, 0, 0, 0, 0, 1]
    assert counts.per_class() == [(1, 0), (0, 0), (0, 0), (0, 0), (1, 1), (2, 1)]


def test_near_ties() -> None:
    """Those whose place 1 or 5 would be another if a score moved by a ten-thousandth of itself."""
    apart = [0.3, 0.25, 0.2, 0.1, 0.08, 0.04, 0.03]
    rows = {
        "apart, the true class anywhere": [(apart, label) for label in range(7)],
        "first and second": [([0.3, 0.3 * 0.99995, 0.2, 0.1, 0.05, 0.03, 0.02], label) for label in (0, 1)],
        "fifth and sixth": [([0.3, 0.25, 0.2, 0.1, 1e-9, 1e-9, 0.0], label) for label in (4, 5)],
        "third and fourth do not matter": [([0.4, 0.25, 0.1, 0.1, 0.05, 0.03, 0.02], label) for label in (2, 3)],
        "a tie of others does not matter": [([0.4, 0.4, 0.1, 0.05, 0.02, 0.001, 0.0], 6)],
    }
    found = {
        name: near_ties(torch.tensor([s for s, _ in r]), torch.tensor([y for _, y in r])) for name, r in rows.items()
    }
    assert list(found.values()) == [0, 2, 2, 0, 0]
    assert near_ties(torch.tensor([[0.5, 0.5], [0.6, 0.4]]), torch.tensor([1, 1])) == 1


def test_of_equal_scores_the_first_class_wins_everywhere() -> None:
    same = torch.full((7, 7), 1 / 7)
    counts = count(same, torch.arange(7))
    assert counts.top1_wrong == 6
    assert counts.top5_wrong == 2
    assert counts.confusion[:, 0].tolist() == [1] * 7
    assert sum(wrong for _, wrong in counts.per_class()) == counts.top1_wrong


@pytest.mark.parametrize("classes", [2, 5])
def test_with_five_classes_or_fewer_no_top5_is_wrong(classes: int) -> None:
    assert count(torch.rand(50, classes), torch.randint(0, classes, (50,))).top5_wrong == 0


def test_the_order_of_the_images_does_not_matter() -> None:
    scores, labels, order = torch.rand(300, 10), torch.randint(0, 10, (300,)), torch.randperm(300)
    assert count(scores, labels).to_dict(("x",) * 10) == count(scores[order], labels[order]).to_dict(("x",) * 10)


def test_scores_that_are_not_numbers_are_refused() -> None:
    """No comparison with them holds, so they would count as right."""
    scores = torch.rand(5, 3)
    scores[2, 1] = scores[4] = torch.nan
    with pytest.raises(ValueError, match="scores of 2 images are not numbers"):
        count(scores, torch.zeros(5, dtype=torch.int64))


@pytest.mark.parametrize(
    ("wrong", "images", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17
        # (1998), table I, method 3 (score without continuity correction)
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0.0, 16.11),
        (1, 29, 0.61, 17.18),
    ],
)
def test_wilsons_interval_as_printed(wrong: int, images: int, low: float, high: float) -> None:
    assert wilson(wrong, images) == (pytest.approx(low, abs=0.005), pytest.approx(high, abs=0.005))


def test_wilsons_interval_solves_its_equation() -> None:
    """At its ends the observed share is z standard errors (those of the end) away; z of 95 % is 1.959964."""
    for wrong, images in ((827, 10_000), (1, 500), (499, 500)):
        for end in wilson(wrong, images):
            share = end / 100
            assert abs(wrong / images - share) / (share * (1 - share) / images) ** 0.5 == pytest.approx(
                1.959964, rel=1e-5
            )
    assert wilson(0, 10)[0] == pytest.approx(0, abs=1e-12)
    assert wilson(10, 10)[1] == 100


# ---------------------------------------------------------------------------------------------------------------
# Single view


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A few steps of training, so that scores are neither equal nor certain."""
    torch.manual_seed(0)
    model = create_model("cifar_resnet8")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    train = digits("train")
    normalise = PREPROCESSING.normaliser(torch.device("cpu"))
    for step in range(12):
        part = slice(step * 32, step * 32 + 32)
        loss = nn.functional.cross_entropy(model(normalise(train.images[part])), train.labels[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


PREPROCESSING = Preprocessing(crop=32, resize=32, mean=[0.3, 0.3, 0.3], std=[0.4, 0.4, 0.4])


def test_no_figure_moves_with_the_batch_size(network: nn.Module) -> None:
    test, normalise = digits("test"), PREPROCESSING.normaliser(torch.device("cpu"))
    results, scores = [], []
    for size in (1, 7, 64, 500, len(test)):
        scores.append(single_view(network, test.images, normalise, batch_size=size))
        results.append(count(scores[-1], test.labels).to_dict(test.classes))
        assert scores[-1].shape == (500, 10)
        torch.testing.assert_close(scores[-1], scores[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(scores[-1].sum(1), torch.ones(500))
    assert all(result == results[0] for result in results)
    assert 0 < results[0]["top1_wrong"] < 450


def test_every_image_once_and_in_order() -> None:
    seen: list[torch.Tensor] = []

    class Watcher(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x.mean((2, 3))

    images = digits("test").images[:103]
    normalise = PREPROCESSING.normaliser(torch.device("cpu"))
    scores = single_view(Watcher(), images, normalise, batch_size=10)
    assert torch.equal(torch.cat(seen), normalise(images))
    assert torch.equal(scores, normalise(images).mean((2, 3)).softmax(1))
    assert not scores.requires_grad


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(network: nn.Module, training: bool) -> None:
    network.train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    normalise = PREPROCESSING.normaliser(torch.device("cpu"))
    single_view(network, digits("test").images[:20], normalise)
    assert network.training is training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(ZeroDivisionError):  # also when it fails
        single_view(network, digits("test").images[:20], lambda images: images / (1 // 0))
    assert network.training is training


def test_precision_is_as_asked() -> None:
    kinds: list[torch.dtype] = []

    class Watcher(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3 * 32 * 32, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = self.fc(x.flatten(1))
            kinds.append(logits.dtype)
            return logits

    normalise = PREPROCESSING.normaliser(torch.device("cpu"))
    for precision in ("fp32", "bf16"):
        assert single_view(Watcher(), digits("test").images[:4], normalise, precision).dtype == torch.float32
    assert kinds == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize(("one", "other"), [(0, 0), (3, 3), (5, 0), (9, 1), (7, 5), (40, 61), (700, 600)])
def test_chance_is_the_exact_test_of_a_fair_coin(one: int, other: int) -> None:
    assert chance(one, other) == chance(other, one)
    theirs = binomtest(one, one + other).pvalue if one + other else 1.0
    assert chance(one, other) == pytest.approx(theirs, rel=1e-9)
