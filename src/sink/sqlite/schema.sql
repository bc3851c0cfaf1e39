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
    source_device_id INTEGER NOT NULL,
    card_data TEXT,
    card_text TEXT,
    has_clock INTEGER NOT NULL,
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
