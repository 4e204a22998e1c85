//! Sigstore bundles v0.3 and their referrer manifests.
