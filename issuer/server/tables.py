"""The tables of the service, in the portable words of ``issuer.schema``, by the revisions that make them.

Codes, tokens and nonces are here as keyed hashes only. Nothing is personal data but what an application holds.
"""

from __future__ import annotations

__all__ = ["PURPOSE", "REVISIONS", "SCHEMA", "SHOWINGS"]

_OAUTH = (
    # What was used and may not be used again before it expires: jti of proofs, nonces.
    """CREATE TABLE spent (
        hash BLOB PRIMARY KEY,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX spent_by_expiry ON spent (expires_at)",
    # Wrong guesses, and logins that were begun, by address, since the first of them.
    """CREATE TABLE guesses (
        hash BLOB NOT NULL,
        began INTEGER NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (hash, began)
    ) STRICT""",
    "CREATE INDEX guesses_by_time ON guesses (began)",
    # A pushed authorization request, to be opened until ``opens_until`` and decided on until ``expires_at``.
    """CREATE TABLE authorizations (
        id TEXT PRIMARY KEY,
        request_hash BLOB NOT NULL UNIQUE,
        client_id TEXT NOT NULL,
        instance TEXT,
        jkt TEXT,
        redirect_uri TEXT NOT NULL,
        state TEXT,
        code_challenge TEXT NOT NULL,
        configurations TEXT NOT NULL,
        detailed TEXT NOT NULL,
        issuer_state TEXT,
        decided INTEGER NOT NULL DEFAULT 0 CHECK (decided IN (0, 1)),
        opens_until INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX authorizations_by_expiry ON authorizations (expires_at)",
    # A code, and what the tokens are of that it was exchanged for.
    """CREATE TABLE grants (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('code', 'pre_authorized')),
        code_hash BLOB NOT NULL UNIQUE,
        code_expires_at INTEGER NOT NULL,
        application TEXT NOT NULL,
        configurations TEXT NOT NULL,
        detailed TEXT NOT NULL,
        client_id TEXT,
        instance TEXT,
        jkt TEXT,
        redirect_uri TEXT,
        code_challenge TEXT,
        tx_hash BLOB,
        tries INTEGER NOT NULL DEFAULT 0,
        used INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1)),
        expires_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX grants_by_expiry ON grants (expires_at)",
    "CREATE INDEX grants_by_application ON grants (application)",
    """CREATE TABLE tokens (
        hash BLOB PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
        grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
        client_id TEXT,
        instance TEXT,
        jkt TEXT,
        configurations TEXT NOT NULL,
        detailed TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX tokens_by_grant ON tokens (grant_id)",
    "CREATE INDEX tokens_by_expiry ON tokens (expires_at)",
)

_CREDENTIALS = (
    # What somebody applied for. ``ready_at``: from when on it can be issued; NULL while it waits for a decision.
    """CREATE TABLE applications (
        id TEXT PRIMARY KEY,
        code TEXT NOT NULL,
        subject TEXT NOT NULL,
        variant TEXT,
        options TEXT NOT NULL,
        configurations TEXT NOT NULL,
        record_digest BLOB NOT NULL,
        applied_on TEXT NOT NULL,
        applied_at INTEGER NOT NULL,
        ready_at INTEGER,
        state TEXT NOT NULL CHECK (state IN ('open', 'issued', 'denied', 'withdrawn')),
        expires_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX applications_by_expiry ON applications (expires_at)",
    "CREATE INDEX applications_by_state ON applications (state, applied_at)",
    # An offer that is fetched by reference, sealed with what only its address has.
    """CREATE TABLE offer_references (
        hash BLOB PRIMARY KEY,
        sealed BLOB NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    # The ``issuer_state`` of an offer, and the application it stands for.
    """CREATE TABLE issuer_states (
        hash BLOB PRIMARY KEY,
        application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    # A request that could not be answered at once. ``keys`` are public keys; ``slot`` is where its answer will be.
    """CREATE TABLE deferred (
        hash BLOB PRIMARY KEY,
        application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
        configuration TEXT NOT NULL,
        keys TEXT NOT NULL,
        digest BLOB NOT NULL,
        slot BLOB NOT NULL,
        asked_at INTEGER NOT NULL,
        delivered_at INTEGER
    ) STRICT""",
    "CREATE INDEX deferred_by_application ON deferred (application)",
    # Which credentials an application led to, and what its wallet told of them.
    """CREATE TABLE deliveries (
        credential TEXT PRIMARY KEY,
        application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
        event TEXT,
        told_at INTEGER
    ) STRICT""",
    "CREATE INDEX deliveries_by_application ON deliveries (application)",
    # What an ``Idempotency-Key`` was first used for.
    """CREATE TABLE idempotency (
        hash BLOB PRIMARY KEY,
        digest BLOB NOT NULL,
        slot BLOB NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX idempotency_by_expiry ON idempotency (expires_at)",
    # Keys that wallets encrypt requests to: the newest is published, older ones still open what is under way.
    """CREATE TABLE encryption_keys (
        number INTEGER PRIMARY KEY,
        kid TEXT NOT NULL UNIQUE,
        key BLOB NOT NULL,
        made_at INTEGER NOT NULL
    ) STRICT""",
)

_LOGINS = (
    # A login that a browser was sent to the identity provider for. ``place``: the page that it goes on with.
    """CREATE TABLE logins (
        hash BLOB PRIMARY KEY,
        browser_hash BLOB NOT NULL,
        place TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX logins_by_expiry ON logins (expires_at)",
    # Who is logged in. ``subject`` is the registry's key of an applicant, or an operator's name.
    """CREATE TABLE sessions (
        hash BLOB PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('applicant', 'operator')),
        subject TEXT NOT NULL,
        name TEXT,
        began_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX sessions_by_expiry ON sessions (expires_at)",
    "CREATE INDEX applications_by_subject ON applications (subject, applied_at)",
)

SCHEMA = (*_OAUTH, *_CREDENTIALS, *_LOGINS)
"""Revision 0002. What came later is added, here as in a database that has it already."""

# What the applicant said the certificate is for; one of ``apply_pages.PURPOSES``, NULL where nobody asked.
PURPOSE = ("ALTER TABLE applications ADD COLUMN purpose TEXT",)
"""Revision 0003."""

SHOWINGS = (
    # A request to show an identity card, of a login under way (``logins``): one for a wallet on another device, one for
    # a wallet on the same. Question and policy are known to who knows the handle (``sealed``: its private key), the
    # short code to who has the address that the wallet was given. ``subject`` is the registry's key: it goes with the
    # login, which goes after minutes.
    """CREATE TABLE showings (
        handle_hash BLOB PRIMARY KEY,
        login_hash BLOB NOT NULL REFERENCES logins (hash) ON DELETE CASCADE,
        device TEXT NOT NULL CHECK (device IN ('cross', 'same')),
        lang TEXT NOT NULL,
        opens_until INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'answered', 'declined', 'refused')),
        request BLOB,
        policy TEXT,
        sealed BLOB,
        ends_at INTEGER,
        used INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1)),
        failures INTEGER NOT NULL DEFAULT 0,
        reasons TEXT,
        secret_hash BLOB UNIQUE,
        sealed_code BLOB,
        code_hash BLOB,
        tries INTEGER NOT NULL DEFAULT 0,
        card TEXT,
        subject TEXT,
        name TEXT
    ) STRICT""",
    "CREATE INDEX showings_by_login ON showings (login_hash)",
    # The latest time at which an answer was judged: a clock that goes back makes what has ended valid again.
    "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), last_seen INTEGER NOT NULL) STRICT",
)
"""Revision 0004."""

REVISIONS = (SCHEMA, PURPOSE, SHOWINGS)
