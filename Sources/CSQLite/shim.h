// What Swift cannot call by itself: variadic functions and macros that are function pointers.
#ifndef CAIRN_SQLITE_SHIM_H
#define CAIRN_SQLITE_SHIM_H

#include <sqlite3.h>

// Sends SQLite's own messages to `callback`; only before sqlite3_initialize.
static inline int cairn_sqlite_config_log(void (*callback)(void *, int, const char *)) {
  return sqlite3_config(SQLITE_CONFIG_LOG, callback, (void *)0);
}

// Switches one of the on/off options of a connection.
static inline int cairn_sqlite_db_config(sqlite3 *connection, int option, int on) {
  return sqlite3_db_config(connection, option, on, (int *)0);
}

// Binds bytes that SQLite copies, so they may be gone when the statement runs.
static inline int cairn_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *bytes, int count) {
  return sqlite3_bind_text(statement, index, bytes, count, SQLITE_TRANSIENT);
}

static inline int cairn_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count) {
  return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

#endif
