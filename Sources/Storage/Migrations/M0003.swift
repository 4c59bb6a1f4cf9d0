// Version 3: artifacts and their parts, uploads in parts.
//
// An artifact's name is a path in a table and never a path on the disk: its bytes are in files under random names
// (see Artifacts/ArtifactFiles.swift), one file for each part. A doomed file belongs to nothing any more and is
// removed after the commit that said so.

let m0003 = Migration(version: 3) { connection, _ in
  try connection.script(
    """
    CREATE TABLE artifact(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      path TEXT NOT NULL UNIQUE CHECK(path <> ''),
      bytes INTEGER NOT NULL,
      created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE artifact_part(
      artifact_id INTEGER NOT NULL REFERENCES artifact(id) ON DELETE CASCADE,
      number INTEGER NOT NULL,
      file TEXT NOT NULL UNIQUE,
      bytes INTEGER NOT NULL,
      checksum INTEGER NOT NULL,
      PRIMARY KEY(artifact_id, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE upload(
      id TEXT NOT NULL PRIMARY KEY CHECK(id <> ''),
      path TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      is_complete INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE upload_part(
      upload_id TEXT NOT NULL REFERENCES upload(id) ON DELETE CASCADE,
      number INTEGER NOT NULL,
      file TEXT NOT NULL UNIQUE,
      bytes INTEGER NOT NULL,
      checksum INTEGER NOT NULL,
      PRIMARY KEY(upload_id, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE doomed_file(file TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
    """)
}
