//! Over all engines: leases, callers, caps and how endings are told.
