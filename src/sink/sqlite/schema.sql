CREATE TABLE devices (
    device_id INTEGER PRIMARY KEY,
    model TEXT,
    firmware TEXT,
    address TEXT,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
);

-- The rows lie in the order of their key: a reader's log is read from one place, and no index repeats the key.
-- user_id has no type, so that text stays text and bytes stay bytes.
CREATE TABLE events (
    device_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    time INTEGER NOT NULL,
    code INTEGER NOT NULL,
    param INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    user_id,
    subject_id INTEGER,
    received_at INTEGER NOT NULL,
    raw BLOB NOT NULL,
    PRIMARY KEY (device_id, epoch, event_id)
) WITHOUT ROWID;

CREATE TABLE gaps (
    device_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    from_id INTEGER NOT NULL,
    to_id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (device_id, epoch, from_id)
) WITHOUT ROWID;

CREATE TABLE watermarks (
    device_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    PRIMARY KEY (device_id, epoch)
) WITHOUT ROWID;

CREATE TABLE codes (
    code INTEGER PRIMARY KEY,
    name TEXT,
    category TEXT,
    outcome TEXT,
    subject TEXT NOT NULL,
    name_of_subs TEXT
);

-- A code goes by its own name, else by the one that its main code has for sub codes.
CREATE VIEW named_events AS
SELECT
    events.device_id,
    devices.model,
    events.epoch,
    events.event_id,
    strftime('%Y-%m-%dT%H:%M:%SZ', events.time, 'unixepoch') AS time,
    printf('0x%04X', events.code) AS code,
    coalesce(own.name, main.name_of_subs) AS name,
    coalesce(own.category, main.category) AS category,
    coalesce(own.outcome, main.outcome) AS outcome,
    coalesce(own.subject, main.subject) AS subject,
    events.user_id,
    events.subject_id,
    CASE WHEN events.code BETWEEN 0x1000 AND 0x1EFF AND events.param BETWEEN 1 AND 16 THEN events.param END AS tna_key,
    events.flags & 1 AS has_image,
    CASE WHEN events.flags & 0x80 THEN -30 ELSE 30 END * ((events.flags & 0x7C) >> 2) AS utc_offset_minutes,
    strftime('%Y-%m-%dT%H:%M:%fZ', events.received_at / 1000.0, 'unixepoch') AS received_at
FROM events
LEFT JOIN devices USING (device_id)
LEFT JOIN codes AS own ON own.code = events.code
LEFT JOIN codes AS main ON main.code = events.code & 0xFF00;

CREATE VIEW named_gaps AS
SELECT
    gaps.device_id,
    devices.model,
    gaps.epoch,
    gaps.from_id,
    gaps.to_id,
    gaps.reason,
    CASE WHEN gaps.to_id < 0xFFFFFFFF THEN gaps.to_id - gaps.from_id + 1 END AS missing
FROM gaps
LEFT JOIN devices USING (device_id);
