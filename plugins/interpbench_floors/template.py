"""A floor with information about the population but not the subject: one map for all subjects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from interpbench import Explainer, Predictor, UsageError, check_options, option
from interpbench.kit import read_population_map


@dataclass(frozen=True, kw_only=True)
class Template(Explainer):
    """|map| of a file that `interpbench aggregate` wrote, the same for all subjects.

    What a method says of a subject beyond this map is what it says of that subject.
    """

    floor: ClassVar[bool] = True
    template: ClassVar[str] = "file"

    file: str | None = option(None, "path of the map: a population_NAME.nii.gz that `interpbench aggregate` wrote")

    def __post_init__(self) -> None:
        check_options(self)
        if not self.file:
            raise UsageError(
                "template needs a map: file=POPULATION/population_mean.nii.gz, which `interpbench aggregate` writes."
            )

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        """The same map for every volume.

        Raises:
            InputError: the file is refused, or lies on another grid than the predictor's.
        """
        map = read_population_map(str(self.file), predictor.recipe).abs().to(volumes.device)
        return map.expand(volumes.shape[0], -1, -1, -1).clone()
