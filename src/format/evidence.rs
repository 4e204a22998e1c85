//! Manifests, indexes and configs, read strictly.
