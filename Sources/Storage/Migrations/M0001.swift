// Version 1: experiments, runs with their parameters and tags, metrics, checkpoints, jobs, logs.
//
// Metric values are kept as the bits of a double in INTEGER columns. `segment` takes what arrives, one row a
// request; `chunk` and `series` hold what was folded (see Metrics/Fold.swift); a chunk's bytes are in a table of
// their own, because SQLite reads whole rows of a WITHOUT ROWID table to compare their keys. A doomed checkpoint belongs to
// no run, so that the run can go before the checkpoint's bytes are removed.

let m0001 = Migration(version: 1) { connection, now in
  try connection.script(
    """
    CREATE TABLE experiment(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL UNIQUE CHECK(name <> ''),
      artifact_location TEXT,
      lifecycle TEXT NOT NULL DEFAULT 'active' CHECK(lifecycle IN ('active', 'deleted')),
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE experiment_tag(
      experiment_id INTEGER NOT NULL REFERENCES experiment(id) ON DELETE CASCADE,
      key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY(experiment_id, key)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO experiment(id, name, created_at, updated_at) VALUES (0, 'Default', \(now), \(now));

    CREATE TABLE run(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      uid TEXT NOT NULL UNIQUE CHECK(uid <> ''),
      experiment_id INTEGER NOT NULL REFERENCES experiment(id),
      name TEXT NOT NULL,
      user_id TEXT NOT NULL DEFAULT '',
      status TEXT NOT NULL CHECK(status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
      start_time INTEGER,
      end_time INTEGER,
      lifecycle TEXT NOT NULL DEFAULT 'active' CHECK(lifecycle IN ('active', 'deleted'))
    ) STRICT;
    CREATE INDEX run_by_experiment ON run(experiment_id, id);
    CREATE TABLE param(
      run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY(run_id, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE tag(
      run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY(run_id, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE metric_key(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK(name <> '')) STRICT;
    CREATE TABLE segment(
      id INTEGER PRIMARY KEY,
      run_id INTEGER NOT NULL REFERENCES run(id),
      points INTEGER NOT NULL,
      data BLOB NOT NULL
    ) STRICT;
    CREATE INDEX segment_by_run ON segment(run_id);
    CREATE TABLE series(
      run_id INTEGER NOT NULL REFERENCES run(id),
      key_id INTEGER NOT NULL,
      count INTEGER NOT NULL,
      nan_count INTEGER NOT NULL,
      first_step INTEGER NOT NULL, first_time INTEGER NOT NULL, first_bits INTEGER NOT NULL,
      last_step INTEGER NOT NULL, last_time INTEGER NOT NULL, last_bits INTEGER NOT NULL,
      min_bits INTEGER, min_step INTEGER,
      max_bits INTEGER, max_step INTEGER,
      PRIMARY KEY(run_id, key_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE chunk(
      run_id INTEGER NOT NULL REFERENCES run(id),
      key_id INTEGER NOT NULL,
      first_step INTEGER NOT NULL, first_time INTEGER NOT NULL,
      last_step INTEGER NOT NULL,
      count INTEGER NOT NULL,
      numbers INTEGER NOT NULL,
      sum_bits INTEGER NOT NULL, min_bits INTEGER NOT NULL, max_bits INTEGER NOT NULL,
      data_id INTEGER NOT NULL,
      PRIMARY KEY(run_id, key_id, first_step, first_time)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE chunk_data(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

    CREATE TABLE checkpoint(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      run_id INTEGER REFERENCES run(id),
      step INTEGER NOT NULL,
      epoch INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      state TEXT NOT NULL CHECK(state IN ('partial', 'complete', 'doomed'))
    ) STRICT;
    CREATE UNIQUE INDEX checkpoint_by_step ON checkpoint(run_id, step) WHERE state = 'complete';
    CREATE INDEX checkpoint_by_run ON checkpoint(run_id);
    CREATE INDEX checkpoint_unfinished ON checkpoint(state) WHERE state <> 'complete';
    CREATE TABLE checkpoint_metric(
      checkpoint_id INTEGER NOT NULL REFERENCES checkpoint(id) ON DELETE CASCADE,
      key TEXT NOT NULL, bits INTEGER NOT NULL,
      PRIMARY KEY(checkpoint_id, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE checkpoint_label(
      run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      label TEXT NOT NULL,
      checkpoint_id INTEGER NOT NULL REFERENCES checkpoint(id) ON DELETE CASCADE,
      PRIMARY KEY(run_id, label)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX checkpoint_label_by_checkpoint ON checkpoint_label(checkpoint_id);
    CREATE TABLE checkpoint_chunk(
      id INTEGER PRIMARY KEY,
      checkpoint_id INTEGER NOT NULL REFERENCES checkpoint(id),
      number INTEGER NOT NULL,
      checksum INTEGER NOT NULL,
      data BLOB NOT NULL,
      UNIQUE(checkpoint_id, number)
    ) STRICT;

    CREATE TABLE job(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      run_id INTEGER NOT NULL UNIQUE REFERENCES run(id) ON DELETE CASCADE,
      state TEXT NOT NULL CHECK(state IN ('queued', 'running', 'paused', 'finished', 'failed', 'cancelled')),
      error TEXT,
      priority INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      started_at INTEGER,
      ended_at INTEGER,
      spec TEXT NOT NULL,
      step INTEGER NOT NULL DEFAULT 0,
      total_steps INTEGER NOT NULL,
      epoch INTEGER NOT NULL DEFAULT 0,
      eta_seconds REAL
    ) STRICT;
    CREATE INDEX job_by_state ON job(state, priority DESC, id);

    CREATE TABLE log_line(
      run_id INTEGER NOT NULL REFERENCES run(id),
      number INTEGER NOT NULL,
      time INTEGER NOT NULL,
      text TEXT NOT NULL,
      PRIMARY KEY(run_id, number)
    ) STRICT, WITHOUT ROWID;
    """)
}
