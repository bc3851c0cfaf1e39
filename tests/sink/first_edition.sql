-- A store as the first edition wrote it: its schema, and rows of a simulated device. It must open for ever.
PRAGMA application_id = 0x62733245;
PRAGMA user_version = 1;

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

INSERT INTO devices VALUES (541000001, 'simulated reader', '0.1.0', NULL, 1795942463441, 1795942467373);
INSERT INTO events VALUES (541000001, 0, 4, 1742774423, 15104, 0, 72, NULL, NULL, 1795942463672, x'0400000097A0E06741013F200000000000000000000000000000000000000000000000000000000000000000003B0048');
INSERT INTO events VALUES (541000001, 0, 5, 1742774978, 4102, 0, 72, 'anna.sato3752@example.com', NULL, 1795942463672, x'05000000C2A2E06741013F20616E6E612E7361746F33373532406578616D706C652E636F6D0000000000000006100048');
INSERT INTO events VALUES (541000001, 0, 6, 1742774978, 28672, 11, 72, NULL, 1, 1795942463672, x'06000000C2A2E06741013F20010000000000000000000000000000000000000000000000000000000000000000700B48');
INSERT INTO events VALUES (541000001, 0, 7, 1742774983, 28928, 11, 72, NULL, 1, 1795942463672, x'07000000C7A2E06741013F20010000000000000000000000000000000000000000000000000000000000000000710B48');
INSERT INTO events VALUES (541000001, 0, 8, 1742775405, 18944, 0, 72, NULL, 1, 1795942463672, x'080000006DA4E06741013F200100000000000000000000000000000000000000000000000000000000000000004A0048');
INSERT INTO events VALUES (541000001, 0, 9, 1742775405, 20480, 0, 72, NULL, 1, 1795942463672, x'090000006DA4E06741013F20010000000000000000000000000000000000000000000000000000000000000000500048');
INSERT INTO events VALUES (541000001, 0, 12, 1742775409, 20736, 0, 72, NULL, 1, 1795942463672, x'0C00000071A4E06741013F20010000000000000000000000000000000000000000000000000000000000000000510048');
INSERT INTO gaps VALUES (541000001, 0, 10, 11, 'overwritten');
INSERT INTO watermarks VALUES (541000001, 0, 4, 11);
INSERT INTO codes VALUES (18944, 'EXIT_BUTTON', 'device', NULL, 'door', NULL);
INSERT INTO codes VALUES (20480, 'DOOR_UNLOCKED', 'door', NULL, 'door', 'DOOR_UNLOCKED');
INSERT INTO codes VALUES (28672, 'FLOOR_ACTIVATED', 'lift', NULL, 'lift', 'FLOOR_ACTIVATED');
