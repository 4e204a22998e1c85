//! Merging signatures into what stands at a destination.
