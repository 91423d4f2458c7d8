"""Options: typed by the fields of a component, checked, and stored as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from interpbench.errors import UsageError
from interpbench.options import check_options, describe_options, option, options_json, parse_options, typed_options

if TYPE_CHECKING:
    from nowhere import Unknown


class Interface:
    recipe: Unknown  # no option, and a name that exists for type checkers only, as in `interpbench.Predictor`


@dataclass(frozen=True, kw_only=True)
class Window(Interface):
    """A component with an option of every type."""

    edge: int = option(16, "edge of the box, in voxels", minimum=1, maximum=64)
    count: int = option(3, "any whole number")
    noise: float = option(0.5, "standard deviation", above=0)
    form: str = option("scaled", "how it is added", choices=("scaled", "printed"))
    blur: bool = option(False, "smooth it")
    limit: float | None = option(None, "stop there", minimum=0)
    shape: tuple[int, int, int] = option((6, 7, 8), "edges")
    levels: tuple[float, ...] = option((), "any number of levels")
    arguments: dict[str, Any] | None = option(None, "keyword arguments")

    def __post_init__(self) -> None:
        check_options(self)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("edge=8", 8),
        ("noise=1e-3", 0.001),
        ("noise = 2", 2.0),
        ("form=printed", "printed"),
        ("blur=yes", True),
        ("blur=False", False),
        ("limit=none", None),
        ("limit=3", 3.0),
        ("shape=1x2x3", (1, 2, 3)),
        ("shape=1,2,3", (1, 2, 3)),
        ("levels=0.5,1", (0.5, 1.0)),
        ('arguments={"bins": 4}', {"bins": 4}),
    ],
)
def test_a_word_becomes_a_value_of_its_fields_type(word, value):
    (parsed,) = parse_options(Window, [word]).values()
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("edge=8.5", "an integer"),
        ("edge=many", "an integer"),
        ("edge=none", "an integer"),
        ("noise=loud", "a number"),
        ("blur=maybe", "true or false"),
        ("limit=soon", "a number or none"),
        ("shape=1x2", "three integers as IxJxK"),
        ("levels=a,b", "numbers separated by commas"),
        ("arguments={", "a JSON object or none"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name_in_a_users_words(word, words):
    name, _, value = word.partition("=")
    with pytest.raises(UsageError, match=rf"^{name} of Window must be {words}, got '{value}'\.$"):
        parse_options(Window, [word])


def test_a_word_without_an_equals_sign_is_refused():
    with pytest.raises(UsageError, match="An option is written name=value, got 'edge'"):
        parse_options(Window, ["edge"])


def test_a_value_may_itself_hold_an_equals_sign():
    assert parse_options(Window, ["form=a=b"]) == {"form": "a=b"}


def test_an_unknown_option_gets_the_nearest_and_the_list():
    with pytest.raises(UsageError, match=r"no option 'egde'\. Did you mean 'edge'\? Available options: arguments, "):
        parse_options(Window, ["egde=3"])


def test_a_component_without_options_says_so():
    with pytest.raises(UsageError, match=r"object has no option 'edge'\. Available options: none\."):
        parse_options(object, ["edge=3"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"edge": 0}, "edge of Window must be at least 1, got 0"),
        ({"edge": 65}, "edge of Window must be at most 64, got 65"),
        ({"noise": 0.0}, "noise of Window must be above 0, got 0.0"),
        ({"noise": float("nan")}, "noise of Window must be above 0, got nan"),
        ({"noise": float("inf")}, "noise of Window must be a finite number, got inf"),
        ({"form": "odd"}, "form of Window must be one of scaled, printed, got 'odd'"),
        ({"limit": -1.0}, "limit of Window must be at least 0, got -1.0"),
        ({"count": 2**63}, "count of Window must be below 2\\^63, got 9223372036854775808"),
        ({"count": -(2**70)}, "count of Window must be below 2\\^63, got -1180591620717411303424"),
    ],
)
def test_a_value_outside_its_range_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Window(**values)


def test_the_bounds_themselves_are_allowed():
    assert (Window(edge=1).edge, Window(edge=64).edge, Window(limit=0.0).limit) == (1, 64, 0.0)


def test_options_survive_the_way_through_json():
    window = Window(edge=3, blur=True, limit=2.5, shape=(3, 4, 5), levels=(0.1,), arguments={"a": [1]})
    stored = json.loads(json.dumps(options_json(window)))
    assert Window(**typed_options(Window, stored)) == window


def test_a_description_names_type_default_help_and_choices():
    form = next(one for one in describe_options(Window) if one["name"] == "form")
    assert form == {
        "name": "form",
        "type": "str",
        "default": "scaled",
        "help": "how it is added",
        "choices": ["scaled", "printed"],
        "range": "",
    }


def test_options_of_a_base_class_are_inherited():
    @dataclass(frozen=True, kw_only=True)
    class Wider(Window):
        margin: int = option(2, "voxels around the box")

    assert parse_options(Wider, ["margin=3", "edge=5"]) == {"margin": 3, "edge": 5}
