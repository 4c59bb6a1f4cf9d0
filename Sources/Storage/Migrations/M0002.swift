// Version 2: the latest value of every metric in a row of its own, written with the points, so that runs are
// searched without reading curves; the order in which runs are listed; when a run or experiment was deleted.
//
// `bits` is the value as it was recorded; `value` is for comparing: NULL for NaN, and an infinity is the largest
// number of its sign, as MLflow has it.

let m0002 = Migration(version: 2) { connection, _ in
  try connection.script(
    """
    CREATE TABLE latest_metric(
      run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      key_id INTEGER NOT NULL,
      step INTEGER NOT NULL, time INTEGER NOT NULL, bits INTEGER NOT NULL,
      value REAL,
      PRIMARY KEY(run_id, key_id)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE run ADD COLUMN deleted_at INTEGER;
    ALTER TABLE experiment ADD COLUMN deleted_at INTEGER;
    CREATE INDEX run_by_start ON run(experiment_id, start_time DESC, uid);
    """)
  // Reading segments has looked into the inbox too since version 8.
  try connection.makeInbox()
  let runs = try connection.all("SELECT id FROM run ORDER BY id") { $0.integer(0) }
  for run in runs {
    for (key, state) in try connection.seriesStatesWithUnfolded(run: run) {
      try connection.noteLatest(
        LatestPoint(place: state.lastPlace, value: state.last), of: SeriesID(run: run, key: key))
    }
  }
}
