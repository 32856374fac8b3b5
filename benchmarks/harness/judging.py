"""Compares what was planted with what somebody has found, by the same rules for all sides.

What a side has found is a table with a row for each photo, or pair of photos, that it has a score for:

    kind              as in our findings; `near_duplicate` may have exact duplicates among them
    file              name of the photo
    other             of copies: name of the other photo
    score             the higher, the more certain
    is_found          whether the side itself names the photo, by the threshold that it has
    suggested_label   of label issues, if there is one
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.faults import COPIES_THAT_ARE_SOUGHT, NEAR_COPIES, ODD, Photo

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Set

    import pandas as pd

EXACT_DUPLICATE, NEAR_DUPLICATE = "exact_duplicate", "near_duplicate"
LABEL_ISSUE, OUTLIER = "label_issue", "outlier"
NEAR_COPIES_THAT_ARE_SOUGHT = f"{NEAR_DUPLICATE}: {', '.join(COPIES_THAT_ARE_SOUGHT)}"


@dataclass(frozen=True)
class Fault:
    """A kind of fault that was planted.

    Attributes:
        name: In tables.
        kind: The kind of findings that may be this fault.
        planted: Photos, or pairs of photos, that have the fault.
        may_be_found: Those that are no mistake if they are found; a part of the fault shares them with the whole fault.
        is_part: It is a part of another fault: the findings of the other parts are no mistakes, and no precision is told.

    """

    name: str
    kind: str
    planted: Set[Hashable]
    may_be_found: Set[Hashable]
    is_part: bool = False


class Answers:
    """What one side has found.

    Args:
        table: See the module.
        contents: Digest of each photo's file, by name: this is how exact duplicates are told from near ones.
        looks_for_all: Whether the side looks for all kinds of faults, even if it has found none of a kind.

    """

    def __init__(self, table: pd.DataFrame, contents: Mapping[str, str], *, looks_for_all: bool = False) -> None:
        self._kinds = None if looks_for_all else {*table["kind"], EXACT_DUPLICATE}
        self._scores: defaultdict[str, dict[Hashable, float]] = defaultdict(dict)
        self._found: defaultdict[str, set[Hashable]] = defaultdict(set)
        self.suggested: dict[str, str] = {}
        rows = table[["kind", "file", "other", "score", "is_found", "suggested_label"]].itertuples(index=False, name=None)
        for kind, file, other, score, is_found, suggested_label in rows:
            answer: Hashable = file
            if kind in (EXACT_DUPLICATE, NEAR_DUPLICATE):
                kind = EXACT_DUPLICATE if contents[file] == contents[other] else NEAR_DUPLICATE  # noqa: PLW2901
            if kind in (EXACT_DUPLICATE, NEAR_DUPLICATE, "leak", "label_conflict"):
                answer = frozenset((file, other))
            self._scores[kind][answer] = max(score, self._scores[kind].get(answer, score))
            if is_found:
                self._found[kind].add(answer)
                if kind == LABEL_ISSUE and suggested_label:
                    self.suggested[file] = suggested_label

    def looks_for(self, kind: str) -> bool:
        """Whether the side looks for faults of a kind."""
        return self._kinds is None or kind in self._kinds

    def found(self, kind: str) -> Set[Hashable]:
        """Photos or pairs that the side names."""
        return self._found[kind]

    def best_recall(self, fault: Fault, min_precision: float) -> float:
        """Largest recall of all thresholds of the score at which the precision is at least this."""
        by_score = defaultdict(list)
        for answer, score in self._scores[fault.kind].items():
            by_score[score].append(answer)
        best, n_found, n_right, n_planted = 0, 0, 0, 0
        for score in sorted(by_score, reverse=True):
            n_found += len(by_score[score])
            n_right += sum(answer in fault.may_be_found for answer in by_score[score])
            n_planted += sum(answer in fault.planted for answer in by_score[score])
            if n_right >= min_precision * n_found:
                best = n_planted
        return best / len(fault.planted)


def list_faults(listed: list[Photo]) -> list[Fault]:
    """List what was planted, by kind."""
    by_name = {photo.file_name: photo for photo in listed}
    planted: defaultdict[str, set[Hashable]] = defaultdict(set)
    for photo in listed:
        planted[photo.kind].add(photo.file_name)

    def pairs(kinds: tuple[str, ...], is_wanted: Callable[[Photo, Photo], bool] = lambda *_: True) -> set[Hashable]:
        copies = [(photo, by_name[photo.source]) for photo in listed if photo.kind in kinds]
        return {frozenset((copy.file_name, source.file_name)) for copy, source in copies if is_wanted(copy, source)}

    exact, near = pairs(("exact",)), pairs(NEAR_COPIES)
    faults = [
        Fault(EXACT_DUPLICATE, EXACT_DUPLICATE, exact, exact),
        *(Fault(f"{NEAR_DUPLICATE}: {kind}", NEAR_DUPLICATE, pairs((kind,)), near, is_part=True) for kind in NEAR_COPIES),
        Fault(NEAR_COPIES_THAT_ARE_SOUGHT, NEAR_DUPLICATE, pairs(COPIES_THAT_ARE_SOUGHT), near),
    ]
    for kind, column in (("leak", "split"), ("label_conflict", "label")):

        def differs(copy: Photo, source: Photo, column: str = column) -> bool:
            return bool(getattr(copy, column) != getattr(source, column))

        sought, every = pairs(("exact", *COPIES_THAT_ARE_SOUGHT), differs), pairs(("exact", *NEAR_COPIES), differs)
        faults.append(Fault(kind, kind, sought, every))
    may_be_wrong = planted["wrong"] | planted["exact"] | planted["foreign"]
    faults.append(Fault(LABEL_ISSUE, LABEL_ISSUE, planted["wrong"], may_be_wrong))
    faults.append(Fault(f"{OUTLIER}: foreign", OUTLIER, planted["foreign"], planted["foreign"]))
    return [*faults, *(Fault(kind, kind, planted[kind], planted[kind]) for kind in ODD)]


def judge(
    listed: list[Photo], answers: Answers, min_precisions: Mapping[str, float | None] | None = None
) -> list[dict[str, Any]]:
    """Compare what was planted with what a side has found.

    Args:
        listed: All photos, and what was planted.
        answers: Of the side.
        min_precisions: Precision of the other side, by fault.

    Returns:
        kind, planted, found, recall, precision: of all findings of the kind, the share that was planted. With `min_precisions`
        also equal: the largest recall of this side at that precision or a better one. Of label issues also suggested_right.

    """
    rows = []
    for fault in list_faults(listed):
        if not answers.looks_for(fault.kind):
            continue
        found = answers.found(fault.kind)
        row: dict[str, Any] = {
            "kind": fault.name,
            "planted": len(fault.planted),
            "found": len(found),
            "recall": len(fault.planted & found) / len(fault.planted) if fault.planted else None,
            "precision": len(fault.may_be_found & found) / len(found) if found and not fault.is_part else None,
        }
        if min_precisions is not None:
            min_precision = min_precisions[NEAR_COPIES_THAT_ARE_SOUGHT if fault.is_part else fault.name]
            row["equal"] = None if min_precision is None else answers.best_recall(fault, min_precision)
        if fault.kind == LABEL_ISSUE:
            row["suggested_right"] = _suggested_right(listed, answers)
        rows.append(row)
    return rows


def _suggested_right(listed: list[Photo], answers: Answers) -> float | None:
    """Share of the wrong labels that were found and got the right suggestion."""
    right = [
        answers.suggested[photo.file_name] == photo.source
        for photo in listed
        if photo.kind == "wrong" and photo.file_name in answers.suggested
    ]
    return sum(right) / len(right) if right else None
