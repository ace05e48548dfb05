"""The score log: a lead's score is the champion's, whatever a challenger said beside it."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from data.domain import DAY
from data.scorelog import ScoreRow, Told, id_beside
from data.store import Store

NOW = 20_000 * DAY


def answered(
    name: str, *, lead_id: str = "ada", version: str = "3", cutoff: int = NOW, points: float = 61.25
) -> ScoreRow:
    return ScoreRow(
        score_id=name, lead_id=lead_id, goal="qualified", model_version=version, cutoff=cutoff, score=round(points), grade="B",
        probability=0.25, points=points, features=b"\x00\xff" * 8, reasons="[]", stored=True,
    )  # fmt: skip


def beside(row: ScoreRow, *, version: str = "4", points: float = 40.5) -> ScoreRow:
    return row._replace(
        score_id=id_beside(row.score_id), model_version=version, points=points, score=round(points), route="challenger"
    )  # fmt: skip


def told(row: ScoreRow) -> Told:
    return Told(*(getattr(row, name) for name in Told._fields))


def test_what_was_answered_stays_the_leads_score(store: Store):
    first, second = answered("a"), answered("b", cutoff=NOW + 1)
    store.scores.append([first, second, beside(first), beside(second)])
    assert store.scores.last_of("ada") == second
    assert store.scores.recent(limit=10) == [second, first]


def test_a_lead_of_whom_only_a_challengers_score_is_left_has_none(store: Store):
    store.scores.append([beside(answered("a"))])
    assert store.scores.last_of("ada") is None
    assert store.scores.recent(limit=10) == []


def test_a_challengers_score_is_found_by_its_id(store: Store):
    row = answered("a")
    store.scores.append([row, beside(row)])
    assert store.scores.by_id("a") == row
    assert store.scores.by_id(id_beside("a")) == beside(row)


def test_one_answer_has_one_score_beside_it(store: Store):
    row = answered("a")
    store.scores.append([row, beside(row)])
    store.scores.append([beside(row, version="5", points=10.0)])
    assert store.scores.by_id(id_beside("a")) == beside(row)


def test_pairs_are_of_one_answer_also_where_leads_have_no_id(store: Store):
    """Leads without an id that are scored in one request share lead_id and cutoff; they must not be taken for each other."""
    rows = [answered(f"r{i}", lead_id="", points=50.0 + i) for i in range(3)]
    others = [beside(row, points=30.0 + i) for i, row in enumerate(rows)]
    store.scores.append([*rows, *others])
    assert store.scores.pairs(goal="qualified", limit=10) == [
        (told(others[i]), told(rows[i])) for i in (2, 1, 0)
    ]


def test_pairs_are_the_newest_of_one_goal(store: Store):
    rows = [answered(f"r{i}") for i in range(5)]
    store.scores.append([*rows, *map(beside, rows)])
    won = answered("w")._replace(goal="won")
    store.scores.append([won, beside(won)])
    assert [pair[0] for pair in store.scores.pairs(goal="qualified", limit=2)] == [
        told(beside(rows[4])),
        told(beside(rows[3])),
    ]
    assert len(store.scores.pairs(goal="won", limit=10)) == 1
    assert store.scores.pairs(goal="qualified", limit=0) == []


def test_a_challengers_score_whose_answer_is_gone_stands_alone(store: Store):
    row = beside(answered("a"))
    store.scores.append([row])
    assert store.scores.pairs(goal="qualified", limit=10) == [(told(row), None)]


def test_more_pairs_than_are_looked_up_at_once(store: Store):
    rows = [answered(f"r{i}", points=float(i % 100)) for i in range(2_500)]
    store.scores.append([*rows, *map(beside, rows)])
    pairs = store.scores.pairs(goal="qualified", limit=10_000)
    assert [pair[1] for pair in pairs] == [told(row) for row in reversed(rows)]


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store: store.scores.last_of("l7"), "ix_scores_lead_id"),
        (lambda store: store.scores.pairs(goal="qualified", limit=5), "ix_scores_challenger"),
    ],
)  # fmt: skip
def test_each_question_reads_an_index_not_the_whole_log(store: Store, ask, index: str):
    rows = [answered(f"r{i}", lead_id=f"l{i % 2_000}") for i in range(4_000)]
    store.scores.append([*rows, *map(beside, rows[:20])])
    asked: list[tuple] = []
    engine = store._engine
    event.listen(
        engine,
        "before_cursor_execute",
        lambda c, cursor, statement, parameters, *_: asked.append((statement, parameters)),
    )
    ask(store)
    statement, parameters = next(a for a in asked if "FROM scores" in a[0])
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE scores")
        how = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"{how} {statement}", parameters))
    assert index in plan
    assert "SCAN scores" not in plan
    assert "TEMP B-TREE" not in plan
    assert "Seq Scan" not in plan
