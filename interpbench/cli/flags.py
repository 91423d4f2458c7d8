"""The options that commands share, each declared once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from interpbench.cli.config import CONFIG, OPTIONS, use_config
from interpbench.cli.voice import voice
from interpbench.errors import UsageError
from interpbench.images.rules import MAX_VOXELS
from interpbench.options import split_options

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _Path(click.Path):
    """A path; what can be none, in a configuration file say, is refused as any other wrong value."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str | Path) or "\0" in str(value):
            self.fail(f"{str(value)[:60]!r} is no path.", param, ctx)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)


def _shape(context: click.Context, parameter: click.Parameter, value: Any) -> tuple[int, int, int] | None:
    """Three edge lengths from `35x44x35`, or from a list in a configuration file."""
    if value is None:
        return None
    words = value.replace(",", "x").split("x") if isinstance(value, str) else value
    try:
        i, j, k = (int(word) for word in words)
    except (TypeError, ValueError):
        raise UsageError(f"--shape is three whole numbers such as 35x44x35, got {value!r}.") from None
    if min(i, j, k) < 1:
        raise UsageError(f"--shape must be at least 1x1x1, got {value!r}.")
    return i, j, k


def speaking(least: int) -> Decorator:
    """-v, --quiet and --config, which every command has; `least` is how much one says without -v."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--config",
            type=PATH,
            is_eager=True,
            expose_value=False,
            callback=use_config,
            metavar="FILE.toml",
            help="Values for options that are not given here.",
        )
        @click.option("-v", "--verbose", count=True, help="Say more; twice also shows where an error comes from.")
        @click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors; no progress bars.")
        @functools.wraps(command)
        def run(*args: Any, verbose: int, quiet: bool, **kwargs: Any) -> Any:
            from interpbench.run.places import places_checked

            with voice(max(verbose, least), quiet):
                context = click.get_current_context()
                given = {**kwargs, "config": context.meta.get(CONFIG)}
                with places_checked(str(context.command.name), given):
                    return command(*args, **kwargs)

        return run

    return decorate


spoken = speaking(0)


def _split(context: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:
    """`-o name=value` words as a mapping, over those of the configuration file."""
    return {**context.meta.get(OPTIONS, {}), **split_options(words)}


def options_of(what: str) -> Decorator:
    """`-o name=value`, for the options of a component."""
    return click.option(
        "-o",
        "options",
        multiple=True,
        callback=_split,
        metavar="NAME=VALUE",
        help=f"An option of the {what}, may be repeated; `interpbench methods NAME` lists them.",
    )


def out(metavar: str, help: str) -> Decorator:
    return click.option("--out", type=PATH, required=True, metavar=metavar, help=help)


cohort = click.argument("cohort", type=PATH)
model = click.option(
    "--predictor",
    required=True,
    type=PATH,
    metavar="MODEL",
    help="Folder of a predictor, from `interpbench train` or `interpbench adopt`.",
)
target_class = click.option(
    "--target-class",
    metavar="CLASS",
    show_default="the model's",
    help="Of a classifier: the class whose logit is the prediction.",
)
seed = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all that is random."
)
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU where there is one.",
)
cache = click.option(
    "--cache",
    type=PATH,
    metavar="DIR",
    show_default="none",
    help="Folder for prepared volumes, made where it is missing; runs may share it. Read instead of the images.",
)


def images(command: Callable[..., Any]) -> Callable[..., Any]:
    """How images are read; the command gets `images`, what was given of it."""

    @click.option(
        "--max-voxels",
        type=click.IntRange(min=1),
        default=MAX_VOXELS,
        show_default="512 x 512 x 512",
        metavar="N",
        help="Refuse larger images before they are read.",
    )
    @click.option("--nan-to-zero", is_flag=True, help="Take voxels that are no numbers as 0, and say so beside it.")
    @functools.wraps(command)
    def run(*args: Any, max_voxels: int, nan_to_zero: bool, **kwargs: Any) -> Any:
        return command(*args, images={"max_voxels": max_voxels, "nan_to_zero": nan_to_zero}, **kwargs)

    return run


root = click.option(
    "--root",
    type=PATH,
    metavar="DIR",
    show_default="where they were",
    help="Where the images moved: looked for below DIR by path, by name, and by their bytes.",
)


def trust_factory(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a record may import; the command gets `trust_factory` where something is allowed."""

    @click.option(
        "--trust-factory",
        multiple=True,
        metavar="MODULE:NAME",
        help="Let the model's record import this, named as it stands there; may be repeated."
        " `interpbench trust MODEL` shows what it names.",
    )
    @functools.wraps(command)
    def run(*args: Any, trust_factory: tuple[str, ...], **kwargs: Any) -> Any:
        return command(*args, **({"trust_factory": trust_factory} if trust_factory else {}), **kwargs)

    return run


preset = click.option("--preset", metavar="NAME", help="A named set of options; single options go over it.")
labels = click.option(
    "--participant-label",
    "participants",
    multiple=True,
    metavar="LABEL",
    help="Only this subject, with or without `sub-`; may be repeated.",
)


method = click.option("--method", required=True, metavar="NAME", help="Which method; `interpbench methods` lists them.")


def split(default: str) -> Decorator:
    return click.option(
        "--split",
        type=click.Choice(["train", "validation", "test", "all"]),
        default=default,
        show_default=True,
        help="Which part of the predictor's own division of the cohort.",
    )


def part(word: str) -> str | None:
    """The pipeline's value for a word of --split."""
    return None if word == "all" else word


def recipe(required: bool) -> Decorator:
    """The recipe by which an image becomes the network's input; the command gets `recipe`, what was given of it."""
    unset = False if required else "from the cohort"
    options = {
        "voxel_size": click.option(
            "--voxel-size",
            type=click.FloatRange(min=0, min_open=True),
            required=required,
            show_default=unset,
            metavar="MM",
            help="Edge of a voxel of the input, in mm.",
        ),
        "shape": click.option(
            "--shape",
            type=click.UNPROCESSED,
            callback=_shape,
            required=required,
            show_default=unset,
            metavar="IxJxK",
            help="Edges of the input, in voxels.",
        ),
        "centre": click.option(
            "--centre",
            type=float,
            nargs=3,
            show_default="each brain's own" if required else unset,
            metavar="X Y Z",
            help="Middle of the input, in world mm.",
        ),
        "orientation": click.option(
            "--orientation", show_default="RAS", metavar="AXES", help="Where the input's voxel indices grow to."
        ),
        "normalise": click.option(
            "--normalise",
            type=click.Choice(["brain", "volume", "none"]),
            show_default="brain",
            help="Zero mean and unit variance over the brain, over the whole volume, or not at all.",
        ),
        "apply_mask": click.option(
            "--mask/--no-mask",
            "apply_mask",
            default=None,
            show_default="mask",
            help="Make background of what lies outside a brain mask, where there is one.",
        ),
    }

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> Any:
            given = {name: kwargs.pop(name) for name in options}
            return command(*args, recipe={name: value for name, value in given.items() if value is not None}, **kwargs)

        return functools.reduce(lambda inner, option: option(inner), reversed(options.values()), run)

    return decorate
