//! A request: complete, self-consistent, every payload and statement rendered again.
