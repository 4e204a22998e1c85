//! What a destination or source of images can do.
