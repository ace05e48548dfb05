"""Over HTTP a score counts the other leads of the company that the store knows, the same as training at that cutoff."""

from __future__ import annotations

import numpy as np

from data.asof import snapshots_at
from data.errors import StoreError
from features.matrix import build_matrix
from tests.serving.conftest import Service


def scored(service: Service, **said) -> tuple[float, float]:
    """(all, in 30 days) that the score saw; bit for bit what training sees where the lead was kept."""
    answer = service.post("/v1/score", said).json()
    row = service.store.scores.by_id(answer["score_id"])
    assert row is not None
    X = np.frombuffer(row.features)
    if answer["stored"]:
        scorer = service.scorer
        then = snapshots_at(service.store, [said["lead_id"]], cutoff=row.cutoff)
        assert build_matrix(then, scorer.features, levels=scorer.levels).X.tobytes() == row.features
    names = service.scorer.features.names
    return tuple(X[names.index(name)].item() for name in ("n_account_leads", "n_account_leads_30d"))


def test_other_leads_of_the_company_count_and_the_lead_itself_never(service: Service):
    assert scored(service, lead_id="ada", company="Acme Inc.") == (0, 0)
    assert scored(service, lead_id="bob", company="ACME") == (1, 1)
    assert scored(service, lead_id="ada") == (1, 1)
    assert scored(service, lead_id="eve", company="Bolt") == (0, 0)
    service.clock.forward(40)
    assert scored(service, lead_id="ada") == (1, 0)
    service.post("/v1/links", {"from_id": "bob", "lead_id": "ada"})
    assert scored(service, lead_id="ada") == (0, 0)


def test_a_lead_that_is_not_kept_gets_what_the_store_knows_of_its_company(service: Service):
    for lead_id in ("ada", "bob"):
        scored(service, lead_id=lead_id, email=f"{lead_id}@acme.io")
    assert scored(service, email="zoe@acme.io") == (2, 2)
    assert scored(service, lead_id="ada", store=False) == (1, 1)
    assert scored(service, lead_id="ada", company_domain="bolt.com", store=False) == (0, 0)
    assert np.isnan(scored(service, email="zoe@gmail.com")).all()
    # Nothing of it was kept.
    assert scored(service, email="zoe@acme.io") == (2, 2)


def test_a_bulk_sees_all_of_its_leads(service: Service):
    leads = [{"lead_id": f"l{k}", "email": f"{k}@{'acme' if k % 2 else 'bolt'}.io"} for k in range(80)]
    answers = service.post("/v1/score/bulk", {"leads": leads}).json()["results"]
    scorer = service.scorer
    rows = [service.store.scores.by_id(answer["score_id"]) for answer in answers]
    then = snapshots_at(service.store, [lead["lead_id"] for lead in leads], cutoff=rows[0].cutoff)
    X = build_matrix(then, scorer.features, levels=scorer.levels).X
    assert [row.features for row in rows] == [row.tobytes() for row in X]
    assert set(X[:, scorer.features.names.index("n_account_leads")]) == {39.0}


def test_a_bulk_is_answered_though_the_store_goes_away_after_it_was_kept(service: Service, monkeypatch):
    def away(*_, **__):
        raise StoreError("the store is busy")

    monkeypatch.setattr(service.store, "account_spans", away)
    leads = [{"lead_id": f"l{k}", "email": f"{k}@acme.io"} for k in range(60)]
    answers = service.post("/v1/score/bulk", {"leads": leads}).json()["results"]
    assert all(answer["degraded"] for answer in answers)
    assert service.store.counts()["leads"] == 60
