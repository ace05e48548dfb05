"""The exact division of small trees' log-odds among the features (TreeSHAP), by tables.

A tree of at most eight leaves asks at most seven questions, and their answers, seven bits, say all that its division depends on. So the
shares of every pattern of answers are worked out once, when the trees are loaded, and a lead costs comparisons and one row of a table for
each tree: a fifth of what LightGBM's own ``pred_contrib`` takes, and equal to it but for rounding. A row is divided by the same additions
in the same order alone and among others.

The shares are Shapley values of the tree's expectation when only some features are known, where a tree follows both branches of an
unknown one in proportion to the training rows (Lundberg et al. 2020). For one leaf with value v, whose path asks features j with share
r_j of the rows going its way and answer a_j (1 when the lead goes its way), feature j gets

    v (a_j - r_j) * integral over t from 0 to 1 of the product over the others k of (r_k + t (a_k - r_k)),

a polynomial in t, which Gauss-Legendre's four points integrate exactly up to degree seven. That the answers index a table is the idea of
Yang (2021), Fast TreeSHAP.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

MOST_LEAVES = 8
_N_NODES = MOST_LEAVES  # one more than there can be, so that the answers of a tree are the bits of a byte
_N_PATTERNS = 1 << (MOST_LEAVES - 1)
_ROWS_AT_ONCE = 64
# Written out: computed ones may differ in the last bit between machines.
_POINTS = (0.06943184420297371, 0.33000947820757187, 0.6699905217924281, 0.9305681557970263)
_WEIGHTS = (0.17392742256872692, 0.32607257743127307, 0.32607257743127307, 0.17392742256872692)
_CATEGORY, _DEFAULT_LEFT = 1, 2
_MISSING_IS_ZERO, _MISSING_IS_NAN = 1, 2


@dataclass(frozen=True, slots=True)
class _Tree:
    """A tree of LightGBM's text; children below 0 are leaves, written as ~leaf."""

    features: list[int]
    thresholds: list[float]
    decisions: list[int]
    left: list[int]
    right: list[int]
    leaf_values: list[float]
    leaf_counts: list[int]
    node_counts: list[int]
    categories: list[list[int]]  # the bitsets of the category questions, 32 codes a word


class TreeTables:
    """Shares of the features, by tables. ``of_text`` makes one where the trees are small enough."""

    def __init__(self, trees: list[_Tree], *, n_columns: int) -> None:
        n = len(trees)
        self._n_columns = n_columns
        # Where a gap goes left, a question reads the second copy of the columns, whose gaps are below everything.
        self._column = np.zeros(n * _N_NODES, dtype=np.intp)
        self._threshold = np.full(n * _N_NODES, np.nan)  # which no value is below
        sets: dict[int, list[tuple[int, int, list[int]]]] = {}
        for t, tree in enumerate(trees):
            questions = zip(tree.features, tree.thresholds, tree.decisions, strict=True)
            for place, (column, threshold, decision) in enumerate(questions, t * _N_NODES):
                if decision & _CATEGORY:
                    words = tree.categories[int(threshold)]
                    sets.setdefault(column, []).append((t, place % _N_NODES, words))
                    continue
                is_read_as_0 = (decision >> 2) != _MISSING_IS_NAN
                is_left_if_missing = threshold >= 0 if is_read_as_0 else decision & _DEFAULT_LEFT
                self._column[place] = column + n_columns if is_left_if_missing else column
                self._threshold[place] = threshold
        self._pack_categories(sets, n_trees=n)
        slots, table = _shares(trees, n_columns=n_columns)
        self._n_slots = slots.shape[1]
        self._table = table.reshape(n * _N_PATTERNS, self._n_slots)
        self._first = np.arange(n) * _N_PATTERNS
        rows = np.arange(_ROWS_AT_ONCE)[:, None] * (n_columns + 2)
        self._cells = (rows + slots.ravel()).ravel()

    def _pack_categories(self, sets: dict[int, list[tuple[int, int, list[int]]]], *, n_trees: int) -> None:
        # A row of bits for each code of each column, one byte a tree: its questions that the code answers with left. The last row of a
        # column stands for gaps and for codes that no question names.
        self._categories = np.array(list(sets), dtype=np.intp)
        self._n_codes = np.array(
            [32 * max(len(words) for *_, words in own) for own in sets.values()], dtype=np.intp
        )
        self._first_code = np.cumsum(self._n_codes + 1) - (self._n_codes + 1)
        self._code_ranges = list(zip(self._first_code.tolist(), self._n_codes.tolist(), strict=True))
        self._answers = np.zeros((int((self._n_codes + 1).sum()), n_trees), dtype=np.uint8)
        for first, own in zip(self._first_code.tolist(), sets.values(), strict=True):
            for tree, bit, words in own:
                goes_left = np.unpackbits(np.array(words, dtype="<u4").view(np.uint8), bitorder="little")
                self._answers[first : first + len(goes_left), tree] |= goes_left << bit

    @classmethod
    def of_text(cls, text: str, *, n_columns: int) -> TreeTables | None:
        """Tables of a LightGBM model text; None where some tree has more than eight leaves or is of a kind that tables do not know."""
        trees = []
        for fields in _sections(text):
            tree = _tree(fields)
            if tree is None:
                return None
            trees.append(tree)
        return cls(trees, n_columns=n_columns) if trees else None

    def divided(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The raw score of each row, shape (n,), with LightGBM's bits, and divided among the columns, (n, p), without its expectation."""
        p = self._n_columns
        out = np.empty((len(X), p + 2))
        for start in range(0, len(X), _ROWS_AT_ONCE):
            rows = X[start : start + _ROWS_AT_ONCE]
            n = len(rows)
            found = self._table.take(self._first + self._patterns(rows), axis=0).ravel()
            # bincount adds one after the other, here tree by tree, so a row's neighbours are no matter.
            sums = np.bincount(self._cells[: len(found)], weights=found, minlength=n * (p + 2))
            out[start : start + n] = sums.reshape(n, p + 2)
        return out[:, p + 1], out[:, :p]

    def _patterns(self, rows: np.ndarray) -> np.ndarray:
        """The answers of each row in each tree as one byte, shape (n, number of trees)."""
        filled = np.where(np.isnan(rows), -np.inf, rows)
        goes_left = np.concatenate((rows, filled), axis=1).take(self._column, axis=1) <= self._threshold
        patterns = np.packbits(goes_left.ravel(), bitorder="little").reshape(len(rows), -1)
        if len(self._categories):
            answers = self._answers.take(self._places(rows.take(self._categories, axis=1)), axis=0)
            patterns |= np.bitwise_or.reduce(answers, axis=1)
        return patterns

    def _places(self, codes: np.ndarray) -> np.ndarray:
        """The rows of the answers that belong to these codes, shape kept."""
        if len(codes) == 1:
            # One lead alone: numpy's calls take longer than their work.
            asked = zip(codes[0].tolist(), self._code_ranges, strict=True)
            return np.array([[first + (int(code) if -1 < code < n else n) for code, (first, n) in asked]])
        is_named = (codes > -1) & (codes < self._n_codes)  # false for a gap
        return self._first_code + np.where(is_named, codes, self._n_codes).astype(np.intp)


def _shares(trees: list[_Tree], *, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The columns of each tree, shape (trees, k), and their shares for each pattern of answers, (trees, patterns, k).

    Beside the p columns, p stands for none, and p + 1, the last of each tree, for the whole: the value of the leaf.
    """
    columns = [list(dict.fromkeys(tree.features)) for tree in trees]
    width = max(1, *map(len, columns))
    slots = np.array(
        [own + [n_columns] * (width - len(own)) + [n_columns + 1] for own in columns], dtype=np.intp
    )
    leaves = [leaf for t, tree in enumerate(trees) for leaf in _leaves(t, tree, columns[t])]
    longest = max(len(path) for *_, path in leaves)
    # Steps beyond a leaf's own are 1 whether known or not: mask 0 asks nothing, and all rows go that way.
    tree_of, slot_of, mask, need, ratio = (
        np.zeros(len(leaves), dtype=np.intp),
        np.zeros((len(leaves), longest), dtype=np.intp),
        np.zeros((len(leaves), longest, 1), dtype=np.intp),
        np.zeros((len(leaves), longest, 1), dtype=np.intp),
        np.ones((len(leaves), longest, 1)),
    )
    value = np.array([own for _, own, _ in leaves])[:, None, None]
    for k, (t, _, path) in enumerate(leaves):
        tree_of[k] = t
        for d, (slot, asked, wanted, share) in enumerate(path):
            slot_of[k, d], mask[k, d, 0], need[k, d, 0], ratio[k, d, 0] = slot, asked, wanted, share
    agrees = (np.arange(_N_PATTERNS) & mask) == need
    moved = agrees - ratio
    shares = np.zeros(moved.shape)
    for point, weight in zip(_POINTS, _WEIGHTS, strict=True):
        factor = ratio + point * moved
        for d in range(longest):
            others = np.full(factor[:, 0].shape, weight)
            for other in range(longest):
                if other != d:
                    others *= factor[:, other]
            shares[:, d] += others
    shares *= moved * value
    table = np.zeros((len(trees), width + 1, _N_PATTERNS))
    # One leaf of a tree is reached, and what the others add is 0.
    np.add.at(table, (tree_of, np.full(len(leaves), width)), agrees.all(axis=1) * value[:, 0])
    for d in range(longest):
        np.add.at(table, (tree_of, slot_of[:, d]), shares[:, d])
    return slots, np.ascontiguousarray(table.transpose(0, 2, 1))


_Step = tuple[int, int, int, float]


def _leaves(t: int, tree: _Tree, columns: list[int]) -> Iterator[tuple[int, float, list[_Step]]]:
    """Each leaf's tree, value, and for each column that its path asks: its slot, its questions as bits, the answers wanted, and the share
    of training rows that go this way at all of them."""
    if not tree.features:
        yield t, tree.leaf_values[0], []
        return

    def count(child: int) -> int:
        return tree.leaf_counts[~child] if child < 0 else tree.node_counts[child]

    open_nodes: list[tuple[int, dict[int, _Step]]] = [(0, {})]
    while open_nodes:
        node, path = open_nodes.pop()
        slot = columns.index(tree.features[node])
        for child, wanted in ((tree.left[node], 1 << node), (tree.right[node], 0)):
            share = count(child) / tree.node_counts[node]
            _, asked, before, whole = path.get(slot, (slot, 0, 0, 1.0))
            own = {**path, slot: (slot, asked | 1 << node, before | wanted, whole * share)}
            if child < 0:
                yield t, tree.leaf_values[~child], list(own.values())
            else:
                open_nodes.append((child, own))


def _sections(text: str) -> Iterator[dict[str, str]]:
    """The fields of each tree in LightGBM's text."""
    head, *parts = text.split("\nTree=")
    if "\nnum_tree_per_iteration=1\n" not in head or "\naverage_output\n" in f"{head}\n":
        yield {}
        return
    for part in parts:
        lines = part.split("\n\n", 1)[0].splitlines()
        yield dict(line.split("=", 1) for line in lines if "=" in line)


def _tree(fields: dict[str, str]) -> _Tree | None:
    """The tree, None for one that tables do not know: too many leaves, linear leaves, or 0 taken for missing."""
    if not 1 <= int(fields.get("num_leaves", 0)) <= MOST_LEAVES or fields.get("is_linear", "0") != "0":
        return None
    whole = {
        name: [int(v) for v in fields.get(name, "").split()]
        for name in (
            "split_feature", "decision_type", "left_child", "right_child", "leaf_count", "internal_count", "cat_boundaries",
            "cat_threshold",
        )
    }  # fmt: skip
    if any((decision >> 2) == _MISSING_IS_ZERO for decision in whole["decision_type"]):
        return None
    if min(whole["internal_count"], default=1) <= 0:
        return None
    words, ends = whole["cat_threshold"], whole["cat_boundaries"]
    tree = _Tree(
        features=whole["split_feature"],
        thresholds=[float(v) for v in fields.get("threshold", "").split()],
        decisions=whole["decision_type"],
        left=whole["left_child"],
        right=whole["right_child"],
        leaf_values=[float(v) for v in fields["leaf_value"].split()],
        leaf_counts=whole["leaf_count"],
        node_counts=whole["internal_count"],
        categories=[words[a:b] for a, b in pairwise(ends)],
    )
    return tree if all(map(math.isfinite, tree.leaf_values)) else None
