"""What others do to a picture before their networks see it, as numbers."""

from dataclasses import dataclass

from resnets.preprocessing import Preprocessing


@dataclass(frozen=True)
class Pixels:
    """What is subtracted from each channel and what it is then divided by, in [0, 1], in the order of `channels`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: str = "RGB"

    def preprocessing(self, side: int, resize: int, classes: tuple[str, ...]) -> Preprocessing:
        """The record for square inputs of `side` pixels."""
        mean, std = list(self.mean), list(self.std)
        return Preprocessing(crop=side, resize=resize, mean=mean, std=std, channels=self.channels, classes=classes)


def _of_bytes(mean: tuple[float, ...], std: tuple[float, ...] = (1.0, 1.0, 1.0), channels: str = "RGB") -> Pixels:
    """The same for numbers in 0..255; where nothing is divided, the network is given values of 0 to 255."""
    return Pixels(tuple(value / 255 for value in mean), tuple(value / 255 for value in std), channels)


IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""fb.resnet.torch's, from which torchvision and many others have them."""
OPENMMLAB = _of_bytes((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
DETECTRON = _of_bytes((103.53, 116.28, 123.675), channels="BGR")
KERAS = _of_bytes((103.939, 116.779, 123.68), channels="BGR")
CIFAR10 = _of_bytes((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
CIFAR100 = _of_bytes((129.3, 124.1, 112.4), (68.2, 65.4, 70.4))

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, in the order of their WordNet numbers, which all projects keep."""
    from torchvision.models import ResNet18_Weights  # a second, for those who need the names only

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
