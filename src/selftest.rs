//! Known answers of every primitive that signing uses.
