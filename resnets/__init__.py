"""Deep residual learning, complete and real.

The public names; each is imported when it is first used, so that `import resnets` itself is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from resnets.version import __version__

if TYPE_CHECKING:
    from resnets.classification.evaluate import evaluate
    from resnets.classification.predict import predict
    from resnets.classification.recipe import ClassificationRecipe
    from resnets.classification.recipes import recipe
    from resnets.data.sources import open_data
    from resnets.models.catalog import ModelSpec, list_models, model_spec
    from resnets.models.factory import create_model, load
    from resnets.models.weights import Weights, read_weights, write_weights
    from resnets.preprocessing import Preprocessing

__all__ = [
    "ClassificationRecipe",
    "ModelSpec",
    "Preprocessing",
    "Weights",
    "__version__",
    "create_model",
    "evaluate",
    "list_models",
    "load",
    "model_spec",
    "open_data",
    "predict",
    "read_weights",
    "recipe",
    "write_weights",
]

_HOMES = {
    "resnets.classification.evaluate": ("evaluate",),
    "resnets.classification.predict": ("predict",),
    "resnets.classification.recipe": ("ClassificationRecipe",),
    "resnets.classification.recipes": ("recipe",),
    "resnets.data.sources": ("open_data",),
    "resnets.models.catalog": ("ModelSpec", "list_models", "model_spec"),
    "resnets.models.factory": ("create_model", "load"),
    "resnets.models.weights": ("Weights", "read_weights", "write_weights"),
    "resnets.preprocessing": ("Preprocessing",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'resnets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
