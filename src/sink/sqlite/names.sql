CREATE TABLE codes (
    code INTEGER PRIMARY KEY,
    name TEXT,
    category TEXT,
    outcome TEXT,
    subject TEXT NOT NULL,
    main_name TEXT
);

-- A code without a name of its own has that of its main code, and the number of its sub code.
CREATE VIEW named_events AS
SELECT
    events.device_id,
    events.source_device_id,
    devices.model,
    events.epoch,
    events.event_id,
    strftime('%Y-%m-%dT%H:%M:%SZ', events.time, 'unixepoch') AS time,
    printf('0x%04X', events.code) AS code,
    coalesce(own.name, main.main_name || printf('+0x%02X', events.code & 0xFF)) AS name,
    coalesce(own.category, main.category) AS category,
    coalesce(own.outcome, main.outcome) AS outcome,
    coalesce(own.subject, main.subject) AS subject,
    events.user_id,
    events.card_data,
    events.card_text,
    events.subject_id,
    CASE WHEN events.code BETWEEN 0x1000 AND 0x1EFF AND events.param BETWEEN 1 AND 16 THEN events.param END AS tna_key,
    events.flags & 1 AS has_image,
    CASE WHEN events.has_clock
        THEN CASE WHEN events.flags & 0x80 THEN -30 ELSE 30 END * ((events.flags & 0x7C) >> 2)
    END AS utc_offset_minutes,
    CASE WHEN events.has_clock THEN (events.flags & 2) >> 1 END AS daylight_saving,
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
