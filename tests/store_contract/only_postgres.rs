//! What holds where any number of processes share one server.
