"""How far reviewers agree, in words and rows."""

from collections.abc import Sequence

from tinyboard.views import words
from tinyboard.views.reviewing_records import AgreementView, GivenView

_GRADES = ((0.8, "almost perfect"), (0.6, "substantial"), (0.4, "moderate"), (0.2, "fair"), (0.0, "slight"))


def kappa(value: float | None) -> str:
    """A kappa as people read it; a dash where it is undefined.

    >>> kappa(0.7345), kappa(None)
    ('0.73', '–')
    """
    return "–" if value is None else f"{value:.2f}"


def grade(value: float | None) -> str:
    """The word of Landis and Koch (1977) for a kappa.

    >>> grade(0.73), grade(-0.1), grade(None)
    ('substantial agreement', 'no better than chance', 'not defined yet')
    """
    if value is None:
        return "not defined yet"
    return next((f"{word} agreement" for floor, word in _GRADES if value > floor), "no better than chance")


def unanimous(agreement: AgreementView) -> str:
    """Share of the samples with one opinion only."""
    return (
        words.percent(agreement.unanimous_count / agreement.sample_count) if agreement.sample_count else "–"
    )


def rows(agreement: AgreementView) -> list[dict[str, object]]:
    """One row a pair of reviewers."""
    return [
        {
            "Reviewer": pair.first_reviewer,
            "and": pair.second_reviewer,
            "Samples": pair.sample_count,
            "Alike": pair.agreed_count,
            "Cohen's kappa": kappa(pair.cohen_kappa),
            "": grade(pair.cohen_kappa),
        }
        for pair in agreement.pairs
    ]


def opinions(given: Sequence[GivenView]) -> str:
    """Who said what of one sample, as Markdown; the newest of each reviewer."""
    newest = {one.reviewer: one for one in given}
    return " · ".join(
        f"**{words.plain(one.reviewer)}**: {words.plain(one.label or words.title_case(one.decision))}"
        for one in newest.values()
        if one.decision != "WITHDRAWN"
    )
