"""Who is who: ids of visitors and leads that turned out to be one person.

A link says that what is held under one id belongs to another: an anonymous visitor who filled in a form (visitor -> lead), a visitor on a
second device (visitor -> visitor), a lead the CRM merged into another (lead -> lead). From the instant a link is known, what is held under
its ``from_id`` counts for its ``lead_id`` too, and so on up the chain; before, it does not.

Each id belongs to at most one other: the one of the link that was known first. Links are taken in the order in which they became known
(``order``), and one that would give an id a second owner, or close a circle, has no effect. So a link never changes what was known before
it, and nothing that a cutoff saw is ever taken away again; the order of arrival in the store is no matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from data.domain import Link

Known = Mapping[str, int]


def known_at(link: Link) -> int:
    """The instant from which the link counts: it has happened and has been received."""
    return link.occurred_at if link.received_at is None else max(link.occurred_at, link.received_at)


def order(link: Link) -> tuple[int, int, str, str, str, str]:
    """Links by when they were known, then when they happened; those known at one instant by what they say."""
    return known_at(link), link.occurred_at, link.lead_id, link.from_id, link.source, link.link_id


class Identities:
    """Which ids belong to which, from a set of links.

    To be right about some ids it needs every link whose ``from_id`` is one of them, is below one of them, or can be reached upwards from
    there; others change nothing.
    """

    def __init__(self, links: Iterable[Link]) -> None:
        self._owner: dict[str, tuple[str, int]] = {}
        self._owned: dict[str, list[tuple[str, int]]] = {}
        top: dict[str, str] = {}
        for link in sorted(links, key=order):
            if link.from_id in self._owner or _top(top, link.lead_id) == link.from_id:
                continue
            top[link.from_id] = link.lead_id
            self._owner[link.from_id] = link.lead_id, known_at(link)
            self._owned.setdefault(link.lead_id, []).append((link.from_id, known_at(link)))

    def __bool__(self) -> bool:
        return bool(self._owner)

    def owners(self, some_id: str) -> Iterator[tuple[str, int]]:
        """The ids it belongs to, nearest first, each with the instant from which that is known."""
        since = None
        while some_id in self._owner:
            some_id, known = self._owner[some_id]
            since = known if since is None else max(since, known)
            yield some_id, since

    def members(self, some_id: str) -> dict[str, int]:
        """The ids that belong to it, directly or through others, each with the instant from which that is known; not itself."""
        found: dict[str, int] = {}
        waiting = list(self._owned.get(some_id, ()))
        while waiting:
            member, since = waiting.pop()
            found[member] = since
            waiting += [(below, max(since, known)) for below, known in self._owned.get(member, ())]
        return found

    def person(self, some_id: str) -> dict[str, int]:
        """All ids of the same person, each with the instant from which that is known; not itself."""
        found = self.members(some_id)
        for owner, since in self.owners(some_id):
            for member, known in {owner: since, **self.members(owner)}.items():
                if member != some_id:
                    # The nearest common owner is met first, and is how the two were known to be one.
                    found.setdefault(member, max(since, known))
        return found

    def owning(self) -> Iterable[str]:
        """Ids to which others belong."""
        return self._owned

    def owned(self) -> Iterable[str]:
        """Ids that belong to another."""
        return self._owner

    def merged(self, received_at: Mapping[str, int]) -> dict[str, int]:
        """Leads that belong to another lead, each with the instant from which both are known; ``received_at`` are all created leads."""
        found = {}
        for lead_id in self._owner.keys() & received_at.keys():
            above = [max(since, received_at[i]) for i, since in self.owners(lead_id) if i in received_at]
            if above:
                found[lead_id] = min(above)
        return found


def _top(top: dict[str, str], some_id: str) -> str:
    """The last owner so far; steps are shortened on the way, so that long chains stay cheap."""
    while (owner := top.get(some_id)) is not None:
        above = top.get(owner)
        if above is not None:
            top[some_id] = above
        some_id = owner
    return some_id
