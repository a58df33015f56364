"""What reviewing promises, as simply as can be said: everything is worked out anew from what people said, in order."""

from collections import Counter
from dataclasses import dataclass, field

UNUSABLE = "<unusable>"
CANNOT_TELL = "<cannot tell>"
WITHDRAWN = "<withdrawn>"
EVE = "eve"

Policy = tuple[str, int, int]
"""ONE, AGREEMENT or ADJUDICATOR (it is Eve); how many have to say the same; how many are asked."""


@dataclass(slots=True)
class SampleModel:
    """One sample: who said what, and what it was judged to be."""

    said: list[tuple[str, str]] = field(default_factory=list)
    judged: str | None = None
    disputed: bool = False

    def standing(self) -> dict[str, str]:
        """The last word of each reviewer who did not take it back, the oldest of these words first."""
        last = {reviewer: place for place, (reviewer, _) in enumerate(self.said)}
        words = [(self.said[place][0], self.said[place][1]) for place in sorted(last.values())]
        return {reviewer: word for reviewer, word in words if word != WITHDRAWN}


@dataclass(slots=True)
class ReviewModel:
    """All samples, what was sent to their device, and other names of labels."""

    samples: dict[int, SampleModel]
    policy: Policy = ("ONE", 1, 1)
    sent: list[tuple[int, str]] = field(default_factory=list)
    answered_count: int = 0
    verdict_count: int = 0
    resolved: bool = False
    closed_by_hand: bool = False
    opened_again: bool = False
    aliases: dict[str, str] = field(default_factory=dict)

    def submit(self, number: int, reviewer: str, word: str) -> str:
        """Returns the reason of the refusal; empty when the verdict is taken."""
        sample = self.samples[number]
        before = sample.standing().get(reviewer)
        if word == WITHDRAWN and before is None:
            return "NOTHING_TO_WITHDRAW"
        if word != WITHDRAWN and self.resolved:
            return "DRIFT_EVENT_CLOSED"
        if word != WITHDRAWN and sample.judged is not None:
            return "SAMPLE_JUDGED"
        sample.said.append((reviewer, word))
        self.verdict_count += 1
        if sample.judged is None or before != CANNOT_TELL:
            self._judge(number, sample)
        return ""

    def rename(self, name: str, new_name: str) -> int:
        """Returns how many samples have another label since."""
        old, new = self.name_of(name), self.aliases.get(new_name, new_name)
        if new == old:
            new = new_name
        if new == old:
            return 0
        self.aliases.pop(new, None)
        self.aliases |= {alias: new for alias, label in self.aliases.items() if label == old} | {old: new}
        changed = [number for number, sample in self.samples.items() if sample.judged == old]
        for number in changed:
            self.samples[number].judged = new
            self.sent.append((number, new))
        return len(changed)

    def name_of(self, label: str) -> str:
        return self.aliases.get(label, label)

    def settle(self) -> None:
        """All judged and all answered resolves the event.

        A sample that waits opens it, unless a person closed it; a judgement that is taken back always does.
        """
        judged = all(sample.judged is not None for sample in self.samples.values())
        if self.opened_again or not (judged or self.closed_by_hand):
            self.resolved = self.closed_by_hand = False
        if judged and self.answered_count == len(self.sent):
            self.resolved = True
        self.opened_again = False

    def _judge(self, number: int, sample: SampleModel) -> None:
        after, sample.disputed = self._verdict_of(sample)
        before, sample.judged = sample.judged, after
        if before is not None and after != before:
            self.opened_again = True
        news = UNUSABLE if after is None and before is not None else after
        if news is not None and news != before:
            self.sent.append((number, news))

    def _verdict_of(self, sample: SampleModel) -> tuple[str | None, bool]:
        kind, required, asked = self.policy
        words = {name: self.name_of(word) for name, word in sample.standing().items() if word != CANNOT_TELL}
        votes = Counter(words.values())
        if kind == "ONE":
            return next(iter(words.values()), None), False
        agreed = [word for word, count in votes.items() if count >= required]
        if agreed:
            return max(agreed, key=lambda word: votes[word]), False
        if len(words) < asked:
            return None, False
        decided = words.get(EVE) if kind == "ADJUDICATOR" else None
        return decided, decided is None
