"""The state manifest: what is in force, signed, so that a newsroom notices what it missed."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from alertd.anchors import Signer
from alertd.publishing.edition import Edition, Incident, instant
from alertd.publishing.jsonfeed import item
from alertd.publishing.selection import Site

FORMAT = "alertd-state-1"
MISSED = 3  # heartbeats after which a reader should worry


def write_manifest(
    edition: Edition, site: Site, signer: Signer, *, at: datetime, heartbeat: timedelta
) -> bytes:
    """Give the envelope: `state` is the text that `signature` holds for, itself JSON."""
    alerts = {real: _alerts(edition, site, real=real) for real in (True, False)}
    state = {
        "format": FORMAT,
        "site": site.public_url,
        "sequence": edition.sequence,
        "generated_at": instant(at),
        "good_until": instant(at + MISSED * heartbeat),
        "alerts": alerts[True],
        "exercises": alerts[False],
    }
    text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
    envelope = {
        "state": text,
        "key_id": signer.verifier.key_id,
        "signature": signer.sign_text(text),
    }
    return json.dumps(envelope, ensure_ascii=False, indent=1).encode()


def _alerts(edition: Edition, site: Site, *, real: bool) -> list[dict[str, Any]]:
    return [_alert(each, site) for each in edition.incidents if each.entries and each.real is real]


def _alert(incident: Incident, site: Site) -> dict[str, Any]:
    cap = incident.cap
    return {
        "alert_id": incident.alert_id,
        "identifier": incident.identifier,
        "state": "live" if incident.live else "ended",
        "sent": instant(incident.sent_at),
        "until": instant(incident.until),
        "page": incident.id,
        "cap": cap and {"url": site.public_url + cap.path, "sha256": cap.sha256},
        "entries": {
            language: digest(item(incident, language, site)) for language in incident.entries
        },
    }


def digest(made: Mapping[str, Any]) -> str:
    """Give the SHA-256 of JSON Feed's item: keys sorted, no blanks, UTF-8."""
    text = json.dumps(made, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
