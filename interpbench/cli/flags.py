"""Options that several commands share, each declared once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from interpbench.cli.config import CONFIG, OPTIONS, use_config
from interpbench.cli.messages import messages
from interpbench.errors import UsageError
from interpbench.images.rules import MAX_VOXELS
from interpbench.options import LARGEST, split_options

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _Path(click.Path):
    """A path; a value that cannot be one, in a configuration file say, is refused like any other invalid value."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str | Path) or "\0" in str(value):
            self.fail(f"{str(value)[:60]!r} is not a path.", param, ctx)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)


def _shape(_context: click.Context, _parameter: click.Parameter, value: Any) -> tuple[int, int, int] | None:
    """Three edge lengths from `35x44x35`, or from a list in a configuration file."""
    if value is None:
        return None
    words = value.replace(",", "x").split("x") if isinstance(value, str) else value
    try:
        i, j, k = (int(word) for word in words)
    except (TypeError, ValueError):
        raise UsageError(f"--shape must be three integers such as 35x44x35, got {value!r}.") from None
    if min(i, j, k) < 1:
        raise UsageError(f"--shape must be at least 1x1x1, got {value!r}.")
    return i, j, k


def common_options(verbosity: int = 0) -> Decorator:
    """-v, --quiet and --config, which every command has; `verbosity` is the number of -v that it starts from."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--config",
            type=PATH,
            is_eager=True,
            expose_value=False,
            callback=use_config,
            metavar="FILE.toml",
            help="TOML file with values for options that are not given on the command line.",
        )
        @click.option("-v", "--verbose", count=True, help="Print more messages; -vv also prints tracebacks of errors.")
        @click.option("-q", "--quiet", is_flag=True, help="Print errors only, without progress bars.")
        @functools.wraps(command)
        def run(*args: Any, verbose: int, quiet: bool, **kwargs: Any) -> Any:
            from interpbench.run.places import places_checked

            with messages(max(verbose, verbosity), quiet):
                context = click.get_current_context()
                given = {**kwargs, "config": context.meta.get(CONFIG)}
                with places_checked(str(context.command.name), given):
                    return command(*args, **kwargs)

        return run

    return decorate


def _split(context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:
    """The `-o name=value` options as a mapping; they override those of the configuration file."""
    return {**context.meta.get(OPTIONS, {}), **split_options(words)}


def options_of(what: str, component: str = "NAME") -> Decorator:
    """`-o name=value`, for the options of a component, which `interpbench methods COMPONENT` lists."""
    return click.option(
        "-o",
        "options",
        multiple=True,
        callback=_split,
        metavar="NAME=VALUE",
        help=f"Option of the {what}; may be repeated. `interpbench methods {component}` lists them.",
    )


def out(metavar: str, help: str) -> Decorator:
    """`--out`, the folder that a command makes."""
    return click.option("--out", type=PATH, required=True, metavar=metavar, help=help)


cohort = click.argument("cohort", type=PATH)
model = click.option(
    "--predictor",
    required=True,
    type=PATH,
    metavar="MODEL",
    help="Folder of a predictor that `interpbench train` or `interpbench adopt` wrote.",
)
target_class = click.option(
    "--target-class",
    metavar="CLASS",
    show_default="class in the model's record",
    help="For a classifier, the class whose logit is predicted.",
)
seed = click.option(
    "--seed", type=click.IntRange(0, LARGEST), default=0, show_default="0", help="Seed of the random numbers."
)
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device to compute on; auto uses a GPU if one is available.",
)
cache = click.option(
    "--cache",
    type=PATH,
    metavar="DIR",
    show_default="none",
    help="Folder that stores prepared volumes, so that later runs need not prepare the images again."
    " Created if missing; runs may share it.",
)


def images(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options for reading images; the command gets their values as `images`."""

    @click.option(
        "--max-voxels",
        type=click.IntRange(min=1),
        default=MAX_VOXELS,
        show_default="512 x 512 x 512",
        metavar="N",
        help="Maximum number of voxels of an image; larger images are excluded.",
    )
    @click.option("--nan-to-zero", is_flag=True, help="Replace non-finite voxels by 0, with a warning.")
    @functools.wraps(command)
    def run(*args: Any, max_voxels: int, nan_to_zero: bool, **kwargs: Any) -> Any:
        return command(*args, images={"max_voxels": max_voxels, "nan_to_zero": nan_to_zero}, **kwargs)

    return run


root = click.option(
    "--root",
    type=PATH,
    metavar="DIR",
    show_default="paths in the run's record",
    help="Folder in which to look for images that were moved. They are matched by path, file name and SHA-256.",
)


def trust_factory(command: Callable[..., Any]) -> Callable[..., Any]:
    """Code that a record may import; the command gets `trust_factory` if the user allows some."""

    @click.option(
        "--trust-factory",
        multiple=True,
        metavar="MODULE:NAME",
        help="Code that the model's record may import, named as in the record; may be repeated."
        " `interpbench trust MODEL` shows the names.",
    )
    @functools.wraps(command)
    def run(*args: Any, trust_factory: tuple[str, ...], **kwargs: Any) -> Any:
        return command(*args, **({"trust_factory": trust_factory} if trust_factory else {}), **kwargs)

    return run


preset = click.option("--preset", metavar="NAME", help="Named set of options; options given by -o override it.")
labels = click.option(
    "--participant-label",
    "participants",
    multiple=True,
    metavar="LABEL",
    help="Subject to include, with or without `sub-`; may be repeated. Default: all subjects of the split.",
)


method = click.option(
    "--method", required=True, metavar="NAME", help="Explanation method; `interpbench methods` lists them."
)


def split(default: str) -> Decorator:
    """`--split`, for commands that work on a part of the cohort."""
    return click.option(
        "--split",
        type=click.Choice(["train", "validation", "test", "all"]),
        default=default,
        show_default=True,
        help="Part of the cohort to use, from the split in the predictor's record.",
    )


def part(word: str) -> str | None:
    """The pipeline's value for a word of --split."""
    return None if word == "all" else word


def recipe(required: bool) -> Decorator:
    """Options of the recipe that turns an image into the network's input; the command gets them as `recipe`."""
    unset = False if required else "chosen from the cohort"
    options = {
        "voxel_size": click.option(
            "--voxel-size",
            type=click.FloatRange(min=0, min_open=True),
            required=required,
            show_default=unset,
            metavar="MM",
            help="Voxel size of the network's input, in mm.",
        ),
        "shape": click.option(
            "--shape",
            type=click.UNPROCESSED,
            callback=_shape,
            required=required,
            show_default=unset,
            metavar="IxJxK",
            help="Shape of the network's input, in voxels.",
        ),
        "centre": click.option(
            "--centre",
            type=float,
            nargs=3,
            show_default="centre of each brain" if required else unset,
            metavar="X Y Z",
            help="Centre of the network's input, in world coordinates (mm).",
        ),
        "orientation": click.option(
            "--orientation", show_default="RAS", metavar="AXES", help="Axis codes of the network's input, such as RAS."
        ),
        "normalise": click.option(
            "--normalise",
            type=click.Choice(["brain", "volume", "none"]),
            show_default="brain",
            help="Voxels over which intensities are normalised to zero mean and unit variance.",
        ),
        "apply_mask": click.option(
            "--mask/--no-mask",
            "apply_mask",
            default=None,
            show_default="mask",
            help="Set voxels outside the brain mask to the background value, if a subject has a mask.",
        ),
    }

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> Any:
            given = {name: kwargs.pop(name) for name in options}
            return command(*args, recipe={name: value for name, value in given.items() if value is not None}, **kwargs)

        return functools.reduce(lambda inner, option: option(inner), reversed(options.values()), run)

    return decorate
