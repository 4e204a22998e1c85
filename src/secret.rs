//! Memory that holds secrets, and a process that does not leak them.
