"""Whether a webhook really comes from HubSpot.

HubSpot signs method, address, body and time with the app's client secret (signature version 3). The address is the public one, byte for
byte: behind a proxy the service cannot see it, so it is a setting. Versions 1 and 2, which HubSpot may send beside it, sign no time and
could be sent again by anybody who saw them: they are not looked at.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field

from starlette.types import Scope

from data.sources.hubspot import HubSpotRules
from serving.problems import Problem

_OLDEST_MS = 300_000
# HubSpot signs the address with these written out, however they were sent.
_PLAIN = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")", "%2A": "*", "%2C": ",",
    "%3B": ";",
}  # fmt: skip
_ESCAPED = re.compile("|".join(_PLAIN))
_MILLIS = re.compile(rb"[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class HubSpot:
    """One app of one installation.

    Attributes
    ----------
    secret : the app's client secret.
    public_url : what HubSpot's target address begins with, before ``/webhooks/hubspot``; without a slash at its end.
    rules : what properties mean.
    """

    secret: str = field(repr=False)
    public_url: str
    rules: HubSpotRules = field(default_factory=HubSpotRules)

    def check(self, scope: Scope, body: bytes, *, now: int) -> None:
        """Raises Problem 403 for a request that does not carry this app's signature, or was signed more than five minutes before or after
        ``now`` (microseconds since 1970 UTC). ``body`` is what was sent, byte for byte."""
        given = dict(scope["headers"])
        signature = given.get(b"x-hubspot-signature-v3")
        stamp = given.get(b"x-hubspot-request-timestamp")
        if signature is None or stamp is None:
            raise Problem(
                403,
                "signature_required",
                "This call takes what HubSpot signs: X-HubSpot-Signature-v3 and X-HubSpot-Request-Timestamp are missing.",
            )
        if not _MILLIS.fullmatch(stamp) or abs(now // 1_000 - int(stamp)) > _OLDEST_MS:
            raise Problem(
                403,
                "signature_too_old",
                "X-HubSpot-Request-Timestamp is more than 5 minutes away from the service's clock; look at that clock.",
            )
        if not hmac.compare_digest(self.signature(scope, body, stamp), signature):
            raise Problem(
                403,
                "bad_signature",
                "The signature is not that of this request. LEADLOOP_HUBSPOT_SECRET must be the app's client secret, and "
                "LEADLOOP_PUBLIC_URL what the app's target address begins with, as HubSpot knows it.",
            )

    def signature(self, scope: Scope, body: bytes, stamp: bytes) -> bytes:
        """The signature that this request must carry."""
        query = scope["query_string"]
        sent = scope["raw_path"] + (b"?" + query if query else b"")
        address = self.public_url + _ESCAPED.sub(lambda found: _PLAIN[found[0]], sent.decode("latin-1"))
        signed = scope["method"].encode() + address.encode("utf-8") + body + stamp
        return base64.b64encode(hmac.digest(self.secret.encode(), signed, "sha256"))
