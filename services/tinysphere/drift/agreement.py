r"""How far reviewers agree beyond what chance would have them do. Pure.

What a reviewer says of a sample is one category: the class, or that the sample is unusable. CANNOT_TELL says nothing.

- Two reviewers, Cohen (1960), "A coefficient of agreement for nominal scales", Educational and Psychological
  Measurement 20(1): :math:`\kappa = (p_o - p_e) / (1 - p_e)`, where :math:`p_o` is the share of samples they judged
  alike and :math:`p_e = \sum_j p_{1j} p_{2j}` what their own shares of the categories lead to.
- All reviewers, Fleiss (1971), "Measuring nominal scale agreement among many raters", Psychological Bulletin 76(5),
  for samples each with its own number of reviewers as in Gwet (2014), "Handbook of Inter-Rater Reliability", 4th ed.,
  chapter 2: :math:`n_{ij}` reviewers put sample i, which :math:`n_i \ge 2` reviewers judged, into category j,
  :math:`p_o` is the mean over samples of :math:`\sum_j n_{ij} (n_{ij} - 1) / (n_i (n_i - 1))`,
  :math:`p_e = \sum_j \bar p_j^2` and :math:`\bar p_j` the mean over samples of :math:`n_{ij} / n_i`. Where all
  samples have the same number of reviewers this is Fleiss' own formula.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from tinysphere.storage.ports.review import Rating

MAX_VERDICTS = 20_000
"""Newest verdicts that one measurement looks at."""
MAX_PAIRS = 100
MAX_RATERS = 15
"""Reviewers of one sample that are looked at, those who spoke last: as many as are asked at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """How far two reviewers agree, on the samples both judged; ``cohen_kappa`` None where it is undefined."""

    first_reviewer: str
    second_reviewer: str
    sample_count: int
    agreed_count: int
    cohen_kappa: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far reviewers agree, on the samples that several of them judged; `fleiss_kappa` None where undefined."""

    sample_count: int
    unanimous_count: int
    fleiss_kappa: float | None
    pairs: tuple[PairAgreement, ...]


def measure(ratings: Iterable[Rating]) -> Agreement:
    """Measures the agreement on samples; those that fewer than two reviewers judged do not count.

    Args:
        ratings: One a reviewer and sample, newest first.
    """
    samples: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for rating in ratings:
        if len(samples[rating.sample_id]) < MAX_RATERS:
            samples[rating.sample_id][rating.reviewer] = rating.label
    shared = [said for said in samples.values() if len(said) > 1]
    return Agreement(
        sample_count=len(shared),
        unanimous_count=sum(len(set(said.values())) == 1 for said in shared),
        fleiss_kappa=fleiss_kappa([Counter(said.values()) for said in shared]),
        pairs=_pairs(shared),
    )


def fleiss_kappa(counts: Sequence[Mapping[str, int]]) -> float | None:
    """Fleiss' kappa of samples that two reviewers or more judged each.

    Args:
        counts: Reviewers by category, for each sample.

    Returns:
        -1 to 1; None without samples, or when all reviewers put all samples into one category.
    """
    if not counts:
        return None
    observed = Fraction()
    shares: defaultdict[str, Fraction] = defaultdict(Fraction)
    for sample in counts:
        raters = sum(sample.values())
        observed += Fraction(sum(count * (count - 1) for count in sample.values()), raters * (raters - 1))
        for category, count in sample.items():
            shares[category] += Fraction(count, raters)
    expected = sum((share / len(counts)) ** 2 for share in shares.values())
    return _beyond_chance(observed / len(counts), Fraction(expected))


def cohen_kappa(said: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two reviewers.

    Args:
        said: The category each of the two put a sample into, for every sample that both judged.

    Returns:
        -1 to 1; None without samples, or when both put all samples into one category.
    """
    if not said:
        return None
    first, second = Counter(pair[0] for pair in said), Counter(pair[1] for pair in said)
    expected = sum(count * second[category] for category, count in first.items())
    observed = sum(one == other for one, other in said)
    return _beyond_chance(Fraction(observed, len(said)), Fraction(expected, len(said) ** 2))


def _beyond_chance(observed: Fraction, expected: Fraction) -> float | None:
    return None if expected == 1 else float((observed - expected) / (1 - expected))


def _pairs(samples: Iterable[Mapping[str, str]]) -> tuple[PairAgreement, ...]:
    """Each pair of reviewers with samples in common, most samples first.

    Args:
        samples: What each reviewer says, for each sample.
    """
    said: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for entry in samples:
        for first, second in combinations(sorted(entry), 2):
            said[first, second].append((entry[first], entry[second]))
    most = sorted(said, key=lambda names: (-len(said[names]), names))[:MAX_PAIRS]
    return tuple(_pair(names, said[names]) for names in most)


def _pair(names: tuple[str, str], said: Sequence[tuple[str, str]]) -> PairAgreement:
    return PairAgreement(
        first_reviewer=names[0],
        second_reviewer=names[1],
        sample_count=len(said),
        agreed_count=sum(first == second for first, second in said),
        cohen_kappa=cohen_kappa(said),
    )
