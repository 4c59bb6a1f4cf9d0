// Version 4: the model registry, logged models, and what runs take in and give out.
//
// The registry names runs and logged models by their ids and not by reference: it keeps what it was told, also when
// the run is deleted. A deleted version leaves its number used, so the model counts them.

let m0004 = Migration(version: 4) { connection, _ in
  try connection.script(
    """
    CREATE TABLE registered_model(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL UNIQUE CHECK(name <> ''),
      description TEXT,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      next_version INTEGER NOT NULL DEFAULT 1
    ) STRICT;
    CREATE TABLE registered_model_tag(
      model_id INTEGER NOT NULL REFERENCES registered_model(id) ON DELETE CASCADE,
      key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY(model_id, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE registered_model_alias(
      model_id INTEGER NOT NULL REFERENCES registered_model(id) ON DELETE CASCADE,
      alias TEXT NOT NULL,
      version INTEGER NOT NULL,
      PRIMARY KEY(model_id, alias)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE model_version(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      model_id INTEGER NOT NULL REFERENCES registered_model(id) ON DELETE CASCADE,
      version INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      description TEXT,
      stage TEXT NOT NULL CHECK(stage IN ('None', 'Staging', 'Production', 'Archived')),
      source TEXT NOT NULL,
      storage_location TEXT NOT NULL,
      run_id TEXT NOT NULL,
      run_link TEXT NOT NULL,
      UNIQUE(model_id, version)
    ) STRICT;
    CREATE TABLE model_version_tag(
      version_id INTEGER NOT NULL REFERENCES model_version(id) ON DELETE CASCADE,
      key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY(version_id, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE logged_model(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      uid TEXT NOT NULL UNIQUE CHECK(uid <> ''),
      experiment_id INTEGER NOT NULL REFERENCES experiment(id),
      name TEXT NOT NULL,
      artifact_uri TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      status INTEGER NOT NULL,
      lifecycle TEXT NOT NULL DEFAULT 'active' CHECK(lifecycle IN ('active', 'deleted')),
      model_type TEXT NOT NULL,
      source_run_id TEXT NOT NULL
    ) STRICT;
    CREATE INDEX logged_model_by_experiment ON logged_model(experiment_id, created_at DESC);
    CREATE INDEX logged_model_by_run ON logged_model(source_run_id);
    CREATE TABLE logged_model_tag(
      model_id INTEGER NOT NULL REFERENCES logged_model(id) ON DELETE CASCADE,
      key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY(model_id, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE logged_model_param(
      model_id INTEGER NOT NULL REFERENCES logged_model(id) ON DELETE CASCADE,
      key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY(model_id, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE logged_model_metric(
      model_id INTEGER NOT NULL REFERENCES logged_model(id) ON DELETE CASCADE,
      key TEXT NOT NULL,
      time INTEGER NOT NULL,
      step INTEGER NOT NULL,
      run_id TEXT NOT NULL,
      bits INTEGER NOT NULL,
      dataset_name TEXT NOT NULL,
      dataset_digest TEXT NOT NULL,
      PRIMARY KEY(model_id, key, time, step, run_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE dataset(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      experiment_id INTEGER NOT NULL REFERENCES experiment(id),
      name TEXT NOT NULL,
      digest TEXT NOT NULL,
      source_type TEXT NOT NULL,
      source TEXT NOT NULL,
      schema TEXT,
      profile TEXT,
      UNIQUE(experiment_id, name, digest)
    ) STRICT;
    CREATE TABLE run_dataset(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      dataset_id INTEGER NOT NULL REFERENCES dataset(id),
      UNIQUE(run_id, dataset_id)
    ) STRICT;
    CREATE INDEX run_dataset_by_dataset ON run_dataset(dataset_id);
    CREATE TABLE run_dataset_tag(
      input_id INTEGER NOT NULL REFERENCES run_dataset(id) ON DELETE CASCADE,
      key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY(input_id, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE run_model(
      run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      direction TEXT NOT NULL CHECK(direction IN ('input', 'output')),
      model_uid TEXT NOT NULL,
      step INTEGER NOT NULL,
      PRIMARY KEY(run_id, direction, model_uid)
    ) STRICT, WITHOUT ROWID;
    """)
}
