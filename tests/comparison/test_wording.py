"""Numbers and lists are put in words."""

from __future__ import annotations

from interpbench.comparison.wording import amount, between, chance, listed, three_digits

# Words


def test_numbers_have_three_digits_and_no_needless_powers_of_ten() -> None:
    assert [three_digits(value) for value in (0.93456, 1234.5, -0.00012, 0.0, None)] == [
        "0.935",
        "1234",
        "-0.00012",
        "0",
        "n/a",
    ]
    assert amount(2.5, "years") == "2.5 years"
    assert amount(2.5, "") == "2.5"
    assert between([0.1, 0.25]) == "0.1 to 0.25"
    assert [chance(p) for p in (0.0004, 0.0123, 1.0)] == ["p < 0.001", "p = 0.012", "p = 1"]


def test_lists_are_read_aloud_and_long_ones_cut() -> None:
    assert [listed(list(some)) for some in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert listed(list("abcdefgh"), 6) == "a, b, c, d, e, f and 2 more"
    assert listed(list("abcdefg"), 6) == "a, b, c, d, e, f and g"
