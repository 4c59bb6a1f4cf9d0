// Version 8: where small segments wait before they come under the index of runs (see Metrics/Inbox.swift).

let m0008 = Migration(version: 8) { connection, _ in try connection.makeInbox() }
