"""The tables of the store.

Facts are appended and never changed; only erasing a person deletes any. Every table has ``seq``, the order of arrival, by which long reads
are paged. Instants are microseconds since 1970 UTC in 64-bit integers. Ids sort by code point in both databases, so that ties break alike.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

# SQLite counts only INTEGER primary keys up by itself.
Sequence = BigInteger().with_variant(Integer(), "sqlite")
# PostgreSQL would sort by the server's language; SQLite compares bytes.
Id = Text().with_variant(Text(collation="C"), "postgresql")


def _seq() -> Column:
    return Column("seq", Sequence, primary_key=True, autoincrement=True)


leads = Table(
    "leads",
    metadata,
    _seq(),
    Column("lead_id", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    UniqueConstraint("lead_id", name="uq_leads_lead_id"),
    Index("ix_leads_created_at", "created_at"),
    sqlite_autoincrement=True,
)

# ``fields`` is JSON with sorted keys: a patch over what was known before.
profiles = Table(
    "profiles",
    metadata,
    _seq(),
    Column("lead_id", Id, nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("fields", Text, nullable=False),
    Column("as_exported", Boolean, nullable=False),
    Index("ix_profiles_lead_id", "lead_id"),
    sqlite_autoincrement=True,
)

touchpoints = Table(
    "touchpoints",
    metadata,
    _seq(),
    Column("source", Id, nullable=False),
    Column("touchpoint_id", Id, nullable=False),
    Column("lead_id", Id, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("received_assumed", Boolean, nullable=False),
    Column("type", Text, nullable=False),
    Column("channel", Text),
    Column("campaign", Text),
    Column("content", Text),
    Column("direction", Text),
    Column("value", Double),
    UniqueConstraint("source", "touchpoint_id", name="uq_touchpoints_source"),
    Index("ix_touchpoints_lead_id", "lead_id", "occurred_at"),
    sqlite_autoincrement=True,
)

outcomes = Table(
    "outcomes",
    metadata,
    _seq(),
    Column("source", Id, nullable=False),
    Column("outcome_id", Id, nullable=False),
    Column("lead_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("received_assumed", Boolean, nullable=False),
    Column("undoes", Id),
    Column("amount", Double),
    UniqueConstraint("source", "outcome_id", name="uq_outcomes_source"),
    Index("ix_outcomes_lead_id", "lead_id", "occurred_at"),
    sqlite_autoincrement=True,
)

# What is held under ``from_id`` belongs to ``lead_id``; see ``data.identity``.
links = Table(
    "links",
    metadata,
    _seq(),
    Column("source", Id, nullable=False),
    Column("link_id", Id, nullable=False),
    Column("from_id", Id, nullable=False),
    Column("lead_id", Id, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("received_assumed", Boolean, nullable=False),
    UniqueConstraint("source", "link_id", name="uq_links_source"),
    Index("ix_links_from_id", "from_id"),
    Index("ix_links_lead_id", "lead_id"),
    sqlite_autoincrement=True,
)

# Which lead is of which account when (``data.accounts``). Made from profiles and links, and made anew when these say otherwise.
accounts = Table(
    "accounts",
    metadata,
    _seq(),
    Column("account", Id, nullable=False),
    Column("lead_id", Id, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Index("ix_accounts_account", "account", "since", "until", "lead_id"),
    Index("ix_accounts_lead_id", "lead_id"),
    sqlite_autoincrement=True,
)

# ``features`` is the row of the matrix as float64 bytes, so that any past score can be recomputed bit for bit. ``route`` says which model
# was asked: the lead's score is the champion's, a challenger's stands beside it and was never answered. The index of these costs the
# others nothing.
_BY_CHALLENGER = text("route = 'challenger'")
scores = Table(
    "scores",
    metadata,
    _seq(),
    Column("score_id", Id, nullable=False),
    Column("lead_id", Id, nullable=False),
    Column("goal", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("cutoff", BigInteger, nullable=False),
    Column("score", Integer, nullable=False),
    Column("grade", Text, nullable=False),
    Column("probability", Double),
    Column("points", Double, nullable=False),
    Column("features", LargeBinary, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("stored", Boolean, nullable=False),
    Column("route", Text, nullable=False, server_default="champion"),
    UniqueConstraint("score_id", name="uq_scores_score_id"),
    Index("ix_scores_lead_id", "lead_id"),
    Index(
        "ix_scores_challenger", "goal", "seq", sqlite_where=_BY_CHALLENGER, postgresql_where=_BY_CHALLENGER
    ),
    sqlite_autoincrement=True,
)

# Of a key only its SHA-256 is kept; see ``data.keys``. Its rows change: a key is revoked.
keys = Table(
    "keys",
    metadata,
    _seq(),
    Column("name", Id, nullable=False),
    Column("beginning", Text, nullable=False),
    Column("ending", Text, nullable=False),
    Column("sha256", Id, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("rate_per_minute", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("sha256", name="uq_keys_sha256"),
    sqlite_autoincrement=True,
)

# Answers kept for a while under an Idempotency-Key, and the leads they are about; see ``data.replies``.
replies = Table(
    "replies",
    metadata,
    _seq(),
    Column("request_id", Id, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", LargeBinary),
    UniqueConstraint("request_id", name="uq_replies_request_id"),
    Index("ix_replies_claimed_at", "claimed_at"),
    sqlite_autoincrement=True,
)
reply_leads = Table(
    "reply_leads",
    metadata,
    _seq(),
    Column("request_id", Id, nullable=False),
    Column("lead_id", Id, nullable=False),
    UniqueConstraint("request_id", "lead_id", name="uq_reply_leads_request_id"),
    Index("ix_reply_leads_lead_id", "lead_id"),
    sqlite_autoincrement=True,
)

# Ids of erased persons as HMAC-SHA256 in hex, under the one key in ``tombstone_keys``: neither the id nor a digest that others can make
# of it. ``suppressions`` are ids of persons who may be known and must not be looked at; see ``data.privacy``.
tombstone_keys = Table(
    "tombstone_keys",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
)
tombstones = Table(
    "tombstones",
    metadata,
    _seq(),
    Column("digest", Id, nullable=False),
    Column("erased_at", BigInteger, nullable=False),
    UniqueConstraint("digest", name="uq_tombstones_digest"),
    sqlite_autoincrement=True,
)
suppressions = Table(
    "suppressions",
    metadata,
    _seq(),
    Column("lead_id", Id, nullable=False),
    Column("suppressed_at", BigInteger, nullable=False),
    UniqueConstraint("lead_id", name="uq_suppressions_lead_id"),
    sqlite_autoincrement=True,
)

# Messages that were acknowledged and could not be used; see ``data.deadletters``.
dead_letters = Table(
    "dead_letters",
    metadata,
    _seq(),
    Column("letter_id", Id, nullable=False),
    Column("source", Id, nullable=False),
    Column("lead_id", Id),
    Column("received_at", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("letter_id", name="uq_dead_letters_letter_id"),
    Index("ix_dead_letters_lead_id", "lead_id"),
    sqlite_autoincrement=True,
)

# What is known of leads, as ``Store.counts`` counts it.
FACTS = (leads, profiles, touchpoints, outcomes, links, scores)
