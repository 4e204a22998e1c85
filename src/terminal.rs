//! The person at the station: what reaches the screen, and how it is asked.
