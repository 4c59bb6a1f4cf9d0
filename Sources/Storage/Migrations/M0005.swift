// Version 5: ensembles and their members.
//
// Members name runs by their ids and not by reference: an ensemble keeps what was found of it, also when a run is
// deleted.

let m0005 = Migration(version: 5) { connection, _ in
  try connection.script(
    """
    CREATE TABLE ensemble(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      state TEXT NOT NULL CHECK(state IN ('running', 'finished', 'failed', 'cancelled')),
      error TEXT,
      request TEXT NOT NULL,
      result TEXT,
      created_at INTEGER NOT NULL,
      ended_at INTEGER
    ) STRICT;
    CREATE INDEX ensemble_by_state ON ensemble(state);
    CREATE TABLE ensemble_member(
      ensemble_id INTEGER NOT NULL REFERENCES ensemble(id) ON DELETE CASCADE,
      number INTEGER NOT NULL,
      run_uid TEXT NOT NULL,
      checkpoint TEXT NOT NULL,
      PRIMARY KEY(ensemble_id, number)
    ) STRICT, WITHOUT ROWID;
    """)
}
